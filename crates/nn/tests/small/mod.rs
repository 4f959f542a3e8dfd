//! Small instances of every net, with the numbers of `tests/reference/nets.py`.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use candle_core::{DType, Device, Tensor};
use randlab_core::Seed;
use randlab_nn::{
    Architectures, Cnn, Cnn2, ConvLayer, InitSpec, Laws, Mlp, Net, Parameters, ResNet, Stem, Vgg,
    Wrn, init, layers,
};

/// A net for RGB images of `side`, a batch of so many, and a learning rate.
pub(crate) struct Small {
    pub model: Architectures,
    pub side: usize,
    pub images: usize,
    pub lr: f64,
}

pub(crate) const CLASSES: usize = 3;

pub(crate) fn vgg(width: f64, batch_norm: bool) -> Architectures {
    Vgg { depth: 16, width, batch_norm }.into()
}

pub(crate) fn resnet(stem: Stem, width: f64) -> Architectures {
    ResNet { depth: 18, stem, width }.into()
}

/// One of each kind. The last six are the deep ones, and all of these but the first have batch norms.
pub(crate) fn all() -> [Small; 9] {
    let cnn2 = Cnn2 { kernel: 5, filters: 17, stride: 1, padding: 0, pool: 2, hidden: 9 };
    let wrn = |width, kernel| Wrn { depth: 10, width, kernel };
    let small = |model: Architectures, side, images, lr| Small { model, side, images, lr };
    [
        small(Mlp { hidden: vec![130, 33] }.into(), 8, 17, 0.02),
        small(cnn2.into(), 16, 9, 0.005),
        small(
            Cnn {
                convs: vec![
                    ConvLayer { filters: 18, stride: 2, pool: 1 },
                    ConvLayer { filters: 18, stride: 1, pool: 2 },
                    ConvLayer { filters: 18, stride: 1, pool: 1 },
                ],
                hidden: vec![9],
            }
            .into(),
            16,
            9,
            0.005,
        ),
        small(vgg(0.0625, false), 32, 6, 0.005),
        small(vgg(0.0625, true), 32, 6, 0.001),
        small(resnet(Stem::Cifar, 0.0625), 12, 6, 0.02),
        small(resnet(Stem::Imagenet, 0.0625), 48, 6, 0.01),
        small(wrn(4, 3).into(), 8, 6, 0.02),
        small(wrn(1, 5).into(), 8, 6, 0.02),
    ]
}

/// Fresh parameters.
pub(crate) fn fresh(model: &Architectures, input: [usize; 3], classes: usize) -> Parameters {
    let spec = InitSpec::of(Laws::He);
    init(&layers(model, input, classes).unwrap(), &spec, Seed::new(5)).unwrap()
}

impl Small {
    /// The net with its images and labels. Parameters are waves of He's variance for weights, and near 1 and 0 for batch norms
    /// and biases.
    pub fn start(&self, dtype: DType) -> (Net, Tensor, Tensor) {
        let input = [3, self.side, self.side];
        let fresh = fresh(&self.model, input, CLASSES);
        let net = Net::new(&self.model, input, CLASSES, &fresh, dtype).unwrap();
        let tensor = |shape: &[usize], values: Vec<f64>| {
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
        };
        for (k, (name, var)) in net.parameters().enumerate() {
            let (shape, phase) = (var.dims(), 0.2 + 0.1 * k as f64);
            let values = if shape.len() > 1 {
                let fan_in: usize = shape[1..].iter().product();
                wave(shape, 0.83, phase, 2.0 / (fan_in as f64).sqrt())
            } else {
                let about = if name.ends_with(".weight") { 1.0 } else { 0.0 };
                wave(shape, 0.83, phase, 0.1).iter().map(|v| v + about).collect()
            };
            var.set(&tensor(shape, values)).unwrap();
        }
        let shape = [self.images, 3, self.side, self.side];
        let labels: Vec<u32> = (0..3).cycle().take(self.images).collect();
        let labels = Tensor::from_vec(labels, self.images, &Device::Cpu).unwrap();
        (net, tensor(&shape, wave(&shape, 0.37, 0.1, 1.3)), labels)
    }
}

/// Entry k is `s sin(a k^2 + b)`.
fn wave(shape: &[usize], a: f64, b: f64, s: f64) -> Vec<f64> {
    (0..shape.iter().product()).map(|k: usize| s * (a * (k * k) as f64 + b).sin()).collect()
}

pub(crate) fn number(t: &Tensor) -> f64 {
    t.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

/// The loss in evaluation mode.
pub(crate) fn evaluated(net: &Net, x: &Tensor, y: &Tensor) -> f64 {
    number(&randlab_kernels::softmax_cross_entropy(&net.forward(x).unwrap(), y).unwrap())
}
