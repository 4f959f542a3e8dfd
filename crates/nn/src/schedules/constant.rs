use randlab_core::range;
use serde::{Deserialize, Serialize};

use super::Schedule;

/// The same rate throughout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Learning rate.
    pub lr: f64,
}

impl Schedule for Constant {
    fn check(&self) -> Result<(), String> {
        range::positive("lr", self.lr)
    }

    fn initial(&self) -> f64 {
        self.lr
    }

    fn after(&self, _done: f64) -> f64 {
        self.lr
    }
}
