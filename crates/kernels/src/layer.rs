//! Layers run forward and backward without a tape.
//!
//! candle's tape adds every gradient to a tensor of zeros, which for the large layers here costs as much memory traffic as the
//! layer itself. A chain of layers needs no tape.

use candle_core::{Result, Tensor};

use crate::{ConvSpec, conv::Conv, linear::Linear};

/// A layer applied to one batch, with what its gradients need.
pub struct Applied {
    op: Op,
    x: Tensor,
    w: Tensor,
    /// The result.
    y: Tensor,
}

enum Op {
    Conv(Conv),
    Linear(Linear),
}

/// Gradients of a layer's arguments.
pub struct TensorGradients {
    /// Of the input, if it was asked for.
    pub x: Option<Tensor>,
    /// Of the weights.
    pub w: Tensor,
    /// Of the biases.
    pub b: Tensor,
}

impl Applied {
    /// [`conv2d_relu_pool`](crate::conv2d_relu_pool), recorded here and not on the tape.
    pub fn conv2d_relu_pool(x: &Tensor, w: &Tensor, b: &Tensor, spec: ConvSpec) -> Result<Self> {
        let op = Conv::new(x, w, b, spec)?;
        let (x, w) = (x.contiguous()?.detach(), w.contiguous()?.detach());
        let y = x.apply_op3_no_bwd(&w, &b.contiguous()?.detach(), &op)?;
        Ok(Self { op: Op::Conv(op), x, w, y })
    }

    /// [`linear`](crate::linear()), recorded here and not on the tape.
    pub fn linear(x: &Tensor, w: &Tensor, b: &Tensor, relu: bool) -> Result<Self> {
        let op = Linear::new(x, w, b, relu)?;
        let (x, w) = (x.contiguous()?.detach(), w.contiguous()?.detach());
        let y = x.apply_op3_no_bwd(&w, &b.contiguous()?.detach(), &op)?;
        Ok(Self { op: Op::Linear(op), x, w, y })
    }

    /// The result.
    pub const fn y(&self) -> &Tensor {
        &self.y
    }

    /// Gradients given that of the result; that of the input only if `wanted`.
    pub fn gradients(&self, grad: &Tensor, wanted: bool) -> Result<TensorGradients> {
        match &self.op {
            Op::Conv(op) => op.gradients(&self.x, &self.w, &self.y, grad, wanted),
            Op::Linear(op) => op.gradients(&self.x, &self.w, &self.y, grad, wanted),
        }
    }
}
