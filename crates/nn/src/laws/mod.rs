//! Laws of initial weights, by name.

mod he;
mod lecun;
mod truncated_normal;

pub use he::He;
pub use lecun::Lecun;
pub use truncated_normal::TruncatedNormal;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// What a law does.
pub trait Law {
    /// Factor on what [`Law::draw`] gives, for a unit of so many inputs.
    fn factor(&self, fan_in: f64) -> f64;

    /// One number before it is scaled: a standard normal unless the law says otherwise.
    fn draw(&self, rng: &mut dyn Rng) -> f64 {
        StandardNormal.sample(rng)
    }
}

randlab_core::words! {
    /// Law of initial weights.
    pub enum Laws: Law {
        "he" => He, "`N(0, 2 / fan_in)`";
        "lecun" => Lecun, "`N(0, 1 / fan_in)`";
        "truncated-normal" => TruncatedNormal, "normal cut at two standard deviations and rescaled to variance `1 / fan_in`";
    }
}
