//! What a variant gains over its baseline.

use randlab_core::Seed;
use randlab_report::Runs;

use super::{Batches, horizon};
use crate::Pair;

/// Area under the training curve (mean minibatch accuracy over the horizon) of the pair's variant minus that of its
/// baseline, both of `seed`.
///
/// # Errors
/// Names the run that is missing.
pub(crate) fn auc_gain(runs: &Runs, pair: &Pair, seed: Seed) -> Result<f64, String> {
    let horizon = horizon(runs, &pair.panel, &pair.downstream);
    let auc = |arm| Ok::<_, String>(Batches::find(runs, &arm, seed)?.auc(horizon));
    Ok(auc(pair.own())? - auc(pair.base())?)
}

/// Gains of the pair's variant, per seed.
///
/// # Errors
/// Names the run that is missing.
pub(crate) fn auc_gains(runs: &Runs, pair: &Pair, seeds: &[Seed]) -> Result<Vec<f64>, String> {
    seeds.iter().map(|&seed| auc_gain(runs, pair, seed)).collect()
}
