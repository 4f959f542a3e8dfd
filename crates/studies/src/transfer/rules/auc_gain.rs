//! Gain in area.

use randlab_report::{ArmRef, Converged, Estimate, PAIRED, Rule, Runs};
use serde::{Deserialize, Serialize};

use crate::{Pair, transfer::auc_gains};

/// Area under the training curve (mean minibatch accuracy over the horizon), variant minus baseline, paired by seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AucGain {
    /// What is compared.
    pub pair: Pair,
}

impl Rule for AucGain {
    fn arms(&self) -> Vec<ArmRef> {
        self.pair.arms()
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        Estimate::over_seeds(&auc_gains(runs, &self.pair, &seeds.kept)?, PAIRED)
    }
}
