//! What was learnt along each principal direction.

use randlab_moments::{Eigenbasis, Filters, Mat, closed_form};

/// Variance of the weights along each principal direction of the data; its root is the transfer function f of the data's
/// standard deviation (paper, Definition 3).
pub fn transfer_variances(basis: &Eigenbasis, weights: &Mat<f64>) -> Vec<f64> {
    basis.quadratic(weights)
}

/// Mean square of `filters` along each vector of `basis`: the energy profile of Chowers and Weiss when the basis is that of the
/// uncentred data moment and the filters are the change since initialisation.
pub fn energy_profile(basis: &Eigenbasis, filters: &Filters) -> Vec<f64> {
    basis.quadratic(&filters.second_moment())
}

/// The closed form that fits a profile best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The free number s.
    pub rate: f64,
    /// Pearson correlation between the closed form and the root of the profile.
    pub correlation: f64,
}

/// Chooses the rate at which [`closed_form`] correlates best with the root of `profile`. `None` when the profile or the
/// eigenvalues are constant or not positive.
pub fn fit_closed_form(eigenvalues: &[f64], profile: &[f64]) -> Option<Fit> {
    const PER_DECADE: f64 = 20.0;
    let amplitude: Vec<f64> = profile.iter().map(|p| p.sqrt()).collect();
    let correlation = |ln_rate: f64| {
        let form: Vec<f64> = eigenvalues.iter().map(|&l| closed_form(l, ln_rate.exp())).collect();
        pearson(&form, &amplitude)
    };
    let (least, most) =
        eigenvalues.iter().fold((f64::INFINITY, 0.0_f64), |(lo, hi), &l| (lo.min(l), hi.max(l)));
    if least <= 0.0 || !correlation(0.0).is_finite() {
        return None;
    }
    // From where all directions are linear in s to where all have saturated.
    let (from, to) = ((1e-2 / most).ln(), (1e2 / least).ln());
    let step = std::f64::consts::LN_10 / PER_DECADE;
    let mut best = from;
    let mut at = from;
    while at <= to {
        if correlation(at) > correlation(best) {
            best = at;
        }
        at += step;
    }
    let ln_rate = golden_section(best - step, best + step, correlation);
    Some(Fit { rate: ln_rate.exp(), correlation: correlation(ln_rate) })
}

/// Place of the maximum of a function with one maximum between `a` and `b`.
fn golden_section(mut a: f64, mut b: f64, f: impl Fn(f64) -> f64) -> f64 {
    let ratio = f64::midpoint(5.0_f64.sqrt(), -1.0);
    for _ in 0..60 {
        let (left, right) = (b - ratio * (b - a), a + ratio * (b - a));
        if f(left) < f(right) { a = left } else { b = right }
    }
    f64::midpoint(a, b)
}

fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        xy += (a - mx) * (b - my);
        xx += (a - mx).powi(2);
        yy += (b - my).powi(2);
    }
    xy / (xx * yy).sqrt()
}
