//! Fully connected layer with an optional ReLU.

mod kernel;
mod reference;
mod sparse_backward;
mod sparse_forward;
#[cfg(test)]
mod tests;

use candle_core::{DType, Result, Shape, Tensor, WithDType, bail};

use crate::{
    element::{common_dtype, hold},
    gradients::TensorGradients,
    isa::Isa,
    weighted::{Taped, Weighted},
};

/// `y = x w^T + b`, with negative values set to 0 if `relu`. Shapes: x `[N, I]`, w `[O, I]`, b `[O]`, y `[N, O]`; f32 or f64.
///
/// # Errors
/// When shapes or element types do not match.
pub fn linear(x: &Tensor, w: &Tensor, b: &Tensor, relu: bool) -> Result<Tensor> {
    let op = Taped(Linear::new(x, w, b, relu)?);
    x.contiguous()?.apply_op3(&w.contiguous()?, &b.contiguous()?, op)
}

pub(crate) struct Linear {
    size: Size,
    relu: bool,
    /// Whether about half of `x` is 0.
    sparse: bool,
}

/// Rows of the batch, inputs and outputs.
#[derive(Debug, Clone, Copy)]
struct Size {
    n: usize,
    i: usize,
    o: usize,
}

impl Weighted for Linear {
    const NAME: &'static str = "linear";

    fn shape(&self) -> Shape {
        (self.size.n, self.size.o).into()
    }

    fn kernel(&self, x: &[f32], w: &[f32], b: &[f32]) -> Vec<f32> {
        kernel::forward(Isa::best(), self.size, (x, w, b), self.relu, self.sparse)
    }

    fn reference(&self, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
        reference::forward(self.size, (x, w, b), self.relu)
    }

    fn gradients(
        &self,
        x: &Tensor,
        w: &Tensor,
        y: &Tensor,
        grad: &Tensor,
        wanted: bool,
    ) -> Result<TensorGradients> {
        let grad = grad.contiguous()?;
        if grad.shape() != y.shape() {
            bail!("linear: gradient {:?} of a result {:?}", grad.shape(), y.shape());
        }
        let [hx, hw, hy, hg] = [x, w, y, &grad].map(hold);
        if x.dtype() == DType::F64 {
            let dz = before_relu(hg.values::<f64>()?, hy.values()?, self.relu);
            let gradients = reference::backward(self.size, hx.values()?, hw.values()?, &dz);
            return gradients.into_tensors(x, w);
        }
        let dz = before_relu(hg.values::<f32>()?, hy.values()?, self.relu);
        let (x_, w_) = (hx.values()?, hw.values()?);
        let (isa, size) = (Isa::best(), self.size);
        kernel::backward(isa, size, (x_, w_), &dz, wanted, self.relu).into_tensors(x, w)
    }
}

impl Linear {
    /// The operation for arguments of these shapes.
    pub fn new(x: &Tensor, w: &Tensor, b: &Tensor, relu: bool) -> Result<Self> {
        common_dtype(&[x, w, b])?;
        let (n, i) = x.dims2()?;
        let (o, expected) = w.dims2()?;
        if i != expected || b.dims() != [o] || i * o == 0 {
            bail!("linear: x {:?}, w {:?}, b {:?}", x.shape(), w.shape(), b.shape());
        }
        Ok(Self { size: Size { n, i, o }, relu, sparse: false })
    }

    /// The same for an `x` that is about half zeros.
    pub const fn behind_relu(self) -> Self {
        Self { sparse: true, ..self }
    }
}

/// Gradient before the ReLU, whose derivative at 0 is 0.
fn before_relu<T: WithDType>(dy: &[T], y: &[T], relu: bool) -> Vec<T> {
    let zero = T::zero();
    dy.iter().zip(y).map(|(&dy, &y)| if !relu || y > zero { dy } else { zero }).collect()
}
