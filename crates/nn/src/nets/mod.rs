//! Nets: each kind is a file with its settings, their check and the plan it writes.

mod blocks;
mod cnn;
mod cnn2;
mod lenet;
mod mlp;
mod resnet;
mod vgg;
mod wrn;

pub use cnn::{Cnn, ConvLayer};
pub use cnn2::Cnn2;
pub use lenet::LeNet;
pub use mlp::Mlp;
pub use resnet::{ResNet, Stem};
pub use vgg::Vgg;
pub use wrn::Wrn;

use crate::{NetPlan, NnError};

/// What a kind of net does.
pub trait Architecture {
    /// Refuses settings of which no net can be made. Whether a net fits its images is seen when they are there.
    ///
    /// # Errors
    /// What is wrong, in one line.
    fn check(&self) -> Result<(), String>;

    /// Writes the net with so many `outputs` into an empty plan.
    ///
    /// # Errors
    /// [`NnError::Model`] when a window is larger than what it slides over.
    fn write(&self, plan: &mut NetPlan, outputs: usize) -> Result<(), NnError>;
}

randlab_core::kinds! {
    /// A net.
    pub enum Architectures: Architecture {
        "mlp" => Mlp, "fully connected layers";
        "cnn2" => Cnn2, "one convolution and one hidden layer";
        "cnn" => Cnn, "3x3 convolutions, then hidden layers";
        "lenet" => LeNet, "two 5x5 convolutions and two hidden layers";
        "vgg" => Vgg, "VGG16, with or without batch norm";
        "resnet" => ResNet, "ResNet18";
        "wrn" => Wrn, "wide residual net for small images";
    }
}
