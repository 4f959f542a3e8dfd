//! What a variant gains over its baseline, and how much signal it passes on compared with it.

use randlab_core::Seed;
use randlab_recipe::Pair;

use super::{Experiment, OUTPUT_RMS};

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

    /// Root mean square of the last hidden layer's output at step 0, variant over baseline. A net through which nothing
    /// passes has none, and is named.
    pub(crate) fn signal(&self, pair: &Pair, seed: Seed) -> Result<f64, String> {
        let rms = |variant: &str| {
            let arm = format!("{}.{variant}", pair.downstream);
            let layers = self.layers("finetune", &pair.panel, &arm, seed)?;
            let last = layers.depths().last().copied();
            last.and_then(|depth| layers.value(OUTPUT_RMS, depth, 0))
                .filter(|&rms| rms > 0.0)
                .ok_or_else(|| format!("{} {arm}, seed {seed}: no output at step 0", pair.panel))
        };
        Ok(rms(&pair.variant)? / rms(&pair.baseline)?)
    }
}
