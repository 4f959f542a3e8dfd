//! How fast the misalignment grows.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::{History, per_seed};
use crate::{alignment::check, correlation::slope};

/// Slope of M over steps, divided by the slope of `M_random`, per seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlopeRatio {
    /// Panel.
    pub panel: String,
}

impl Rule for SlopeRatio {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::net(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        per_seed(runs, &self.panel, seeds, |run| {
            let History { steps, own, random } = History::of(run)?;
            Ok(slope(&steps, &own) / slope(&steps, &random))
        })
    }
}
