//! What convolution and linear layer have in common as operations on candle's tape.

use candle_core::{
    CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType,
    backend::BackendStorage, bail,
};

use crate::{element::slice, gradients::TensorGradients};

/// An operation on input, weights and biases of one element type, with a kernel in f32 and its definition in f64.
pub(crate) trait Weighted {
    /// In messages of candle.
    const NAME: &'static str;

    /// Of the result.
    fn shape(&self) -> Shape;

    /// The result in f32, row-major.
    fn kernel(&self, x: &[f32], w: &[f32], b: &[f32]) -> Vec<f32>;

    /// The result in f64, row-major.
    fn reference(&self, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64>;

    /// Gradients for the gradient of the result `y`; of `x` only if `wanted`.
    fn gradients(
        &self,
        x: &Tensor,
        w: &Tensor,
        y: &Tensor,
        grad: &Tensor,
        wanted: bool,
    ) -> Result<TensorGradients>;
}

/// The operation as candle takes it, with or without its tape.
pub(crate) struct Taped<T>(pub T);

impl<T: Weighted> CustomOp3 for Taped<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = match x.dtype() {
            DType::F32 => {
                let y = self.0.kernel(slice(x, lx)?, slice(w, lw)?, slice(b, lb)?);
                f32::to_cpu_storage_owned(y)
            }
            DType::F64 => {
                let y = self.0.reference(slice(x, lx)?, slice(w, lw)?, slice(b, lb)?);
                f64::to_cpu_storage_owned(y)
            }
            other => bail!("{}: element type {other:?}, expected f32 or f64", T::NAME),
        };
        Ok((y, self.0.shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let TensorGradients { x, w, b, .. } = self.0.gradients(x, w, y, grad, x.track_op())?;
        Ok((x, w, b))
    }
}
