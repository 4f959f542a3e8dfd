//! Learning rates over a run.

use std::f64::consts::PI;

use randlab_recipe::Schedule;

/// Learning rate of the step after `step` steps, in a run of at most `total` steps.
pub fn lr_at(schedule: &Schedule, step: u64, total: u64) -> f64 {
    let done = step as f64 / total.max(1) as f64;
    match schedule {
        Schedule::Constant { lr } => *lr,
        Schedule::Divide { lr, by, at } => {
            at.iter().filter(|&&fraction| done >= fraction).fold(*lr, |lr, _| lr / by)
        }
        Schedule::Cosine { lr } => lr * 0.5 * (1.0 + (PI * done.min(1.0)).cos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_where_it_should() {
        let thirds = Schedule::Divide { lr: 0.9, by: 3.0, at: vec![1.0 / 3.0, 2.0 / 3.0] };
        let rates: Vec<f64> = (0..6).map(|step| lr_at(&thirds, step, 6)).collect();
        for (rate, expected) in rates.iter().zip([0.9, 0.9, 0.3, 0.3, 0.1, 0.1]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
        let cosine = Schedule::Cosine { lr: 2.0 };
        for (step, expected) in [(0, 2.0), (5, 1.0), (10, 0.0)] {
            assert!((lr_at(&cosine, step, 10) - expected).abs() < 1e-12);
        }
    }
}
