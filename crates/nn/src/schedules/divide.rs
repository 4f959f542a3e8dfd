use randlab_core::range;
use serde::{Deserialize, Serialize};

use super::Schedule;

/// Divided by `by` at each of the given fractions of the longest possible run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divide {
    /// Learning rate at the start.
    pub lr: f64,
    /// Divisor (paper: 3).
    pub by: f64,
    /// Fractions of the run, rising (paper: 1/3 and 2/3).
    pub at: Vec<f64>,
}

impl Schedule for Divide {
    fn check(&self) -> Result<(), String> {
        range::positive("lr", self.lr)?;
        range::positive("by", self.by)?;
        let rising = self.at.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || self.at.iter().any(|at| !(0.0..1.0).contains(at)) {
            let at = &self.at;
            return Err(format!(
                "at = {at:?} must be rising fractions of the run, from 0 to below 1"
            ));
        }
        Ok(())
    }

    fn initial(&self) -> f64 {
        self.lr
    }

    fn after(&self, done: f64) -> f64 {
        self.at.iter().filter(|&&fraction| done >= fraction).fold(self.lr, |lr, _| lr / self.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_at_each_fraction() {
        let thirds = Divide { lr: 0.9, by: 3.0, at: vec![1.0 / 3.0, 2.0 / 3.0] };
        let rates: Vec<f64> = (0..6).map(|step| thirds.at(step, 6)).collect();
        for (rate, expected) in rates.iter().zip([0.9, 0.9, 0.3, 0.3, 0.1, 0.1]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn fractions_that_do_not_rise_or_lie_outside_are_refused() {
        for at in [vec![0.5, 0.2], vec![0.5, 0.5], vec![1.0], vec![-0.1]] {
            assert!(Divide { lr: 0.1, by: 3.0, at }.check().is_err());
        }
        assert!(Divide { lr: 0.1, by: 0.0, at: vec![] }.check().is_err());
        assert!(Divide { lr: 0.1, by: 3.0, at: vec![0.0, 0.5] }.check().is_ok());
    }
}
