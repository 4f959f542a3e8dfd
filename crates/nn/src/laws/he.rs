use super::Law;

/// `N(0, 2 / fan_in)` (He et al. 2015, Equation 10).
pub struct He;

impl Law for He {
    fn factor(&self, fan_in: f64) -> f64 {
        (2.0 / fan_in).sqrt()
    }
}
