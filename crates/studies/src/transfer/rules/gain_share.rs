//! Gain as a share of another.

use randlab_report::{ArmRef, Converged, Estimate, Rule, Runs};
use serde::{Deserialize, Serialize};

use crate::{Pair, transfer::auc_gains};

/// Mean gain of `pair` divided by the mean gain of `of` over the same baseline; the interval is Fieller's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GainShare {
    /// What is compared.
    pub pair: Pair,
    /// Variant whose gain is the whole.
    pub of: String,
}

impl Rule for GainShare {
    fn arms(&self) -> Vec<ArmRef> {
        [self.pair.arms(), vec![self.pair.arm(&self.of)]].concat()
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let whole = Pair { variant: self.of.clone(), ..self.pair.clone() };
        let whole = auc_gains(runs, &whole, &seeds.kept)?;
        if whole.iter().sum::<f64>() <= 0.0 {
            return Err(format!(
                "{} gains nothing over {}: there is nothing to share",
                self.of, self.pair.baseline
            ));
        }
        Estimate::ratio(auc_gains(runs, &self.pair, &seeds.kept)?, whole)
    }
}
