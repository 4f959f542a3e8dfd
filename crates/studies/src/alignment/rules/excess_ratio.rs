//! Misalignment relative to random bases.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::{Scores, per_seed};
use crate::alignment::check;

/// `(M - floor) / (M_random - floor)` at the last checkpoint, per seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcessRatio {
    /// Panel.
    pub panel: String,
}

impl Rule for ExcessRatio {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::net(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        per_seed(runs, &self.panel, seeds, |run| {
            let Scores { own, floor, random } = Scores::of(run.last()?)?;
            Ok((own - floor) / (random - floor))
        })
    }
}
