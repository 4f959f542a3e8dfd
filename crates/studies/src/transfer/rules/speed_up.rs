//! Steps saved.

use randlab_report::{ArmRef, Converged, Estimate, PAIRED, Rule, Runs};
use serde::{Deserialize, Serialize};

use crate::{
    Pair,
    transfer::{Batches, horizon},
};

/// Steps to `accuracy` of the baseline divided by those of the variant, paired by seed. A run that never gets there counts with
/// the horizon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeedUp {
    /// What is compared.
    pub pair: Pair,
    /// Threshold on the moving average over one epoch.
    pub accuracy: f64,
}

impl Rule for SpeedUp {
    fn arms(&self) -> Vec<ArmRef> {
        self.pair.arms()
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let horizon = horizon(runs, &self.pair.panel, &self.pair.downstream);
        let steps =
            |arm| seeds.each(|seed| Ok(Batches::find(runs, &arm, seed)?.steps_to(self.accuracy)));
        let (ours, theirs) = (steps(self.pair.own())?, steps(self.pair.base())?);
        let all = 2 * seeds.kept.len();
        let never = ours.iter().chain(&theirs).filter(|s| s.is_none()).count();
        let percent = (self.accuracy * 100.0).round();
        if never == all {
            return Err(format!("no run reached {percent} %; longer training would tell"));
        }
        let counted = |s: Option<usize>| s.unwrap_or(horizon) as f64;
        let pairs = ours.iter().zip(&theirs);
        let ratios: Vec<_> = pairs.map(|(a, b)| counted(*b) / counted(*a)).collect();
        let test = match never {
            0 => PAIRED.to_owned(),
            n => format!(
                "{PAIRED}; {n} of {all} runs never reached {percent} % and count with {horizon} steps"
            ),
        };
        Estimate::over_seeds(&ratios, &test)
    }
}
