//! Gain and signal.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Range, Rule, Runs, Units, finite};
use serde::{Deserialize, Serialize};

use crate::{
    Pair,
    activity::view::signal,
    correlation::spearman,
    pair::{arms, check_many},
    transfer::auc_gain,
};

/// Spearman correlation, over all pairs and seeds together, of the gain in area with the variant's output (root mean square on
/// held-out images behind the last hidden layer, before downstream training) divided by the baseline's. The interval is the
/// jackknife's over seeds, as runs of one seed are not independent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalRank {
    /// What is compared; at least two.
    pub pairs: Vec<Pair>,
}

impl Rule for SignalRank {
    fn arms(&self) -> Vec<ArmRef> {
        arms(&self.pairs)
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check_many(&self.pairs, 2, layout)
    }

    fn range(&self) -> Range {
        Range::Correlation
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let point = |pair: &Pair, seed| {
            let q = signal(runs, pair, seed)?;
            let gain = auc_gain(runs, pair, seed)?;
            finite(&[q, gain])?;
            Ok((q, gain))
        };
        let points = seeds.each(|seed| {
            self.pairs.iter().map(|pair| point(pair, seed)).collect::<Result<Vec<_>, _>>()
        })?;
        Estimate::jackknifed(Units { n: points.len(), name: "seeds" }, |out| {
            let kept = points.iter().enumerate().filter(|(i, _)| Some(*i) != out);
            let (q, gain): (Vec<_>, Vec<_>) =
                kept.flat_map(|(_, points)| points.iter().copied()).unzip();
            spearman(&q, &gain)
        })
    }
}
