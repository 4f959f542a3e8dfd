//! Training steps of randlab, as in its training loop.

use anyhow::{Result, bail};
use candle_core::{DType, Device, Tensor, Var};
use randlab_core::Seed;
use randlab_kernels::{
    Applied, ConvSpec, correct, prepare_process, sgd_step, softmax_cross_entropy,
    softmax_cross_entropy_gradient,
};
use randlab_nn::{Architectures, CrossEntropy, InitSpec, Laws, Loss, Net, Optim, Sgd, Targets, init, layers};

use crate::{
    nets::{self, CLASSES, Layer, Spec},
    worker::{LEARNING_RATE, MOMENTUM, Step, batch},
};

/// A worker for `net`.
pub fn worker(net: &nets::Net, images: usize) -> Result<Box<dyn Step>> {
    prepare_process()?;
    let (x, y) = batch(net, images)?;
    Ok(match &net.spec {
        Spec::Model(spec) => Box::new(Recipe::new(spec, net.input, (x, y))?),
        Spec::Blocks => Box::new(Blocks::new(&net.layers, (x, y))?),
    })
}

/// A net of the recipes.
struct Recipe {
    net: Net,
    optim: Optim,
    batch: (Tensor, Tensor),
}

impl Recipe {
    fn new(spec: &Architectures, input: [usize; 3], batch: (Tensor, Tensor)) -> Result<Self> {
        let law = InitSpec::of(Laws::He);
        let parameters = init(&layers(spec, input, CLASSES)?, &law, Seed::new(0))?;
        let net = Net::new(spec, input, CLASSES, &parameters, DType::F32)?;
        let sgd = Sgd { momentum: MOMENTUM, weight_decay: 0.0 }.into();
        let optim = Optim::new(&sgd, &net)?;
        Ok(Self { net, optim, batch })
    }
}

impl Step for Recipe {
    fn size(&self) -> usize {
        self.net.parameters().map(|(_, var)| var.elem_count()).sum()
    }

    fn step(&mut self) -> Result<()> {
        let (x, y) = &self.batch;
        let (logits, tape) = self.net.forward_train(x)?;
        correct(&logits, y)?;
        let targets = Targets::Classes(y.clone());
        let (_, gradient) = CrossEntropy {}.value_and_gradient(&logits, &targets, None)?;
        self.optim.step(&self.net, &tape.backward(gradient)?, LEARNING_RATE)?;
        Ok(())
    }
}

/// A chain of convolutions with ReLU and pool, then linear layers.
struct Blocks {
    layers: Vec<(Kind, [Var; 2], [Var; 2])>,
    batch: (Tensor, Tensor),
}

/// Kind of a layer, with its options.
#[derive(Clone, Copy)]
enum Kind {
    Conv(ConvSpec),
    Linear { relu: bool },
}

impl Blocks {
    fn new(list: &[Layer], batch: (Tensor, Tensor)) -> Result<Self> {
        let mut layers = Vec::new();
        for layer in list {
            let (kind, shape) = match *layer {
                Layer::Conv { inputs, filters, kernel, stride, padding, .. } => {
                    let spec = ConvSpec { stride, padding, pool: 2 };
                    (Kind::Conv(spec), vec![filters, inputs, kernel, kernel])
                }
                Layer::Linear { inputs, units } => {
                    (Kind::Linear { relu: units != CLASSES }, vec![units, inputs])
                }
                // Included in the layers above.
                Layer::Relu | Layer::MaxPool => continue,
                _ => bail!("{layer:?}: not supported in a chain of layers"),
            };
            let weights = nets::noise(shape.iter().product(), 0.05);
            let w = Tensor::from_vec(weights, shape, &Device::Cpu)?;
            let b = Tensor::zeros(w.dim(0)?, DType::F32, &Device::Cpu)?;
            let var = |t: &Tensor| Var::from_tensor(t);
            let velocity = [var(&w.zeros_like()?)?, var(&b.zeros_like()?)?];
            layers.push((kind, [var(&w)?, var(&b)?], velocity));
        }
        Ok(Self { layers, batch })
    }
}

impl Step for Blocks {
    fn size(&self) -> usize {
        self.layers.iter().flat_map(|(_, vars, _)| vars).map(|var| var.elem_count()).sum()
    }

    fn step(&mut self) -> Result<()> {
        let (x, y) = &self.batch;
        let (mut x, mut applied) = (x.clone(), Vec::new());
        for (kind, [w, b], _) in &self.layers {
            let next = match *kind {
                Kind::Conv(spec) => Applied::conv2d_relu_pool(&x, w, b, spec)?,
                Kind::Linear { relu } => Applied::linear(&x.flatten_from(1)?, w, b, relu)?,
            };
            x = next.y().clone();
            applied.push(next);
        }
        correct(&x, y)?;
        softmax_cross_entropy(&x, y)?.to_scalar::<f32>()?;
        let mut grad = softmax_cross_entropy_gradient(&x, y)?;
        let mut found = Vec::new();
        while let Some(layer) = applied.pop() {
            let all = layer.gradients(&grad.reshape(layer.y().shape())?, !applied.is_empty())?;
            found.push([all.w, all.b]);
            grad = all.x.unwrap_or(grad);
        }
        for ((_, vars, velocity), grads) in self.layers.iter().rev().zip(&found) {
            for ((var, v), grad) in vars.iter().zip(velocity).zip(grads.iter().flatten()) {
                sgd_step(var, v, grad, LEARNING_RATE, MOMENTUM, 0.0)?;
            }
        }
        Ok(())
    }
}
