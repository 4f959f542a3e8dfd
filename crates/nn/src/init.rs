//! Initial weights.

use std::collections::BTreeMap;

use randlab_core::{Purpose, Seed, name_index, range, stream};
use serde::{Deserialize, Serialize};

use crate::{Laws, Layer, NnError, Parameter, Parameters};

/// Initial weights. Biases start at 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitSpec {
    /// Law of the weights before scaling.
    pub law: Laws,
    /// Factor on the standard deviation, per layer name; 1 where a layer is not named. This is the reading of the
    /// paper's `init_scale`.
    pub scale: BTreeMap<String, f64>,
    /// Extra factor on the weights of every second input coordinate of the first layer. Anything but 1 makes the
    /// initialisation anisotropic: a control that breaks the assumption of Proposition 1.
    pub odd_inputs: f64,
}

impl InitSpec {
    /// Weights of a law as they are.
    pub const fn of(law: Laws) -> Self {
        Self { law, scale: BTreeMap::new(), odd_inputs: 1.0 }
    }

    /// Refuses factors out of range. Whether the net has the layers named is seen when it is built.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub fn check(&self) -> Result<(), String> {
        for (layer, &scale) in &self.scale {
            range::positive(&format!("scale.{layer}"), scale)?;
        }
        range::positive("odd_inputs", self.odd_inputs)
    }
}

/// Initial parameters of `layers`. Each weight is drawn from its own stream, keyed by the tensor's name: adding a layer leaves
/// the others as they were. Biases are 0. Batch norms start as what changes nothing but mean and variance: weights 1, biases 0,
/// and running statistics 0 and 1.
///
/// # Errors
/// [`NnError::Model`] when `scale` names a layer that is not there.
pub fn init(layers: &[Layer], spec: &InitSpec, seed: Seed) -> Result<Parameters, NnError> {
    if let Some(name) = spec.scale.keys().find(|name| layers.iter().all(|l| l.name != **name)) {
        let known: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
        let known = known.join(", ");
        return Err(NnError::Model(format!("init.scale names layer {name}; the net has {known}")));
    }
    let mut parameters = Parameters::new();
    for (i, layer) in layers.iter().enumerate() {
        let name = layer.weight();
        let mut values = draw(layer, spec, seed, &name);
        if i == 0 {
            anisotropic(&mut values, layer, spec.odd_inputs);
        }
        parameters.insert(name, Parameter { shape: layer.shape.clone(), values });
        let out = layer.shape[0];
        for vector in layer.vectors() {
            let values = vec![vector.start; out];
            parameters.insert(vector.name, Parameter { shape: vec![out], values });
        }
    }
    Ok(parameters)
}

