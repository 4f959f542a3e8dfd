//! Nets and their initial weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A network. Layer names, in order: `fc1`.. and `head` for `mlp`; `conv1`, `fc1`, `head` for `cnn2`; `conv1`..,
/// `fc1`.. and `head` for `cnn`. Every layer of these but the head is followed by a ReLU. The deep nets name their
/// tensors as torchvision does where it has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ModelSpec {
    /// Fully connected.
    Mlp {
        /// Units of each hidden layer.
        hidden: Vec<usize>,
    },
    /// One convolution and one hidden layer (paper, Figures 2, 4 and 5).
    Cnn2 {
        /// Side of the square kernel.
        kernel: usize,
        /// Filters.
        filters: usize,
        /// Stride of the convolution.
        stride: usize,
        /// Zeros added on every side.
        padding: usize,
        /// Side of the max-pool after the ReLU; 1 for none.
        pool: usize,
        /// Units of the hidden layer.
        hidden: usize,
    },
    /// 3x3 convolutions with padding 1, then hidden layers.
    Cnn {
        /// The convolutions, from the input.
        convs: Vec<ConvLayer>,
        /// Units of each hidden layer after them.
        hidden: Vec<usize>,
    },
    /// VGG without its average pool and hidden layers: 3x3 convolutions (padding 1) with ReLU in five groups, each
    /// followed by a 2x2 max-pool, and one linear layer (paper, Figures 1 and 6). The convolutions and batch norms are
    /// torchvision's `features.0` and so on; the layer after them is `head` and not `classifier.0`, which there is
    /// another one.
    Vgg {
        /// Layers with weights in the original net: 16.
        depth: usize,
        /// Factor on the width of every convolution. Widths are rounded, and at least 1.
        width: f64,
        /// Whether a batch norm follows each convolution.
        batch_norm: bool,
    },
    /// Residual net of basic blocks with batch norm, a global average pool and one linear layer; names are those of
    /// torchvision (`conv1`, `layer1.0.conv1`, `layer2.0.downsample.0`, `fc`).
    #[serde(rename = "resnet")]
    ResNet {
        /// Layers with weights, not counting shortcuts: 18.
        depth: usize,
        /// What comes before the blocks.
        stem: Stem,
        /// Factor on the width of every convolution. Widths are rounded, and at least 1.
        width: f64,
    },
    /// Wide residual net for small images: batch norm and ReLU before each convolution, three groups of basic blocks
    /// with 16, 32 and 64 filters times `width`, a global average pool and one linear layer. Names follow those of
    /// `resnet`: `conv1`, `layer1.0.bn1`, `layer1.0.conv1`, `layer1.0.shortcut`, `bn` before the pool, `head`.
    Wrn {
        /// Layers with weights in the residual path: 6 n + 4 with n blocks per group.
        depth: usize,
        /// Factor on the width of the blocks; the first convolution has 16 filters.
        width: usize,
        /// Side of the first convolution's kernel, 3 or 5 (paper, Figure 3).
        kernel: usize,
    },
}

impl ModelSpec {
    /// The name used in tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mlp { .. } => "mlp",
            Self::Cnn2 { .. } => "cnn2",
            Self::Cnn { .. } => "cnn",
            Self::Vgg { .. } => "vgg",
            Self::ResNet { .. } => "resnet",
            Self::Wrn { .. } => "wrn",
        }
    }
}

/// A 3x3 convolution of a `cnn`, with padding 1 and a ReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvLayer {
    /// Filters.
    pub filters: usize,
    /// Stride.
    pub stride: usize,
    /// Side of the max-pool after the ReLU; 1 for none.
    pub pool: usize,
}

/// First layer of a residual net.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// For small images: a 3x3 convolution with stride 1.
    Cifar,
    /// For large ones: a 7x7 convolution with stride 2 and padding 3, and a 3x3 max-pool with stride 2 and padding 1.
    Imagenet,
}

/// Initial weights. Biases start at 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitSpec {
    /// Law of the weights before scaling.
    pub law: InitLaw,
    /// Factor on the standard deviation, per layer name; 1 where a layer is not named. This is the reading of the
    /// paper's `init_scale`.
    pub scale: BTreeMap<String, f64>,
    /// Extra factor on the weights of every second input coordinate of the first layer. Anything but 1 makes the
    /// initialisation anisotropic: a control that breaks the assumption of Proposition 1.
    pub odd_inputs: f64,
}

/// Law of initial weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitLaw {
    /// `N(0, 2 / fan_in)`.
    He,
    /// `N(0, 1 / fan_in)`.
    Lecun,
    /// Normal cut at two standard deviations and rescaled to variance `1 / fan_in`.
    TruncatedNormal,
}

impl InitLaw {
    /// The name used in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::He => "he",
            Self::Lecun => "lecun",
            Self::TruncatedNormal => "truncated-normal",
        }
    }
}
