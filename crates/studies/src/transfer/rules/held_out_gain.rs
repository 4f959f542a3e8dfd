//! Gain on held-out images.

use randlab_report::{ArmRef, Converged, Estimate, PAIRED, Rule, Runs};
use serde::{Deserialize, Serialize};

use crate::{Pair, transfer::Batches};

/// Accuracy on held-out images at the end, variant minus baseline, paired by seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOutGain {
    /// What is compared.
    pub pair: Pair,
}

impl Rule for HeldOutGain {
    fn arms(&self) -> Vec<ArmRef> {
        self.pair.arms()
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let last = |arm, seed| {
            let run = Batches::find(runs, &arm, seed)?;
            let last = run.held_out().last().map(|point| point.accuracy);
            last.ok_or_else(|| {
                format!("panel {} measures no accuracy on held-out images", self.pair.panel)
            })
        };
        let gain = |seed| Ok(last(self.pair.own(), seed)? - last(self.pair.base(), seed)?);
        Estimate::over_seeds(&seeds.each(gain)?, PAIRED)
    }
}
