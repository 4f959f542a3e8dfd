use randlab_core::range;
use serde::{Deserialize, Serialize};

use super::{Architecture, blocks::hidden_and_head};
use crate::{NetPlan, NnError};

/// Fully connected: `fc1`.. and `head`, with a ReLU after each layer but the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mlp {
    /// Units of each hidden layer.
    pub hidden: Vec<usize>,
}

impl Architecture for Mlp {
    fn check(&self) -> Result<(), String> {
        self.hidden.iter().try_for_each(|&units| range::size("hidden", units))
    }

    fn write(&self, plan: &mut NetPlan, outputs: usize) -> Result<(), NnError> {
        hidden_and_head(plan, 0, &self.hidden, outputs);
        Ok(())
    }
}
