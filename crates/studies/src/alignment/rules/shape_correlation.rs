//! Shape of the transfer function in two panels.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Range, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::{Panels, correlation};
use crate::alignment::check;

/// Pearson correlation of log f between two panels, per seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShapeCorrelation {
    /// Panel.
    pub panel: String,
    /// The other panel.
    pub other: String,
}

impl Rule for ShapeCorrelation {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::net(&self.panel), ArmRef::net(&self.other)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn range(&self) -> Range {
        Range::Correlation
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let panels = Panels { panel: &self.panel, other: &self.other };
        correlation(runs, &panels, seeds, |s| Ok(s.f.iter().map(|f| f.ln()).collect()))
    }
}
