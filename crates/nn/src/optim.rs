//! Optimisers with their state.

use std::collections::BTreeMap;

use candle_core::{Var, backprop::GradStore};
use randlab_kernels::{Norms, adam_step, l2_norm, sgd_step};
use randlab_recipe::Optimizer;

use crate::{
    Net, NnError, Parameter, Parameters,
    net::{moved, plain, variable},
};

/// An optimiser for one net.
pub struct Optim {
    kind: Optimizer,
    /// Momentum buffers by parameter; for Adam both moments, told apart by suffix.
    state: BTreeMap<String, Var>,
    steps: u64,
}

/// l2 norms of one step, by parameter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepNorms {
    /// Of gradients.
    pub grad: BTreeMap<String, f64>,
    /// Of updates.
    pub update: BTreeMap<String, f64>,
}

impl StepNorms {
    /// Norm of the whole gradient.
    pub fn grad_total(&self) -> f64 {
        total(&self.grad)
    }

    /// Norm of the whole update.
    pub fn update_total(&self) -> f64 {
        total(&self.update)
    }
}

fn total(norms: &BTreeMap<String, f64>) -> f64 {
    norms.values().map(|n| n * n).sum::<f64>().sqrt()
}

/// Counts steps in the exported state, for Adam's bias correction.
const STEPS: &str = "steps";

impl Optim {
    /// A fresh optimiser for the parameters of `net`.
    pub fn new(kind: &Optimizer, net: &Net) -> Result<Self, NnError> {
        let mut state = BTreeMap::new();
        for (name, var) in net.parameters() {
            for suffix in suffixes(kind) {
                let zeros = Var::from_tensor(&var.zeros_like()?)?;
                state.insert(format!("{name}.{suffix}"), zeros);
            }
        }
        Ok(Self { kind: *kind, state, steps: 0 })
    }

    /// Changes the parameters of `net` in place. Weight decay applies to the weights of layers, and not to
    /// biases or batch norms.
    ///
    /// # Errors
    /// [`NnError::Parameter`] when a parameter has no gradient.
    pub fn step(&mut self, net: &Net, grads: &GradStore, lr: f64) -> Result<StepNorms, NnError> {
        self.steps += 1;
        let mut norms = StepNorms::default();
        for (name, var) in net.parameters() {
            let missing =
                |what: &str| NnError::Parameter { name: name.into(), problem: what.into() };
            let grad = grads.get(var.as_tensor()).ok_or_else(|| missing("no gradient"))?.detach();
            let state = |suffix: &str| {
                self.state.get(&format!("{name}.{suffix}")).ok_or_else(|| missing("no state"))
            };
            let of = match self.kind {
                Optimizer::Sgd { momentum, weight_decay } => {
                    let decay = if var.rank() > 1 { weight_decay } else { 0.0 };
                    let velocity = state("momentum")?;
                    sgd_step(var, velocity, &grad, lr, momentum, decay)?
                }
                Optimizer::Adam {} => {
                    let before = var.copy()?;
                    adam_step(var, state("mean")?, state("square")?, &grad, lr, self.steps)?;
                    let update = l2_norm(&(var.as_tensor() - before)?)?;
                    Norms { grad: l2_norm(&grad)?, update }
                }
            };
            norms.grad.insert(name.to_owned(), of.grad);
            norms.update.insert(name.to_owned(), of.update);
        }
        Ok(norms)
    }

    /// The state as plain arrays.
    pub fn export(&self) -> Result<Parameters, NnError> {
        let each = |(name, var): (&String, &Var)| Ok((name.clone(), plain(var.as_tensor())?));
        let mut state: Parameters = self.state.iter().map(each).collect::<Result<_, NnError>>()?;
        // Two halves, each exact in f32 up to 2^24.
        let halves = [self.steps >> 20, self.steps & 0xf_ffff].map(|half| half as f32);
        state.insert(STEPS.into(), Parameter { shape: vec![2], values: halves.to_vec() });
        Ok(state)
    }

    /// Takes over a state written by [`Optim::export`].
    ///
    /// # Errors
    /// [`NnError::Parameter`] when it does not fit.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole numbers, not negative"
    )]
    pub fn import(&mut self, saved: &Parameters) -> Result<(), NnError> {
        for (name, var) in &mut self.state {
            let read = variable(name, var.dims(), saved.get(name), var.dtype())?;
            *var = moved(&read, var.device())?;
        }
        let wrong =
            || NnError::Parameter { name: STEPS.into(), problem: "not a step count".into() };
        let halves = saved.get(STEPS).and_then(|p| <[f32; 2]>::try_from(&p.values[..]).ok());
        let [high, low] = halves.ok_or_else(wrong)?;
        self.steps = ((high as u64) << 20) + low as u64;
        Ok(())
    }
}

const fn suffixes(kind: &Optimizer) -> &'static [&'static str] {
    match kind {
        Optimizer::Sgd { .. } => &["momentum"],
        Optimizer::Adam {} => &["mean", "square"],
    }
}
