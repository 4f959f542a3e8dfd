//! Energy profile and closed form.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Range, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::per_seed;
use crate::alignment::check;

/// Pearson correlation of the energy profile of the weight change with the closed form, per seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedForm {
    /// Panel.
    pub panel: String,
    /// Whether the profile of the initial weights is fitted instead: a control.
    pub initial: bool,
}

impl Rule for ClosedForm {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::net(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn range(&self) -> Range {
        Range::Correlation
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        per_seed(runs, &self.panel, seeds, |run| {
            let row = run.last()?;
            let initial = row.profile_init_correlation;
            let fit = if self.initial { initial } else { row.profile_fit_correlation };
            fit.ok_or_else(|| "the closed form could not be fitted to this profile".to_owned())
        })
    }
}
