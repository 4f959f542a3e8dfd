//! What a variant gains over its baseline.

use randlab_core::Seed;
use randlab_recipe::Pair;

use super::Experiment;

impl Experiment<'_> {
    /// Area under the training curve (mean minibatch accuracy over the horizon) of `variant` minus that of the pair's
    /// baseline; the text names the run that is missing.
    pub(crate) fn auc_gain(&self, pair: &Pair, variant: &str, seed: Seed) -> Result<f64, String> {
        let horizon = self.horizon(&pair.panel, &pair.downstream);
        let auc = |variant: &str| {
            let arm = format!("{}.{variant}", pair.downstream);
            Ok::<_, String>(self.batches(&pair.panel, &arm, seed)?.auc(horizon))
        };
        Ok(auc(variant)? - auc(&pair.baseline)?)
    }

    /// Gains of the pair's variant, per seed.
    pub(crate) fn auc_gains(&self, pair: &Pair, seeds: &[Seed]) -> Result<Vec<f64>, String> {
        seeds.iter().map(|&seed| self.auc_gain(pair, &pair.variant, seed)).collect()
    }
}
