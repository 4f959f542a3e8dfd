use std::f64::consts::PI;

use randlab_core::range;
use serde::{Deserialize, Serialize};

use super::Schedule;

/// Half a cosine, from `lr` to 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosine {
    /// Learning rate at the start.
    pub lr: f64,
}

impl Schedule for Cosine {
    fn check(&self) -> Result<(), String> {
        range::positive("lr", self.lr)
    }

    fn initial(&self) -> f64 {
        self.lr
    }

    fn after(&self, done: f64) -> f64 {
        self.lr * 0.5 * (1.0 + (PI * done.min(1.0)).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_from_start_to_end() {
        let cosine = Cosine { lr: 2.0 };
        for (step, expected) in [(0, 2.0), (5, 1.0), (10, 0.0)] {
            assert!((cosine.at(step, 10) - expected).abs() < 1e-12);
        }
    }
}
