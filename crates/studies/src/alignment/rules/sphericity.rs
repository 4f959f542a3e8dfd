//! Isotropy inside eigenspaces.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::Pool;
use crate::alignment::check;

/// Largest sphericity statistic over the repeated eigenspaces of pooled filters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sphericity {
    /// Panel.
    pub panel: String,
}

impl Rule for Sphericity {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::pool(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let Pool { run, nets } = Pool::clean(runs, &self.panel, seeds)?;
        let chi2 = run.last_spectrum()?.sphericity;
        let chi2 = chi2.ok_or("no eigenspace is repeated, or there are too few filters")?;
        Estimate::number(chi2, nets)
    }
}
