//! Growth of the transfer function.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Range, Rule, Runs, Units};
use serde::{Deserialize, Serialize};

use crate::{
    alignment::{check, view::AlignRun},
    correlation::spearman,
};

/// Spearman correlation of pooled f with the data's standard deviation; the interval is the jackknife's.
///
/// The pooled curve's variance is the mean of its nets'. A single net's ranks are noise where the curve is flat, and the mean
/// over nets of their correlations would be nearer to 0 than the correlation of the curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trend {
    /// Panel.
    pub panel: String,
}

impl Rule for Trend {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::net(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn range(&self) -> Range {
        Range::Correlation
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let aligned = seeds.each(|seed| AlignRun::net(runs, &self.panel, seed))?;
        let spectra = aligned.iter().map(|run| run.last_spectrum());
        let spectra = spectra.collect::<Result<Vec<_>, String>>()?;
        let std = spectra.first().map(|s| s.std()).unwrap_or_default();
        let without = |out: Option<usize>| {
            let kept =
                || spectra.iter().enumerate().filter(|(i, _)| Some(*i) != out).map(|(_, s)| s);
            let variance = |k: usize| kept().filter_map(|s| s.f.get(k)).map(|f| f * f).sum::<f64>();
            spearman(&std, &(0..std.len()).map(variance).collect::<Vec<_>>())
        };
        Estimate::jackknifed(Units { n: spectra.len(), name: "pooled nets" }, without)
    }
}
