//! A net and its optimiser.

use candle_core::{DType, Tensor};
use randlab_data::Dataset;
use randlab_kernels::correct;
use randlab_nn::{Loss, Net, Optim, Parameters, RunsOn, StepNorms, Targets};

use crate::{TrainConfig, TrainError};

/// What one step changes.
pub(crate) struct Learner {
    net: Net,
    optim: Optim,
}

/// What one step gives. Loss and accuracy are those before the update.
pub(crate) struct Stepped {
    /// Mean over the batch.
    pub loss: f64,
    /// Images classified as labelled.
    pub correct: usize,
    /// By parameter.
    pub norms: StepNorms,
}

impl Learner {
    /// The net of `config` with `parameters` and a fresh optimiser.
    pub fn new(
        config: &TrainConfig,
        data: &Dataset,
        parameters: &Parameters,
        device: &RunsOn,
    ) -> Result<Self, TrainError> {
        let classes = config.phase.labels.as_ref().outputs(data.classes()) as usize;
        let net = Net::new(&config.model, data.shape(), classes, parameters, DType::F32)?;
        let net = net.on(device.device())?.freeze(config.frozen as usize);
        let optim = Optim::new(&config.phase.optimizer, &net)?;
        Ok(Self { net, optim })
    }

    /// The net.
    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// One step on images `[N, C, H, W]` with labels `[N]` u32.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] as soon as the loss, or the norm of a gradient or an update, is no number.
    pub fn step(
        &mut self,
        (x, y): (&Tensor, &Tensor),
        loss: &dyn Loss,
        lr: f64,
        step: u64,
    ) -> Result<Stepped, TrainError> {
        let (logits, tape) = self.net.forward_train(x)?;
        let correct = correct(&logits, y)?;
        let targets = Targets::Classes(y.clone());
        let (loss, gradient) = loss.value_and_gradient(&logits, &targets, None)?;
        finite("loss", loss, step)?;
        let grads = tape.backward(gradient)?;
        let norms = self.optim.step(&self.net, &grads, lr)?;
        for (kind, of) in [("gradient", &norms.grad), ("update", &norms.update)] {
            for (name, norm) in of {
                finite(&format!("{kind} of {name}"), *norm, step)?;
            }
        }
        Ok(Stepped { loss, correct, norms })
    }

    /// Tensors of the net and state of the optimiser.
    pub fn export(&self) -> Result<(Parameters, Parameters), TrainError> {
        Ok((self.net.export()?, self.optim.export()?))
    }

    /// Goes on with a saved state of the optimiser.
    pub fn import(&mut self, optimizer: &Parameters) -> Result<(), TrainError> {
        Ok(self.optim.import(optimizer)?)
    }
}

/// Refuses what is no number; `step` steps were done before.
pub(crate) fn finite(what: &str, value: f64, step: u64) -> Result<(), TrainError> {
    if value.is_finite() {
        return Ok(());
    }
    Err(TrainError::NotFinite { tensor: what.to_owned(), value, step })
}
