//! How large transferred tensors end up: by their norm, or by the outputs of the layers they belong to.

use candle_core::{DType, Device};
use randlab_nn::{Layer, Net, Parameter, Parameters};

use crate::{TrainConfig, TrainError, Transfer, activity, examples::Examples};

/// How large the outputs of the hidden layers are.
pub(super) struct Outputs<'a> {
    pub(super) config: &'a TrainConfig,
    pub(super) shape: [usize; 3],
    pub(super) classes: usize,
    pub(super) images: Examples,
}

impl Outputs<'_> {
    /// Root mean square of each hidden layer's output on held-out images, from the input.
    pub(super) fn rms(&self, parameters: &Parameters) -> Result<Vec<f64>, TrainError> {
        let net = Net::new(&self.config.model, self.shape, self.classes, parameters, DType::F32)?;
        let layers = activity::measure(&net, &self.images, &Device::Cpu)?;
        Ok(layers.iter().map(|layer| layer.rms).collect())
    }

    /// Scales the transferred layers, one after the other, until their outputs are as large as `goal` says.
    pub(super) fn reach(
        &self,
        goal: &[f64],
        mut parameters: Parameters,
        transfer: &Transfer,
        layers: &[Layer],
    ) -> Result<Parameters, TrainError> {
        let depth = transfer.layers as usize;
        for (i, (layer, goal)) in layers[..depth].iter().zip(goal).enumerate() {
            let own = self.rms(&parameters)?.get(i).copied().unwrap_or(0.0);
            let name = format!("{}.weight", layer.name);
            let factor = if own > 0.0 { goal / own } else { 0.0 };
            parameters.entry(name).and_modify(|weight| multiply(weight, factor));
        }
        Ok(parameters)
    }
}

pub(crate) fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// l2 norm over all entries.
pub(super) fn norm_of(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// l2 norm over all entries of the tensors called `names`.
pub(super) fn total_norm(parameters: &Parameters, names: &[String]) -> f64 {
    let norms = names.iter().filter_map(|name| parameters.get(name));
    norms.map(|weight| norm_of(&widen(&weight.values)).powi(2)).sum::<f64>().sqrt()
}

pub(super) fn multiply(weight: &mut Parameter, factor: f64) {
    let values = widen(&weight.values);
    weight.values = scaled(&values, factor * norm_of(&values));
}

#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
pub(super) fn scaled(values: &[f64], norm: f64) -> Vec<f32> {
    let own = norm_of(values);
    let factor = if own > 0.0 { norm / own } else { 0.0 };
    values.iter().map(|x| (x * factor) as f32).collect()
}
