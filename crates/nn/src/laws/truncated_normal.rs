use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::Law;

/// Standard deviation of a standard normal cut at two: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
const TRUNCATED_SD: f64 = 0.879_625_661_034_239_8;

/// Normal cut at two standard deviations and rescaled to variance `1 / fan_in`.
pub struct TruncatedNormal;

impl Law for TruncatedNormal {
    fn factor(&self, fan_in: f64) -> f64 {
        (1.0 / fan_in).sqrt() / TRUNCATED_SD
    }

    fn draw(&self, rng: &mut dyn Rng) -> f64 {
        loop {
            let z: f64 = StandardNormal.sample(rng);
            if z.abs() <= 2.0 {
                return z;
            }
        }
    }
}
