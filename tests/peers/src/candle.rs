//! Training steps of candle: its own layers on its own tape.

use anyhow::Result;
use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use candle_nn::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Linear, Module, ModuleT, VarBuilder, VarMap,
    batch_norm, conv2d, conv2d_no_bias, linear, loss::cross_entropy,
};

use crate::{
    nets::{Layer, Net},
    worker::{LEARNING_RATE, MOMENTUM, Step, batch},
};

/// A worker for `net`.
pub fn worker(net: &Net, images: usize) -> Result<Box<dyn Step>> {
    let parameters = VarMap::new();
    let builder = VarBuilder::from_varmap(&parameters, DType::F32, &Device::Cpu);
    let net_ops = ops(&net.layers, &builder)?;
    let data = parameters.data().lock().map_err(|_| anyhow::anyhow!("a lock was poisoned"))?;
    let trained = data.iter().filter(|(name, _)| !name.contains("running"));
    let vars: Vec<Var> = trained.map(|(_, var)| var.clone()).collect();
    Ok(Box::new(Candle {
        ops: net_ops,
        velocity: vec![None; vars.len()],
        vars,
        batch: batch(net, images)?,
    }))
}

struct Candle {
    ops: Vec<Op>,
    vars: Vec<Var>,
    velocity: Vec<Option<Tensor>>,
    batch: (Tensor, Tensor),
}

enum Op {
    Conv(Conv2d),
    Norm(BatchNorm),
    Relu,
    MaxPool,
    AveragePool,
    Linear(Linear),
    Keep,
    Kept(Vec<Op>),
    Add,
}

fn ops(layers: &[Layer], builder: &VarBuilder<'_>) -> Result<Vec<Op>> {
    let op = |(i, layer): (usize, &Layer)| {
        let vb = builder.pp(i.to_string());
        Ok(match layer {
            &Layer::Conv { inputs, filters, kernel, stride, padding, bias } => {
                let config = Conv2dConfig { stride, padding, ..Conv2dConfig::default() };
                let new = if bias { conv2d } else { conv2d_no_bias };
                Op::Conv(new(inputs, filters, kernel, config, vb)?)
            }
            &Layer::Norm { channels } => {
                Op::Norm(batch_norm(channels, BatchNormConfig::default(), vb)?)
            }
            Layer::Relu => Op::Relu,
            Layer::MaxPool => Op::MaxPool,
            Layer::AveragePool => Op::AveragePool,
            &Layer::Linear { inputs, units } => Op::Linear(linear(inputs, units, vb)?),
            Layer::Keep => Op::Keep,
            Layer::Kept { layers } => Op::Kept(ops(layers, &vb)?),
            Layer::Add => Op::Add,
        })
    };
    layers.iter().enumerate().map(op).collect()
}

fn forward(ops: &[Op], x: &Tensor) -> candle_core::Result<Tensor> {
    let (mut x, mut kept) = (x.clone(), x.clone());
    for op in ops {
        x = match op {
            Op::Conv(conv) => conv.forward(&x)?,
            Op::Norm(norm) => norm.forward_t(&x, true)?,
            Op::Relu => x.relu()?,
            #[expect(
                clippy::disallowed_methods,
                reason = "its wrong gradient takes as long as the right one"
            )]
            Op::MaxPool => x.max_pool2d(2)?,
            Op::AveragePool => x.mean_keepdim((2, 3))?,
            Op::Linear(linear) => linear.forward(&x.flatten_from(1)?)?,
            Op::Keep => {
                kept = x.clone();
                x
            }
            Op::Kept(ops) => {
                kept = forward(ops, &kept)?;
                x
            }
            Op::Add => (x + &kept)?,
        };
    }
    Ok(x)
}

impl Candle {
    /// candle has no SGD with momentum.
    fn update(&mut self, grads: &GradStore) -> Result<()> {
        for (var, velocity) in self.vars.iter().zip(&mut self.velocity) {
            let Some(grad) = grads.get(var.as_tensor()) else { continue };
            let grad = grad.detach();
            let next = match velocity.take() {
                Some(v) => ((v * MOMENTUM)? + grad)?,
                None => grad,
            };
            var.set(&(var.as_tensor().detach() - (&next * LEARNING_RATE)?)?)?;
            *velocity = Some(next);
        }
        Ok(())
    }
}

impl Step for Candle {
    fn size(&self) -> usize {
        self.vars.iter().map(|var| var.elem_count()).sum()
    }

    fn step(&mut self) -> Result<()> {
        let (x, y) = &self.batch;
        let logits = forward(&self.ops, x)?;
        let loss = cross_entropy(&logits, y)?;
        loss.to_scalar::<f32>()?;
        logits.argmax(1)?.eq(y)?.to_dtype(DType::F32)?.sum_all()?.to_scalar::<f32>()?;
        let grads = loss.backward()?;
        self.update(&grads)
    }
}
