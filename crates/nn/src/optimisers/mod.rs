//! Optimisers with their state.

mod adam;
mod sgd;

pub use adam::Adam;
pub use sgd::Sgd;

use std::collections::BTreeMap;

use candle_core::{Tensor, Var, backprop::GradStore};
use randlab_kernels::Norms;

use crate::{
    Net, NnError, Parameter, Parameters,
    net::{moved, plain, variable},
};

/// What a kind of optimiser does.
pub trait Optimizer {
    /// Refuses settings out of range.
    ///
    /// # Errors
    /// What is wrong, in one line.
    fn check(&self) -> Result<(), String>;

    /// Names of the tensors it keeps for each parameter. They have the shape of the parameter and start at 0.
    fn state(&self) -> &'static [&'static str];

    /// Changes one parameter and its state in place; gives the l2 norms of gradient and change.
    fn step(&self, update: &Update<'_>) -> Result<Norms, NnError>;

    /// Column `momentum` of the table of runs.
    fn momentum(&self) -> Option<f64> {
        None
    }

    /// Column `weight_decay` of the table of runs.
    fn weight_decay(&self) -> Option<f64> {
        None
    }
}

randlab_core::kinds! {
    /// An optimiser.
    pub enum Optimizers: Optimizer {
        "sgd" => Sgd, "gradient descent with momentum and weight decay";
        "adam" => Adam, "Adam with the usual constants";
    }
}

/// One parameter in one step.
pub struct Update<'a> {
    /// The parameter.
    pub var: &'a Var,
    /// Its gradient.
    pub grad: &'a Tensor,
    /// Learning rate.
    pub lr: f64,
    /// Number of the step, counted from 1.
    pub step: u64,
    name: &'a str,
    states: &'a BTreeMap<String, Var>,
}

impl<'a> Update<'a> {
    /// A tensor that the optimiser keeps for the parameter.
    ///
    /// # Errors
    /// [`NnError::Parameter`] when [`Optimizer::state`] does not name it.
    pub fn state(&self, suffix: &str) -> Result<&'a Var, NnError> {
        let found = self.states.get(&format!("{}.{suffix}", self.name));
        found.ok_or_else(|| missing(self.name, "no state"))
    }
}

fn missing(name: &str, problem: &str) -> NnError {
    NnError::Parameter { name: name.into(), problem: problem.into() }
}

/// An optimiser for one net.
pub struct Optim {
    kind: Optimizers,
    /// Tensors by parameter and name.
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
    pub fn new(kind: &Optimizers, net: &Net) -> Result<Self, NnError> {
        let mut state = BTreeMap::new();
        for (name, var) in net.parameters() {
            for suffix in kind.as_ref().state() {
                let zeros = Var::from_tensor(&var.zeros_like()?)?;
                state.insert(format!("{name}.{suffix}"), zeros);
            }
        }
        Ok(Self { kind: kind.clone(), state, steps: 0 })
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
            let grad = grads.get(var.as_tensor()).ok_or_else(|| missing(name, "no gradient"))?;
            let (grad, step, states) = (&grad.detach(), self.steps, &self.state);
            let of = self.kind.as_ref().step(&Update { var, grad, lr, step, name, states })?;
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
