//! Fieller's interval for a ratio of two paired means.

use super::{covariance, mean, t_quantile};

/// 95 % interval of `mean(numerator) / mean(denominator)`, values paired. None when the denominator's mean is not
/// clearly different from 0: the set of ratios that agree with the data is then unbounded.
pub(crate) fn fieller(numerator: &[f64], denominator: &[f64]) -> Option<(f64, f64)> {
    let n = numerator.len() as f64;
    if n < 2.0 {
        return None;
    }
    let t2 = t_quantile(0.975, n - 1.0).powi(2);
    let (top, bottom) = (mean(numerator), mean(denominator));
    let scaled = |x, y| t2 * covariance(x, y) / n;
    let a = bottom * bottom - scaled(denominator, denominator);
    let b = top * bottom - scaled(numerator, denominator);
    let c = top * top - scaled(numerator, numerator);
    if a <= 0.0 {
        return None;
    }
    // Rounding can push a root of zero below it when numerator and denominator are proportional.
    let root = (b * b - a * c).max(0.0).sqrt();
    Some(((b - root) / a, (b + root) / a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_where_the_t_test_of_the_difference_turns() {
        let (top, bottom) = ([1.0, 1.4, 1.1, 1.3], [2.0, 2.3, 1.9, 2.2]);
        let (lo, hi) = fieller(&top, &bottom).unwrap();
        for end in [lo, hi] {
            let d: Vec<f64> = top.iter().zip(&bottom).map(|(a, b)| a - end * b).collect();
            let t = mean(&d).abs() / (covariance(&d, &d) / 4.0).sqrt();
            assert!((t - 3.182446).abs() < 1e-4, "{t}");
        }
        assert!(lo < 4.8 / 8.4 && 4.8 / 8.4 < hi);
    }

    #[test]
    fn a_denominator_around_zero_has_no_interval() {
        assert_eq!(fieller(&[1.0, 2.0, 3.0], &[-1.0, 1.0, 0.5]), None);
    }

    #[test]
    fn proportional_values_have_an_interval_of_one_point() {
        let (lo, hi) = fieller(&[1.0, 1.5, 2.0], &[2.0, 3.0, 4.0]).unwrap();
        assert!((lo - 0.5).abs() < 1e-6 && (hi - 0.5).abs() < 1e-6, "{lo} {hi}");
    }
}
