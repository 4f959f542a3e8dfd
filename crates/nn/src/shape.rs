//! Which layers a net has, and how large they are.

use crate::{Architectures, NetPlan, NnError};

/// A layer with weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name, the part of tensor names before the last dot.
    pub name: String,
    /// Shape of its weight: `[out, in]` or `[out, in, k, k]`.
    pub shape: Vec<usize>,
    /// Whether it has a bias `[out]`.
    pub bias: bool,
    /// Name of the batch norm between it and the next layer, if there is one. It has weight, bias, running mean and running
    /// variance `[out]`.
    pub norm: Option<String>,
}

/// Last part of the names of running statistics.
pub(crate) const MEAN: &str = "running_mean";
pub(crate) const VARIANCE: &str = "running_var";

/// A tensor `[out]` of a layer or its batch norm.
pub(crate) struct Vector {
    pub name: String,
    /// The value all its entries begin with.
    pub start: f32,
    /// A parameter, or else a running statistic.
    pub trained: bool,
}

impl Layer {
    /// Inputs of one unit or filter.
    pub fn fan_in(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Numbers trained in it and its batch norm.
    pub fn parameters(&self) -> usize {
        let vectors = self.vectors().iter().filter(|v| v.trained).count();
        self.shape.iter().product::<usize>() + vectors * self.shape[0]
    }

    /// Whether a tensor belongs to it or to its batch norm.
    pub fn owns(&self, tensor: &str) -> bool {
        let owner = tensor.rsplit_once('.').map(|(owner, _)| owner);
        owner.is_some_and(|owner| owner == self.name || self.norm.as_deref() == Some(owner))
    }

    /// Name of its weight.
    pub(crate) fn weight(&self) -> String {
        format!("{}.weight", self.name)
    }

    /// All its tensors but the weight.
    pub(crate) fn vectors(&self) -> Vec<Vector> {
        let vector = |of: &str, suffix, start, trained| Vector {
            name: format!("{of}.{suffix}"),
            start,
            trained,
        };
        let bias = self.bias.then(|| vector(&self.name, "bias", 0.0, true));
        let norm = self.norm.iter().flat_map(|norm| {
            [
                vector(norm, "weight", 1.0, true),
                vector(norm, "bias", 0.0, true),
                vector(norm, MEAN, 0.0, false),
                vector(norm, VARIANCE, 1.0, false),
            ]
        });
        bias.into_iter().chain(norm).collect()
    }
}

/// The layers of `spec` for inputs `[channels, height, width]`, from input to head.
///
/// # Errors
/// [`NnError::Model`] when a setting is out of range, or a window is larger than what it slides over.
pub fn layers(
    spec: &Architectures,
    input: [usize; 3],
    classes: usize,
) -> Result<Vec<Layer>, NnError> {
    Ok(NetPlan::new(spec, input, classes)?.layers)
}
