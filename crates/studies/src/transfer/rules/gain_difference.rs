//! Difference of gains.

use randlab_report::{ArmRef, Converged, Estimate, PAIRED, Rule, Runs};
use serde::{Deserialize, Serialize};

use crate::{Pair, pair::arms, transfer::auc_gain};

/// Gain in area (as [`AucGain`](super::AucGain)) of `pair` minus the gain of `other`, paired by seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GainDifference {
    /// What is compared.
    pub pair: Pair,
    /// What its gain is compared with.
    pub other: Pair,
}

impl Rule for GainDifference {
    fn arms(&self) -> Vec<ArmRef> {
        arms([&self.pair, &self.other])
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let difference =
            |seed| Ok(auc_gain(runs, &self.pair, seed)? - auc_gain(runs, &self.other, seed)?);
        Estimate::over_seeds(&seeds.each(difference)?, PAIRED)
    }
}
