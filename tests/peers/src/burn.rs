//! Training steps of burn on flex, its backend for processors.

use anyhow::{Context, Result};
use burn::{
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        loss::{CrossEntropyLoss, CrossEntropyLossConfig},
        pool::{AdaptiveAvgPool2dConfig, MaxPool2dConfig},
    },
    optim::{GradientsParams, ModuleOptimizer, SgdConfig, momentum::MomentumConfig},
    tensor::{Device, Int, Tensor, TensorData, activation::relu},
};

use crate::{
    nets::{self, Layer},
    worker::{LEARNING_RATE, MOMENTUM, Step},
};

/// A worker for `net`.
pub fn worker(net: &nets::Net, images: usize) -> Box<dyn Step> {
    let device = Device::flex().autodiff();
    let [c, h, w] = net.input;
    let x = TensorData::new(nets::noise(images * c * h * w, 1.0), [images, c, h, w]);
    let y = TensorData::new(nets::labels(images), [images]);
    let momentum = MomentumConfig::new().with_momentum(MOMENTUM).with_dampening(0.0);
    let mut empty = Net { convs: Vec::new(), norms: Vec::new(), linears: Vec::new() };
    empty.fill(&net.layers, &device);
    Box::new(Burn {
        layers: net.layers.clone(),
        net: Some(empty),
        optim: SgdConfig::new().with_momentum(Some(momentum)).init(),
        loss: CrossEntropyLossConfig::new().init(&device),
        x: Tensor::from_data(x, &device),
        y: Tensor::from_data(y, &device),
    })
}

struct Burn {
    layers: Vec<Layer>,
    /// Consumed and returned by the optimiser.
    net: Option<Net>,
    optim: ModuleOptimizer,
    loss: CrossEntropyLoss,
    x: Tensor<4>,
    y: Tensor<1, Int>,
}

/// Layers with parameters, in order.
#[derive(Module, Debug)]
struct Net {
    convs: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    linears: Vec<Linear>,
}

impl Net {
    fn fill(&mut self, layers: &[Layer], device: &Device) {
        for layer in layers {
            match layer {
                &Layer::Conv { inputs, filters, kernel, stride, padding: p, bias } => {
                    let config = Conv2dConfig::new([inputs, filters], [kernel, kernel])
                        .with_stride([stride, stride])
                        .with_padding(PaddingConfig2d::Explicit(p, p, p, p))
                        .with_bias(bias);
                    self.convs.push(config.init(device));
                }
                &Layer::Norm { channels } => {
                    self.norms.push(BatchNormConfig::new(channels).init(device));
                }
                &Layer::Linear { inputs, units } => {
                    self.linears.push(LinearConfig::new(inputs, units).init(device));
                }
                Layer::Kept { layers } => self.fill(layers, device),
                _ => {}
            }
        }
    }
}

/// The layers with parameters not yet applied.
struct Rest<'a> {
    convs: std::slice::Iter<'a, Conv2d>,
    norms: std::slice::Iter<'a, BatchNorm>,
    linears: std::slice::Iter<'a, Linear>,
}

impl Rest<'_> {
    fn forward(&mut self, layers: &[Layer], mut x: Tensor<4>) -> Result<Tensor<4>> {
        let missing = "fewer layers than the net has";
        let mut kept = x.clone();
        for layer in layers {
            x = match layer {
                Layer::Conv { .. } => self.convs.next().context(missing)?.forward(x),
                Layer::Norm { .. } => self.norms.next().context(missing)?.forward(x),
                Layer::Relu => relu(x),
                Layer::MaxPool => {
                    MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init().forward(x)
                }
                Layer::AveragePool => AdaptiveAvgPool2dConfig::new([1, 1]).init().forward(x),
                Layer::Linear { .. } => {
                    let x: Tensor<2> = x.flatten(1, 3);
                    let y = self.linears.next().context(missing)?.forward(x);
                    let [n, units] = y.dims();
                    y.reshape([n, units, 1, 1])
                }
                Layer::Keep => {
                    kept = x.clone();
                    x
                }
                Layer::Kept { layers } => {
                    kept = self.forward(layers, kept)?;
                    x
                }
                Layer::Add => x + kept.clone(),
            };
        }
        Ok(x)
    }
}

impl Step for Burn {
    fn size(&self) -> usize {
        // burn counts running means and variances too: as many as weights and biases of the norms.
        let running = |norm: &BatchNorm| norm.gamma.dims()[0] + norm.beta.dims()[0];
        let size = |net: &Net| net.num_params() - net.norms.iter().map(running).sum::<usize>();
        self.net.as_ref().map_or(0, size)
    }

    fn step(&mut self) -> Result<()> {
        let net = self.net.take().context("the net was lost in a step that failed")?;
        let mut rest =
            Rest { convs: net.convs.iter(), norms: net.norms.iter(), linears: net.linears.iter() };
        let logits: Tensor<2> = rest.forward(&self.layers, self.x.clone())?.flatten(1, 3);
        let loss = self.loss.forward(logits.clone(), self.y.clone());
        loss.clone().into_scalar::<f32>();
        let guess: Tensor<1, Int> = logits.argmax(1).flatten(0, 1);
        guess.equal(self.y.clone()).int().sum().into_scalar::<i64>();
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        self.net = Some(self.optim.step(LEARNING_RATE, net, grads));
        Ok(())
    }
}
