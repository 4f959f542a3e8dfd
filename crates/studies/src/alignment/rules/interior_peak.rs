//! Peak of the transfer function.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::per_seed;
use crate::alignment::check;

/// The smaller of f(peak)/f(smallest eigenvalue) and f(peak)/f(largest), per seed; 1 where the peak is at an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InteriorPeak {
    /// Panel.
    pub panel: String,
}

impl Rule for InteriorPeak {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::net(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        per_seed(runs, &self.panel, seeds, |run| {
            let f = &run.last_spectrum()?.f;
            let (Some(first), Some(last)) = (f.first(), f.last()) else {
                return Err("the spectrum is empty".to_owned());
            };
            // With the peak at an end one of the ratios is 1, and the other is larger.
            let peak = f.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            Ok((peak / first).min(peak / last))
        })
    }
}
