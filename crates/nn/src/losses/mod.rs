//! What training makes small.

mod cross_entropy;
mod mean_squared_error;

pub use cross_entropy::CrossEntropy;
pub use mean_squared_error::MeanSquaredError;

use candle_core::{DType, Tensor};

use crate::NnError;

/// What the outputs of a net are compared with, one entry per example.
pub enum Targets {
    /// Classes `[N]` u32.
    Classes(Tensor),
    /// Probabilities of the classes `[N, K]`, f32 or f64.
    Soft(Tensor),
    /// Numbers `[N, ...]`, f32 or f64, of the shape of the outputs.
    Values(Tensor),
}

/// What a loss does. Outputs are `[N, K]`, f32 or f64.
pub trait Loss {
    /// Loss of each example.
    ///
    /// # Errors
    /// [`NnError::Loss`] when targets are of a kind or shape that the loss does not take.
    fn per_example(&self, outputs: &Tensor, targets: &Targets) -> Result<Vec<f64>, NnError>;

    /// Mean over the examples, added in f64 and rounded once to the type of the outputs.
    ///
    /// # Errors
    /// As [`Loss::per_example`].
    fn value(&self, outputs: &Tensor, targets: &Targets) -> Result<f64, NnError> {
        let losses = self.per_example(outputs, targets)?;
        Ok(rounded(mean(&losses, None), outputs.dtype()))
    }

    /// The mean as [`Loss::value`], and its gradient by the outputs, of their shape and type. With `weights`, one of 0 or more for
    /// each example, the mean is the sum of weight times loss over the sum of the weights.
    ///
    /// # Errors
    /// As [`Loss::per_example`], and when weights are not as many as examples or sum up to nothing.
    fn value_and_gradient(
        &self,
        outputs: &Tensor,
        targets: &Targets,
        weights: Option<&[f64]>,
    ) -> Result<(f64, Tensor), NnError>;
}

randlab_core::kinds! {
    /// A loss.
    pub enum Losses: Loss {
        "cross-entropy" => CrossEntropy, "cross-entropy of the softmax, nat";
        "mean-squared-error" => MeanSquaredError, "mean of the squared differences between outputs and targets";
    }
}

impl Default for Losses {
    fn default() -> Self {
        CrossEntropy {}.into()
    }
}

impl Losses {
    /// Whether it is what configurations leave out.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn wrong(problem: impl Into<String>) -> NnError {
    NnError::Loss(problem.into())
}

/// Examples and outputs of each.
fn sizes(outputs: &Tensor) -> Result<(usize, usize), NnError> {
    match *outputs.dims() {
        [n, k] if n > 0 && k > 0 => Ok((n, k)),
        _ => Err(wrong(format!("outputs {:?}, expected [N, K]", outputs.dims()))),
    }
}

/// All numbers in f64, in order.
fn numbers(tensor: &Tensor) -> Result<Vec<f64>, NnError> {
    Ok(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

/// Targets given as numbers of the shape of the outputs.
fn like(outputs: &Tensor, targets: &Tensor) -> Result<Vec<f64>, NnError> {
    if outputs.dims() != targets.dims() {
        let (of, to) = (targets.dims(), outputs.dims());
        return Err(wrong(format!("targets {of:?} for outputs {to:?}")));
    }
    numbers(targets)
}

/// Classes as probabilities `[N, K]`: 1 for the class, 0 for all others.
fn one_hot(classes: &Tensor, (n, k): (usize, usize)) -> Result<Vec<f64>, NnError> {
    let classes: Vec<u32> = classes.to_vec1()?;
    if classes.len() != n {
        return Err(wrong(format!("{} classes for {n} examples", classes.len())));
    }
    let mut numbers = vec![0.0; n * k];
    for (row, &class) in numbers.chunks_exact_mut(k).zip(&classes) {
        let entry = row.get_mut(class as usize);
        *entry.ok_or_else(|| wrong(format!("class {class}, but {k} outputs")))? = 1.0;
    }
    Ok(numbers)
}

/// Share of each example in the mean.
fn shares(weights: Option<&[f64]>, n: usize) -> Result<Vec<f64>, NnError> {
    let Some(weights) = weights else { return Ok(vec![1.0 / n as f64; n]) };
    let total: f64 = weights.iter().sum();
    let fit = weights.len() == n && weights.iter().all(|w| w.is_finite() && *w >= 0.0);
    if !fit || total <= 0.0 {
        return Err(wrong(format!("expected {n} weights of 0 or more that are not all 0")));
    }
    Ok(weights.iter().map(|w| w / total).collect())
}

/// Mean, or weighted by `shares`, which sum up to 1.
fn mean(losses: &[f64], shares: Option<&[f64]>) -> f64 {
    match shares {
        None => losses.iter().sum::<f64>() / losses.len() as f64,
        Some(shares) => losses.iter().zip(shares).map(|(l, s)| l * s).sum(),
    }
}

/// A number as it is in a type of tensors.
#[expect(clippy::cast_possible_truncation, reason = "that is what rounding is")]
fn rounded(value: f64, dtype: DType) -> f64 {
    if dtype == DType::F32 { f64::from(value as f32) } else { value }
}

/// Numbers of the shape, type and device of `outputs`.
fn shaped(values: Vec<f64>, outputs: &Tensor) -> Result<Tensor, NnError> {
    let tensor = Tensor::from_vec(values, outputs.shape(), &candle_core::Device::Cpu)?;
    Ok(tensor.to_dtype(outputs.dtype())?.to_device(outputs.device())?)
}
