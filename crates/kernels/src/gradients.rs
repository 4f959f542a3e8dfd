//! Gradients of a layer's arguments.

use candle_core::{Result, Tensor, WithDType};

/// Gradients of a layer's arguments.
#[derive(Default)]
pub struct TensorGradients {
    /// Of the input, if requested.
    pub x: Option<Tensor>,
    /// Of the added tensor, if there is one.
    pub plus: Option<Tensor>,
    /// Of the weights, if there are any.
    pub w: Option<Tensor>,
    /// Of the biases, if there are any.
    pub b: Option<Tensor>,
}

/// Results of the kernels of a layer with weights and biases; the input gradient only on request.
pub(crate) struct Gradients<T> {
    pub dw: Vec<T>,
    pub db: Vec<T>,
    pub dx: Option<Vec<T>>,
}

impl<T: WithDType> Gradients<T> {
    /// In the shapes of the input and the weights.
    pub fn into_tensors(self, x: &Tensor, w: &Tensor) -> Result<TensorGradients> {
        let device = x.device();
        let biases = self.db.len();
        Ok(TensorGradients {
            x: self.dx.map(|dx| Tensor::from_vec(dx, x.shape(), device)).transpose()?,
            plus: None,
            w: Some(Tensor::from_vec(self.dw, w.shape(), device)?),
            b: Some(Tensor::from_vec(self.db, biases, device)?),
        })
    }
}
