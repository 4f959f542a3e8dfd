//! Growth of the misalignment with random bases.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Range, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::{History, per_seed};
use crate::{alignment::check, correlation::spearman};

/// Spearman correlation of `M_random` with the step, per seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomBasisTrend {
    /// Panel.
    pub panel: String,
}

impl Rule for RandomBasisTrend {
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
            let History { steps, random, .. } = History::of(run)?;
            Ok(spearman(&steps, &random))
        })
    }
}
