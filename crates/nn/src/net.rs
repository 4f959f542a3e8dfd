//! Nets with their parameters.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use randlab_kernels::{Applied, ConvSpec, PoolSpec, Statistics, TensorGradients};

use crate::{
    Architectures, Layer, NetPlan, NnError, Parameter, Parameters,
    plan::{Op, Step},
    shape::{MEAN, VARIANCE},
};

/// Share of a batch's statistics in the running ones.
const MOMENTUM: f64 = 0.1;

/// A net with its parameters.
pub struct Net {
    plan: NetPlan,
    vars: BTreeMap<String, Var>,
    /// Running statistics of batch norms, and what is fixed.
    buffers: BTreeMap<String, Var>,
}

/// Looks at the output of a hidden layer.
pub type Visit<'a> = dyn FnMut(usize, &Tensor) -> Result<(), NnError> + 'a;

/// Where batch norms take their statistics from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// From the batch.
    Training,
    /// From the batches of the past.
    Evaluation,
}

impl Net {
    /// Builds the net `spec` for inputs `[channels, height, width]` from `parameters`; `dtype` is f32 for training, f64 for
    /// gradient checks.
    ///
    /// # Errors
    /// [`NnError::Model`] when the net does not fit its input, [`NnError::Parameter`] when a tensor is missing or of another
    /// shape.
    pub fn new(
        spec: &Architectures,
        input: [usize; 3],
        classes: usize,
        parameters: &Parameters,
        dtype: DType,
    ) -> Result<Self, NnError> {
        let plan = NetPlan::new(spec, input, classes)?;
        let (mut vars, mut buffers) = (BTreeMap::new(), BTreeMap::new());
        let new = |name: &str, shape: &[usize]| variable(name, shape, parameters.get(name), dtype);
        for layer in &plan.layers {
            let name = layer.weight();
            let weight = new(&name, &layer.shape)?;
            vars.insert(name, weight);
            for vector in layer.vectors() {
                let var = new(&vector.name, &layer.shape[..1])?;
                let set = if vector.trained { &mut vars } else { &mut buffers };
                set.insert(vector.name, var);
            }
        }
        Ok(Self { plan, vars, buffers })
    }

    /// The same net on another device.
    pub fn on(mut self, device: &Device) -> Result<Self, NnError> {
        for var in self.vars.values_mut().chain(self.buffers.values_mut()) {
            *var = moved(var, device)?;
        }
        Ok(self)
    }

    /// The same net with the first `layers` layers fixed: what was to be trained in them is no parameter any more.
    #[must_use]
    pub fn freeze(mut self, layers: usize) -> Self {
        let fixed = &self.plan.layers[..layers.min(self.plan.layers.len())];
        let of_fixed = |name: &String| fixed.iter().any(|layer| layer.owns(name));
        let names: Vec<String> = self.vars.keys().filter(|n| of_fixed(n)).cloned().collect();
        self.buffers.extend(names.into_iter().filter_map(|name| self.vars.remove_entry(&name)));
        self
    }

