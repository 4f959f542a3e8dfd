//! One pass of training.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use candle_core::{Tensor, backprop::GradStore};
use randlab_nn::{CrossEntropy, Loss, Net, Targets};

/// What a forward and a backward pass give.
pub(crate) struct Pass {
    pub loss: f64,
    pub grads: GradStore,
}

/// Forward and back again with cross-entropy for labels `[N]`.
pub(crate) fn pass(net: &Net, x: &Tensor, labels: &Tensor) -> Pass {
    let (logits, tape) = net.forward_train(x).unwrap();
    let targets = Targets::Classes(labels.clone());
    let (loss, gradient) = CrossEntropy {}.value_and_gradient(&logits, &targets, None).unwrap();
    Pass { loss, grads: tape.backward(gradient).unwrap() }
}
