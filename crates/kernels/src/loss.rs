//! Cross-entropy. Logits of another device are copied to main memory, and their gradient back: they are few.

use candle_core::{
    CpuStorage, CustomOp2, DType, Device, Layout, Result, Shape, Tensor, WithDType,
    backend::BackendStorage, bail,
};

use crate::element::{Element, dispatch, hold, slice};

/// Mean of `-ln softmax(logits)[label]` over the batch, nat, a tensor without dimensions. Shapes: logits `[N, C]` f32 or
/// f64, labels `[N]` u32. The result is in main memory.
///
/// # Errors
/// When shapes do not fit, the batch is empty or a label is not below C.
pub fn softmax_cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    if labels.dims() != [n] || labels.dtype() != DType::U32 || n == 0 {
        bail!("cross-entropy: logits {:?}, labels {:?}", logits.shape(), labels.shape());
    }
    let (logits, labels) = (here(logits)?, here(labels)?);
    if let Some(y) = hold(&labels).values::<u32>()?.iter().find(|&&y| y as usize >= classes) {
        bail!("cross-entropy: label {y}, but {classes} classes");
    }
    logits.apply_op2(&labels, CrossEntropy)
}

/// How many rows of logits `[N, C]` have their largest value at the label `[N]`; of equal values the first counts.
pub fn correct(logits: &Tensor, labels: &Tensor) -> Result<usize> {
    let (_, classes) = logits.dims2()?;
    let (logits, labels) = (here(logits)?, here(labels)?);
    let (rows, labels) = (hold(&logits), hold(&labels));
    let labels = labels.values::<u32>()?;
    Ok(dispatch!(logits.dtype(), T => {
        let rows = rows.values::<T>()?.chunks_exact(classes).zip(labels);
        rows.filter(|&(row, &y)| first_maximum(row) == y as usize).count()
    }))
}

/// In main memory, in order.
fn here(tensor: &Tensor) -> Result<Tensor> {
    tensor.to_device(&Device::Cpu)?.contiguous()
}

fn first_maximum<T: Element>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

struct CrossEntropy;

impl CustomOp2 for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax-cross-entropy"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        ll: &Layout,
        labels: &CpuStorage,
        ly: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, classes) = ll.shape().dims2()?;
        let labels = slice::<u32>(labels, ly)?;
        let loss = dispatch!(logits.dtype(), T => {
            let rows = slice::<T>(logits, ll)?.chunks_exact(classes).zip(labels);
            let sum: f64 = rows.map(|(row, &y)| row_loss(row, y as usize)).sum();
            T::to_cpu_storage_owned(vec![<T as WithDType>::from_f64(sum / n as f64)])
        });
        Ok((loss, Shape::from(())))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        _loss: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let factor = grad.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let gradient = dispatch!(logits.dtype(), T => gradient::<T>(logits, labels, factor))?;
        Ok((Some(gradient), None))
    }
}

/// Gradient of [`softmax_cross_entropy`] by the logits.
pub fn softmax_cross_entropy_gradient(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let (from, logits, labels) = (logits.device(), here(logits)?, here(labels)?);
    let gradient = dispatch!(logits.dtype(), T => gradient::<T>(&logits, &labels, 1.0))?;
    gradient.to_device(from)
}

fn gradient<T: Element>(logits: &Tensor, labels: &Tensor, factor: f64) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    let factor = factor / n as f64;
    let [rows, labels] = [logits, labels].map(hold);
    let rows = rows.values::<T>()?.chunks_exact(classes).zip(labels.values::<u32>()?);
    let values: Vec<T> = rows.flat_map(|(row, &y)| row_gradient(row, y as usize, factor)).collect();
    Tensor::from_vec(values, (n, classes), logits.device())
}

/// Exponentials of `row` less its largest value, and their sum, in f64.
fn exponentials<T: Element>(row: &[T]) -> (f64, Vec<f64>, f64) {
    let top = row.iter().map(|x| WithDType::to_f64(*x)).fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = row.iter().map(|x| (WithDType::to_f64(*x) - top).exp()).collect();
    let sum = exponentials.iter().sum();
    (top, exponentials, sum)
}

fn row_loss<T: Element>(row: &[T], label: usize) -> f64 {
    let (top, _, sum) = exponentials(row);
    sum.ln() + top - WithDType::to_f64(row[label])
}

fn row_gradient<T: Element>(row: &[T], label: usize, factor: f64) -> Vec<T> {
    let (_, exponentials, sum) = exponentials(row);
    let share = |(i, e): (usize, f64)| {
        let target = if i == label { 1.0 } else { 0.0 };
        <T as WithDType>::from_f64((e / sum - target) * factor)
    };
    exponentials.into_iter().enumerate().map(share).collect()
}