    /// Evaluation: logits `[N, classes]` of inputs `[N, C, H, W]`. Batch norms use their running statistics, and change nothing.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, NnError> {
        self.evaluate(x, None)
    }

    /// Evaluation that shows `visit` the output `[N, ...]` of each hidden layer, by its place in [`Net::layers`] and in the order
    /// they are computed: what is behind its ReLU and, where one follows, its batch norm, and before any pool. Layers that no
    /// ReLU follows are left out.
    ///
    /// # Errors
    /// Those of `visit` besides the net's own.
    pub fn visit(&self, x: &Tensor, visit: &mut Visit<'_>) -> Result<(), NnError> {
        self.evaluate(x, Some(visit)).map(drop)
    }

    fn evaluate(&self, x: &Tensor, mut visit: Option<&mut Visit<'_>>) -> Result<Tensor, NnError> {
        let nothing = Tensor::zeros(0, x.dtype(), x.device())?;
        let mut values = vec![x.clone()];
        for (i, step) in self.plan.steps.iter().enumerate() {
            let y = match &mut visit {
                None => self.apply(step, &values, Mode::Evaluation)?.y().clone(),
                Some(visit) => self.shown(step, &values, visit)?,
            };
            values.push(y);
            // What no later step reads is given back.
            let later = &self.plan.steps[i + 1..];
            for read in [Some(step.from), step.plus()].into_iter().flatten() {
                if !later.iter().any(|s| s.reads(read)) {
                    values[read] = nothing.clone();
                }
            }
        }
        Ok(values.swap_remove(self.plan.steps.len()))
    }

    /// The result of a step, after what is hidden in it was shown.
    fn shown(
        &self,
        step: &Step,
        values: &[Tensor],
        visit: &mut Visit<'_>,
    ) -> Result<Tensor, NnError> {
        if let Op::ConvReluPool { layer, spec } = step.op
            && spec.pool > 1
        {
            let op = Op::ConvReluPool { layer, spec: ConvSpec { pool: 1, ..spec } };
            let y = self.shown(&Step { op, ..*step }, values, visit)?;
            let pool = PoolSpec { side: spec.pool, stride: spec.pool, padding: 0 };
            return Ok(Applied::max_pool(&y, pool)?.y().clone());
        }
        let y = self.apply(step, values, Mode::Evaluation)?.y().clone();
        if let Some(layer) = step.op.ends_in_relu() {
            visit(layer, &y)?;
        }
        Ok(y)
    }

    /// Training: outputs `[N, classes]` for inputs `[N, C, H, W]`, and what their gradient needs to go back. Batch norms use the
    /// statistics of the batch, and move their running ones towards them.
    pub fn forward_train(&self, x: &Tensor) -> Result<(Tensor, Tape<'_>), NnError> {
        let steps = &self.plan.steps;
        let (mut values, mut applied) = (vec![x.clone()], Vec::with_capacity(steps.len()));
        for step in steps {
            let next = self.apply(step, &values, Mode::Training)?;
            if let (Op::Norm { layer, .. }, Some(of_batch)) = (step.op, next.batch_statistics()?) {
                self.remember(layer, &of_batch)?;
            }
            values.push(next.y().clone());
            applied.push(next);
        }
        // Once the other values are dropped each layer holds what its gradients need, and nothing else does.
        Ok((values.swap_remove(steps.len()), Tape { net: self, applied }))
    }

    /// A step applied to the values so far.
    fn apply(&self, step: &Step, values: &[Tensor], mode: Mode) -> Result<Applied, NnError> {
        let x = &values[step.from];
        let name = self.owner(step.op).unwrap_or_default();
        let (w, b) = (|| self.tensor(name, "weight"), || self.tensor(name, "bias"));
        Ok(match step.op {
            Op::ConvReluPool { spec, .. } => Applied::conv2d_relu_pool(x, w()?, b()?, spec)?,
            Op::Conv { layer, stride, padding } => {
                let b = if self.plan.layers[layer].bias { Some(b()?) } else { None };
                Applied::conv2d(x, w()?, b, stride, padding)?
            }
            Op::Linear { relu, .. } => {
                let linear = if self.plan.behind_relu(step.from) {
                    Applied::linear_behind_relu
                } else {
                    Applied::linear
                };
                linear(&x.flatten_from(1)?, w()?, b()?, relu)?
            }
            Op::Norm { plus, relu, .. } => {
                let statistics = match mode {
                    Mode::Training => Statistics::Batch,
                    Mode::Evaluation => Statistics::Given {
                        mean: self.tensor(name, MEAN)?,
                        var: self.tensor(name, VARIANCE)?,
                    },
                };
                let plus = plus.map(|plus| &values[plus]);
                Applied::batch_norm(x, (w()?, b()?), plus, relu, statistics)?
            }
            Op::MaxPool(spec) => Applied::max_pool(x, spec)?,
            Op::AveragePool => Applied::average_pool(x)?,
            Op::Sum { plus } => Applied::sum(x, &values[plus])?,
        })
    }

    /// Moves the running statistics of a layer's norm.
    fn remember(&self, layer: usize, (mean, var): &(Tensor, Tensor)) -> Result<(), NnError> {
        let norm = self.plan.layers[layer].norm.as_deref().unwrap_or_default();
        for (suffix, of_batch) in [(MEAN, mean), (VARIANCE, var)] {
            let running = self.var(norm, suffix)?;
            let kept = running.affine(1.0 - MOMENTUM, 0.0)?;
            running.set(&(kept + of_batch.affine(MOMENTUM, 0.0)?)?)?;
        }
        Ok(())
    }

    /// Layers with weights, from input to head.
    pub fn layers(&self) -> &[Layer] {
        &self.plan.layers
    }

    /// Parameters in name order.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Running statistics of batch norms and what is fixed, in name order. No optimiser changes them, and no norm counts them.
    pub fn buffers(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.buffers.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Parameters and running statistics as plain arrays: what evaluation depends on.
    pub fn export(&self) -> Result<Parameters, NnError> {
        let plain = |(name, var): (&str, &Var)| Ok((name.to_owned(), plain(var.as_tensor())?));
        self.parameters().chain(self.buffers()).map(plain).collect()
    }

    /// What the names of a step's tensors begin with, if it has any.
    fn owner(&self, op: Op) -> Option<&str> {
        match op {
            Op::ConvReluPool { layer, .. } | Op::Conv { layer, .. } | Op::Linear { layer, .. } => {
                Some(&self.plan.layers[layer].name)
            }
            Op::Norm { layer, .. } => self.plan.layers[layer].norm.as_deref(),
            Op::MaxPool(_) | Op::AveragePool | Op::Sum { .. } => None,
        }
    }

    fn tensor(&self, owner: &str, suffix: &str) -> Result<&Tensor, NnError> {
        self.var(owner, suffix).map(Var::as_tensor)
    }

    fn var(&self, owner: &str, suffix: &str) -> Result<&Var, NnError> {
        let name = format!("{owner}.{suffix}");
        let found = self.vars.get(&name).or_else(|| self.buffers.get(&name));
        found.ok_or_else(|| NnError::Parameter { name, problem: "missing".into() })
    }
}

