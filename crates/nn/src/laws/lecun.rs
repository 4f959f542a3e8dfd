use super::Law;

/// `N(0, 1 / fan_in)` (`LeCun` et al. 1998, section 4.6).
pub struct Lecun;

impl Law for Lecun {
    fn factor(&self, fan_in: f64) -> f64 {
        (1.0 / fan_in).sqrt()
    }
}
