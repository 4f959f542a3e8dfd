//! The nets.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use randlab_kernels::{
    Applied, ConvSpec, conv2d_relu_pool, linear, softmax_cross_entropy,
    softmax_cross_entropy_gradient,
};
use randlab_recipe::ModelSpec;

use crate::{Layer, NnError, Parameter, Parameters, layers, shape::CNN3};

/// A net with its parameters.
pub struct Net {
    layers: Vec<Layer>,
    /// One per convolution; the layers after them are fully connected.
    convolutions: Vec<ConvSpec>,
    vars: BTreeMap<String, Var>,
}

impl Net {
    /// Builds the net `spec` for inputs `[channels, height, width]` from `parameters`; `dtype` is f32 for training, f64 for
    /// gradient checks.
    ///
    /// # Errors
    /// [`NnError::Model`] when the net does not fit its input, [`NnError::Parameter`] when a tensor is missing or of another
    /// shape.
    pub fn new(
        spec: &ModelSpec,
        input: [usize; 3],
        classes: usize,
        parameters: &Parameters,
        dtype: DType,
    ) -> Result<Self, NnError> {
        let layers = layers(spec, input, classes)?;
        let mut vars = BTreeMap::new();
        for layer in &layers {
            for (suffix, shape) in [("weight", &layer.shape[..]), ("bias", &layer.shape[..1])] {
                let name = format!("{}.{suffix}", layer.name);
                let var = variable(&name, shape, parameters.get(&name), dtype)?;
                vars.insert(name, var);
            }
        }
        let convolutions = match *spec {
            ModelSpec::Mlp { .. } => Vec::new(),
            ModelSpec::Cnn2 { stride, padding, pool, .. } => {
                vec![ConvSpec { stride, padding, pool }]
            }
            ModelSpec::Cnn3 { .. } => CNN3.to_vec(),
        };
        Ok(Self { layers, convolutions, vars })
    }

    /// Logits `[N, classes]` of inputs `[N, C, H, W]`, on candle's tape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, NnError> {
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            let (w, b) = self.of(layer)?;
            x = match self.convolutions.get(i) {
                Some(&spec) => conv2d_relu_pool(&x, w, b, spec)?,
                None => linear(&x.flatten_from(1)?, w, b, i + 1 < self.layers.len())?,
            };
        }
        Ok(x)
    }

    /// Forward and backward without the tape, which is faster: logits, mean cross-entropy and its gradients for inputs `[N, C, H, W]` and labels `[N]` u32.
    pub fn pass(&self, x: &Tensor, labels: &Tensor) -> Result<Pass, NnError> {
        let mut applied: Vec<Applied> = Vec::with_capacity(self.layers.len());
        for i in 0..self.layers.len() {
            let next = self.apply(i, applied.last().map_or(x, Applied::y))?;
            applied.push(next);
        }
        let logits = applied.last().map_or(x, Applied::y).clone();
        let loss = softmax_cross_entropy(&logits, labels)?;
        let mut grad = softmax_cross_entropy_gradient(&logits, labels)?;
        let mut grads = GradStore::default();
        // What a layer held is given back as soon as its gradients are known.
        while let Some(layer) = applied.pop() {
            let i = applied.len();
            let of = layer.gradients(&grad.reshape(layer.y().shape())?, i > 0)?;
            let (w, b) = self.of(&self.layers[i])?;
            grads.insert(w, of.w);
            grads.insert(b, of.b);
            if let Some(x) = of.x {
                grad = x;
            }
        }
        Ok(Pass { logits, loss, grads })
    }

    /// Layer `i` applied to the result of the one before it.
    fn apply(&self, i: usize, x: &Tensor) -> Result<Applied, NnError> {
        let (w, b) = self.of(&self.layers[i])?;
        Ok(match self.convolutions.get(i) {
            Some(&spec) => Applied::conv2d_relu_pool(x, w, b, spec)?,
            None => Applied::linear(&x.flatten_from(1)?, w, b, i + 1 < self.layers.len())?,
        })
    }

    /// Layers with weights, from input to head.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Parameters in name order.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Parameters as plain arrays.
    pub fn export(&self) -> Result<Parameters, NnError> {
        let plain = |(name, var): (&String, &Var)| Ok((name.clone(), plain(var.as_tensor())?));
        self.vars.iter().map(plain).collect()
    }

    fn of(&self, layer: &Layer) -> Result<(&Tensor, &Tensor), NnError> {
        let get = |suffix: &str| {
            let name = format!("{}.{suffix}", layer.name);
            let missing = || NnError::Parameter { name: name.clone(), problem: "missing".into() };
            self.vars.get(&name).map(Var::as_tensor).ok_or_else(missing)
        };
        Ok((get("weight")?, get("bias")?))
    }
}

/// What one forward and backward pass gives.
pub struct Pass {
    /// `[N, classes]`
    pub logits: Tensor,
    /// Mean cross-entropy, nat, a tensor without dimensions.
    pub loss: Tensor,
    /// Gradients of the loss by all parameters.
    pub grads: GradStore,
}

/// A tensor as a plain array of f32.
pub(crate) fn plain(tensor: &Tensor) -> Result<Parameter, NnError> {
    let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    Ok(Parameter { shape: tensor.dims().to_vec(), values })
}

/// A variable of `shape` from a plain array.
pub(crate) fn variable(
    name: &str,
    shape: &[usize],
    from: Option<&Parameter>,
    dtype: DType,
) -> Result<Var, NnError> {
    let wrong = |problem: String| NnError::Parameter { name: name.to_owned(), problem };
    let from = from.ok_or_else(|| wrong("missing".into()))?;
    if from.shape != shape || from.values.len() != shape.iter().product::<usize>() {
        return Err(wrong(format!("shape {:?}, expected {shape:?}", from.shape)));
    }
    let tensor = Tensor::from_slice(&from.values, shape, &Device::Cpu)?.to_dtype(dtype)?;
    Ok(Var::from_tensor(&tensor)?)
}
