//! The jackknife: how much a number depends on each of the things it was made of.

use super::mean;

/// Standard error of a number from its values with one unit left out each.
pub(crate) fn jackknife(left_out: &[f64]) -> f64 {
    let (n, mean) = (left_out.len() as f64, mean(left_out));
    ((n - 1.0) / n * left_out.iter().map(|v| (v - mean).powi(2)).sum::<f64>()).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jackknife_of_means_gives_their_standard_error() {
        // Means of 1, 2, 4 with one left out each; the standard error of their mean is sd / sqrt(3).
        let sd = (7.0_f64 / 3.0).sqrt();
        assert!((jackknife(&[3.0, 2.5, 1.5]) - sd / 3.0_f64.sqrt()).abs() < 1e-12);
    }
}