/// A variable on another device.
pub(crate) fn moved(var: &Var, device: &Device) -> Result<Var, NnError> {
    Ok(Var::from_tensor(&var.detach().to_device(device)?)?)
}

/// Adds a gradient to what there is of it.
fn add(total: &mut Option<Tensor>, part: Option<Tensor>) -> Result<(), NnError> {
    *total = match (total.take(), part) {
        (Some(total), Some(part)) => Some((total + part)?),
        (total, part) => total.or(part),
    };
    Ok(())
}

/// The steps of a net as they were applied to a batch.
pub struct Tape<'a> {
    net: &'a Net,
    applied: Vec<Applied>,
}

impl Tape<'_> {
    /// Gradients of all parameters, given that of the outputs `[N, classes]`.
    pub fn backward(self, outputs: Tensor) -> Result<GradStore, NnError> {
        let Self { net, mut applied } = self;
        let mut of_values: Vec<Option<Tensor>> = vec![None; applied.len()];
        of_values.push(Some(outputs));
        let mut grads = GradStore::default();
        // What a layer held is given back as soon as its gradients are known.
        while let (Some(layer), Some(grad)) = (applied.pop(), of_values.pop()) {
            let step = &net.plan.steps[applied.len()];
            let Some(grad) = grad else { continue };
            let grad = grad.reshape(layer.y().shape())?;
            let TensorGradients { x, plus, w, b } = layer.gradients(&grad, step.from > 0)?;
            add(&mut of_values[step.from], x)?;
            if let Some(to) = step.plus() {
                add(&mut of_values[to], plus)?;
            }
            if let Some(name) = net.owner(step.op) {
                for (suffix, grad) in [("weight", w), ("bias", b)] {
                    if let Some(grad) = grad {
                        grads.insert(net.tensor(name, suffix)?, grad);
                    }
                }
            }
        }
        Ok(grads)
    }
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
