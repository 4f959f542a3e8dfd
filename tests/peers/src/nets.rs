//! The nets that are timed, each written once as a list of layers that every peer reads.

use anyhow::{Result, bail};
use randlab_nn::{Architectures, Cnn2, Mlp, ResNet, Stem, Vgg, Wrn};
use serde::Serialize;

/// Classes of every net.
pub const CLASSES: usize = 10;

/// Names that `--nets` knows, besides `S<filters>` and `vgg16x<factor>`.
pub const NAMES: [&str; 9] =
    ["cnn2", "S2", "S64", "simple", "vgg16", "resnet18", "wrn28-4", "mlp", "mlp-gaussian"];

/// One layer.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Layer {
    Conv {
        inputs: usize,
        filters: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    },
    Norm {
        channels: usize,
    },
    Relu,
    /// 2x2.
    MaxPool,
    /// Mean of each map.
    AveragePool,
    /// Fully connected, on all values of an image.
    Linear {
        inputs: usize,
        units: usize,
    },
    /// Keeps the value for a shortcut.
    Keep,
    /// Works on the kept value.
    Kept {
        layers: Vec<Layer>,
    },
    /// Adds the kept value.
    Add,
}

/// The net as randlab builds it.
#[derive(Debug, Clone)]
pub enum Spec {
    /// A net of the recipes.
    Model(Architectures),
    /// Blocks of convolution, ReLU and 2x2 pool, and a hidden layer: not in the recipes, so its layers run one by one.
    Blocks,
}

/// A net.
pub struct Net {
    pub spec: Spec,
    /// `[C, H, W]`
    pub input: [usize; 3],
    pub layers: Vec<Layer>,
    /// Floating-point operations of one image in a step: two per multiplication and addition in convolutions and linear layers,
    /// three times (result, gradients of weights and of input), without the gradient of the net's input.
    pub flop: f64,
    /// Whether it has convolutions.
    pub maps: bool,
}

impl Net {
    /// The net called `name`.
    pub fn new(name: &str) -> Result<Self> {
        let mut list = List::new([3, 32, 32]);
        let spec = match name {
            "cnn2" => list.cnn2(5, 256, 1, 2),
            "S2" => list.cnn2(3, 256, 2, 1),
            "simple" => list.blocks(&[64, 128, 256], 256),
            "vgg16" => list.vgg(1.0),
            "resnet18" => list.resnet18(),
            "wrn28-4" => list.wrn(28, 4),
            "mlp" => list.mlp(&[1024]),
            "mlp-gaussian" => {
                list = List::new([30, 1, 1]);
                list.mlp(&[2048, 256])
            }
            _ => match (number(name, "S"), number(name, "vgg16x")) {
                (Some(filters), _) => list.cnn2(3, filters, 2, 1),
                (_, Some(factor)) => list.vgg(factor),
                _ => bail!("{name}: no such net; take some of {}", NAMES.join(" ")),
            },
        };
        let maps = list.layers.iter().any(|l| matches!(l, Layer::Conv { .. }));
        Ok(Self { spec, input: list.input, layers: list.layers, flop: list.flop, maps })
    }
}

/// What follows `prefix` in `name`.
fn number<T: std::str::FromStr + PartialOrd + Default>(name: &str, prefix: &str) -> Option<T> {
    name.strip_prefix(prefix)?.parse().ok().filter(|n| *n > T::default())
}

/// A net under construction: each method that returns a [`Spec`] adds its layers.
struct List {
    input: [usize; 3],
    layers: Vec<Layer>,
    /// Size of the current value.
    map: [usize; 3],
    /// Size of the kept value.
    kept: [usize; 3],
    flop: f64,
}

impl List {
    const fn new(input: [usize; 3]) -> Self {
        Self { input, layers: Vec::new(), map: input, kept: input, flop: 0.0 }
    }

    fn mlp(&mut self, hidden: &[usize]) -> Spec {
        for &units in hidden {
            self.linear(units).relu();
        }
        self.linear(CLASSES);
        Spec::Model(Mlp { hidden: hidden.to_vec() }.into())
    }

    fn cnn2(&mut self, kernel: usize, filters: usize, stride: usize, pool: usize) -> Spec {
        self.conv(filters, kernel, stride, 0, true).relu();
        if pool == 2 {
            self.pool();
        }
        self.linear(64).relu().linear(CLASSES);
        Spec::Model(Cnn2 { kernel, filters, stride, padding: 0, pool, hidden: 64 }.into())
    }