#[expect(clippy::cast_possible_truncation, reason = "weights are f32; drawn in f64")]
fn draw(layer: &Layer, spec: &InitSpec, seed: Seed, name: &str) -> Vec<f32> {
    let law = spec.law.as_ref();
    let scale = spec.scale.get(&layer.name).copied().unwrap_or(1.0);
    let factor = scale * law.factor(layer.fan_in() as f64);
    let mut rng = stream(seed, Purpose::Init, name_index(name));
    let count: usize = layer.shape.iter().product();
    (0..count).map(|_| (factor * law.draw(&mut rng)) as f32).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn anisotropic(values: &mut [f32], layer: &Layer, factor: f64) {
    for unit in values.chunks_exact_mut(layer.fan_in()) {
        unit.iter_mut().skip(1).step_by(2).for_each(|w| *w = (f64::from(*w) * factor) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str) -> Layer {
        Layer { name: name.into(), shape: vec![400, 3, 5, 5], bias: true, norm: None }
    }

    fn weights(spec: &InitSpec) -> Vec<f32> {
        init(&[layer("conv1"), layer("head")], spec, Seed::new(1)).unwrap()["conv1.weight"]
            .values
            .clone()
    }

    fn std(values: impl Iterator<Item = f32>) -> f64 {
        let squares: Vec<f64> = values.map(|w| f64::from(w).powi(2)).collect();
        (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
    }

    #[test]
    fn each_law_has_its_standard_deviation() {
        for (law, expected) in [
            (Laws::He, (2.0 / 75.0_f64).sqrt()),
            (Laws::Lecun, (1.0 / 75.0_f64).sqrt()),
            (Laws::TruncatedNormal, (1.0 / 75.0_f64).sqrt()),
        ] {
            // 30,000 draws: the relative sampling error is .4 %.
            let ratio = std(weights(&InitSpec::of(law)).into_iter()) / expected;
            assert!((ratio - 1.0).abs() < 0.015, "{law:?} {ratio}");
        }
        let bound = 2.0 * Laws::TruncatedNormal.as_ref().factor(75.0);
        let cut = weights(&InitSpec::of(Laws::TruncatedNormal));
        assert!(cut.iter().all(|&w| f64::from(w).abs() <= bound * 1.000_001));
    }

    #[test]
    fn scales_apply_to_the_layer_named_and_odd_inputs_to_the_first() {
        let plain = weights(&InitSpec::of(Laws::He));
        let mut changed = InitSpec::of(Laws::He);
        changed.scale.insert("conv1".into(), 0.5);
        changed.odd_inputs = 0.6;
        let both = init(&[layer("conv1"), layer("head")], &changed, Seed::new(1)).unwrap();
        for (i, (a, b)) in plain.iter().zip(&both["conv1.weight"].values).enumerate() {
            // Coordinate inside the filter of 75 inputs.
            let factor = if i % 75 % 2 == 1 { 0.3 } else { 0.5 };
            assert!((a * factor - b).abs() <= 1e-7 * a.abs());
        }
        let head =
            init(&[layer("conv1"), layer("head")], &InitSpec::of(Laws::He), Seed::new(1)).unwrap();
        assert_eq!(head["head.weight"], both["head.weight"]);
        assert!(both["conv1.bias"].values.iter().all(|&b| b.to_bits() == 0));
    }

    #[test]
    fn draws_depend_on_seed_and_name_alone() {
        let one = init(&[layer("conv1")], &InitSpec::of(Laws::He), Seed::new(1)).unwrap();
        let two =
            init(&[layer("fc9"), layer("conv1")], &InitSpec::of(Laws::He), Seed::new(1)).unwrap();
        assert_eq!(one["conv1.weight"], two["conv1.weight"]);
        assert_ne!(two["fc9.weight"], two["conv1.weight"]);
        let other = init(&[layer("conv1")], &InitSpec::of(Laws::He), Seed::new(2)).unwrap();
        assert_ne!(one["conv1.weight"], other["conv1.weight"]);
    }

    #[test]
    fn a_batch_norm_starts_as_the_identity_and_a_layer_may_have_no_bias() {
        let normed = Layer { bias: false, norm: Some("bn1".into()), ..layer("conv1") };
        let all = init(&[normed], &InitSpec::of(Laws::He), Seed::new(1)).unwrap();
        let vectors: Vec<(&str, &Parameter)> =
            all.iter().filter(|(_, p)| p.shape == [400]).map(|(n, p)| (n.as_str(), p)).collect();
        let starts: Vec<(&str, f32)> = vectors.iter().map(|(n, p)| (*n, p.values[0])).collect();
        let expected = [
            ("bn1.bias", 0.0),
            ("bn1.running_mean", 0.0),
            ("bn1.running_var", 1.0),
            ("bn1.weight", 1.0),
        ];
        assert_eq!(starts, expected);
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn a_scale_for_a_layer_that_is_not_there_is_refused() {
        let mut wrong = InitSpec::of(Laws::He);
        wrong.scale.insert("conv7".into(), 0.5);
        let message = init(&[layer("conv1")], &wrong, Seed::new(1)).unwrap_err().to_string();
        assert!(message.contains("conv7") && message.contains("conv1"), "{message}");
    }
}
