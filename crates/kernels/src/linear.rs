//! Fully connected layer with an optional ReLU.

mod behind;
mod fast;
mod listed;
mod simple;
#[cfg(test)]
mod tests;

use candle_core::{
    CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType,
    backend::BackendStorage, bail,
};

use crate::{
    element::{common_dtype, hold, slice},
    gradients::TensorGradients,
    isa::Isa,
};

/// `y = x w^T + b`, with negative values set to 0 if `relu`. Shapes: x `[N, I]`, w `[O, I]`, b `[O]`, y `[N, O]`; f32 or f64.
///
/// # Errors
/// When shapes or element types do not fit.
pub fn linear(x: &Tensor, w: &Tensor, b: &Tensor, relu: bool) -> Result<Tensor> {
    let op = Linear::new(x, w, b, relu)?;
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

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
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
                let (x, w, b) = (slice(x, lx)?, slice(w, lw)?, slice(b, lb)?);
                let Self { size, relu, sparse } = *self;
                let y = fast::forward(Isa::best(), size, (x, w, b), relu, sparse);
                f32::to_cpu_storage_owned(y)
            }
            DType::F64 => {
                let (x, w, b) = (slice(x, lx)?, slice(w, lw)?, slice(b, lb)?);
                f64::to_cpu_storage_owned(simple::forward(self.size, (x, w, b), self.relu))
            }
            other => bail!("linear: element type {other:?}, expected f32 or f64"),
        };
        Ok((y, (self.size.n, self.size.o).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let TensorGradients { x, w, b, .. } = self.gradients(x, w, y, grad, x.track_op())?;
        Ok((x, w, b))
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

    /// The same for an `x` of which about half is 0.
    pub const fn behind_relu(self) -> Self {
        Self { sparse: true, ..self }
    }

    /// Gradients given that of the result `y`; that of `x` only if `wanted`.
    pub fn gradients(
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
            let gradients = simple::backward(self.size, hx.values()?, hw.values()?, &dz);
            return gradients.into_tensors(x, w);
        }
        let dz = before_relu(hg.values::<f32>()?, hy.values()?, self.relu);
        let (x_, w_) = (hx.values()?, hw.values()?);
        let (isa, size) = (Isa::best(), self.size);
        fast::backward(isa, size, (x_, w_), &dz, wanted, self.relu).into_tensors(x, w)
    }
}

/// Gradient before the ReLU, whose derivative at 0 is taken as 0.
fn before_relu<T: WithDType>(dy: &[T], y: &[T], relu: bool) -> Vec<T> {
    let zero = T::zero();
    dy.iter().zip(y).map(|(&dy, &y)| if !relu || y > zero { dy } else { zero }).collect()
}