    fn blocks(&mut self, filters: &[usize], hidden: usize) -> Spec {
        for &f in filters {
            self.conv(f, 3, 1, 1, true).relu().pool();
        }
        self.linear(hidden).relu().linear(CLASSES);
        Spec::Blocks
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive whole number"
    )]
    fn vgg(&mut self, width: f64) -> Spec {
        for (filters, convs) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
            let filters = (f64::from(filters) * width).round().max(1.0) as usize;
            for _ in 0..convs {
                self.conv(filters, 3, 1, 1, true).relu();
            }
            self.pool();
        }
        self.linear(CLASSES);
        Spec::Model(Vgg { depth: 16, width, batch_norm: false }.into())
    }

    fn resnet18(&mut self) -> Spec {
        self.conv(64, 3, 1, 1, false).norm().relu();
        for (group, filters) in [64, 128, 256, 512].into_iter().enumerate() {
            for block in 0..2 {
                let stride = if group > 0 && block == 0 { 2 } else { 1 };
                self.keep().conv(filters, 3, stride, 1, false).norm().relu();
                self.conv(filters, 3, 1, 1, false).norm();
                if stride > 1 {
                    self.kept(|kept| kept.conv(filters, 1, stride, 0, false).norm());
                }
                self.push(Layer::Add).relu();
            }
        }
        self.average().linear(CLASSES);
        Spec::Model(ResNet { depth: 18, stem: Stem::Cifar, width: 1.0 }.into())
    }

    fn wrn(&mut self, depth: usize, width: usize) -> Spec {
        self.conv(16, 3, 1, 1, false);
        for (group, filters) in [16, 32, 64].into_iter().enumerate() {
            let filters = filters * width;
            for block in 0..(depth - 4) / 6 {
                let stride = if group > 0 && block == 0 { 2 } else { 1 };
                if self.map[0] == filters {
                    self.keep().norm().relu();
                } else {
                    self.norm().relu().keep();
                    self.kept(|kept| kept.conv(filters, 1, stride, 0, false));
                }
                self.conv(filters, 3, stride, 1, false).norm().relu();
                self.conv(filters, 3, 1, 1, false).push(Layer::Add);
            }
        }
        self.norm().relu().average().linear(CLASSES);
        Spec::Model(Wrn { depth, width, kernel: 3 }.into())
    }

    fn push(&mut self, layer: Layer) -> &mut Self {
        self.layers.push(layer);
        self
    }

    fn conv(
        &mut self,
        filters: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    ) -> &mut Self {
        let [inputs, h, w] = self.map;
        let side = |s: usize| (s + 2 * padding - kernel) / stride + 1;
        self.map = [filters, side(h), side(w)];
        self.count(inputs * kernel * kernel * self.map.iter().product::<usize>());
        self.push(Layer::Conv { inputs, filters, kernel, stride, padding, bias })
    }

    fn linear(&mut self, units: usize) -> &mut Self {
        let inputs = self.map.iter().product();
        self.map = [units, 1, 1];
        self.count(inputs * units);
        self.push(Layer::Linear { inputs, units })
    }

    /// Counts a layer; the first one with weights has no gradient of its input.
    fn count(&mut self, products: usize) {
        self.flop += 2.0 * products as f64 * if self.flop > 0.0 { 3.0 } else { 2.0 };
    }

    fn norm(&mut self) -> &mut Self {
        self.push(Layer::Norm { channels: self.map[0] })
    }

    fn relu(&mut self) -> &mut Self {
        self.push(Layer::Relu)
    }

    fn pool(&mut self) -> &mut Self {
        self.map = [self.map[0], self.map[1] / 2, self.map[2] / 2];
        self.push(Layer::MaxPool)
    }

    fn average(&mut self) -> &mut Self {
        self.map = [self.map[0], 1, 1];
        self.push(Layer::AveragePool)
    }

    fn keep(&mut self) -> &mut Self {
        self.kept = self.map;
        self.push(Layer::Keep)
    }

    /// Layers on the kept value.
    fn kept(&mut self, write: impl FnOnce(&mut Self) -> &mut Self) {
        let mut list = Self { flop: self.flop, ..Self::new(self.kept) };
        write(&mut list);
        self.flop = list.flop;
        self.push(Layer::Kept { layers: list.layers });
    }
}

/// `n` numbers from -1 to 1 times `scale`, without a pattern.
#[expect(clippy::cast_possible_truncation, reason = "rounding on purpose")]
pub fn noise(n: usize, scale: f32) -> Vec<f32> {
    // Multiples of the golden ratio by squares are spread evenly without visible order.
    let at = |k: usize| ((k * k) as f64 * 0.618_033_988_749_894_9).fract();
    (0..n).map(|k| scale * (2.0 * at(k) - 1.0) as f32).collect()
}

/// `n` labels.
pub fn labels(n: usize) -> Vec<u32> {
    (0..10).cycle().take(n).collect()
}
