//! Activity of a variant.

use randlab_report::{ArmRef, Converged, Estimate, Layout, PAIRED, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::{Late, Moment, some_layers};
use crate::Pair;

/// Late active fraction of the variant divided by that of the baseline, paired by seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityShare {
    /// What is compared.
    pub pair: Pair,
    /// Hidden layers counted from the head.
    pub layers: u32,
    /// When.
    pub at: Moment,
}

impl Rule for ActivityShare {
    fn arms(&self) -> Vec<ArmRef> {
        self.pair.arms()
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        some_layers(self.layers)?;
        layout.arms(&self.arms())
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let late = |arm| Late { runs, arm, layers: self.layers };
        let (ours, theirs) = (late(self.pair.own()), late(self.pair.base()));
        let share = |seed| Ok(ours.active(self.at, seed)? / theirs.active(self.at, seed)?);
        Estimate::over_seeds(&seeds.each(share)?, PAIRED)
    }
}
