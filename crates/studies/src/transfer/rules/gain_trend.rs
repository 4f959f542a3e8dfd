//! Order of gains.

use randlab_report::{ArmRef, Converged, Estimate, Layout, PAIRED, Range, Rule, Runs, finite};
use serde::{Deserialize, Serialize};

use crate::{
    Pair,
    correlation::spearman,
    pair::{arms, check_many},
    transfer::auc_gain,
};

/// Spearman correlation of the gain in area with the place in the list, per seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GainTrend {
    /// What is compared, in the order expected to rise; at least three.
    pub pairs: Vec<Pair>,
}

impl Rule for GainTrend {
    fn arms(&self) -> Vec<ArmRef> {
        arms(&self.pairs)
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check_many(&self.pairs, 3, layout)
    }

    fn range(&self) -> Range {
        Range::Correlation
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let places: Vec<_> = (0..self.pairs.len()).map(|i| i as f64).collect();
        let trend = |seed| {
            let gains = self.pairs.iter().map(|pair| auc_gain(runs, pair, seed));
            let gains = gains.collect::<Result<Vec<_>, _>>()?;
            finite(&gains)?;
            Ok(spearman(&places, &gains))
        };
        Estimate::over_seeds(&seeds.each(trend)?, PAIRED)
    }
}
