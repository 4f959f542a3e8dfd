//! Student's t: intervals of a mean, p-values, and how many seeds a question needs.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{covariance, mean};

/// Mean of independent values with what its interval needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Standard deviation of one value; NaN for a single one.
    pub sd: f64,
    /// Number of values.
    pub n: usize,
}

impl Mean {
    /// Of `values`, one per seed.
    pub fn of(values: &[f64]) -> Self {
        Self { value: mean(values), sd: covariance(values, values).sqrt(), n: values.len() }
    }

    /// 95 % t-interval; none below two values.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let dof = self.n.checked_sub(1).filter(|&d| d > 0)? as f64;
        let half = t_quantile(0.975, dof) * self.sd / (self.n as f64).sqrt();
        Some((self.value - half, self.value + half))
    }
}

/// The point below which a t variable with `dof` degrees of freedom lies with probability `p`.
pub(crate) fn t_quantile(p: f64, dof: f64) -> f64 {
    StudentsT::new(0.0, 1.0, dof).map_or(f64::NAN, |t| t.inverse_cdf(p))
}

/// Two-sided p-value of the statistic `t`.
pub(crate) fn p_two_sided(t: f64, dof: f64) -> f64 {
    StudentsT::new(0.0, 1.0, dof).map_or(f64::NAN, |d| 2.0 * d.cdf(-t.abs()))
}

/// Seeds with which a two-sided t test at `level` finds a difference of `delta` with probability 0.8, when one value has
/// standard deviation `sd`; none above a thousand, where the number no longer helps anybody.
pub(crate) fn seeds_needed(delta: f64, sd: f64, level: f64) -> Option<u32> {
    const POWER: f64 = 0.8;
    let enough = |n: u32| {
        let dof = f64::from(n) - 1.0;
        let reach = t_quantile(1.0 - level / 2.0, dof) + t_quantile(POWER, dof);
        f64::from(n) >= (reach * sd / delta).powi(2)
    };
    (2..=1000).find(|&n| enough(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-5, "{a} is not {b}");
    }

    #[test]
    fn quantiles_agree_with_printed_tables() {
        close(t_quantile(0.975, 4.0), 2.776445);
        close(t_quantile(0.975, 1.0), 12.706205);
        close(t_quantile(0.8, 9.0), 0.883404);
        close(p_two_sided(2.776445, 4.0), 0.05);
    }

    #[test]
    fn the_interval_of_five_values_is_the_one_computed_by_hand() {
        // Mean 3, sd sqrt(2.5), half width 2.776445 sqrt(2.5 / 5).
        let (lo, hi) = Mean::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).interval().unwrap();
        close(lo, 3.0 - 1.963243);
        close(hi, 3.0 + 1.963243);
        assert_eq!(Mean::of(&[1.0]).interval(), None);
    }

    #[test]
    fn power_agrees_with_the_usual_rule() {
        // (1.96 + 0.84)^2 = 7.85 for a difference of one standard deviation, 10 with t in place of z.
        assert_eq!(seeds_needed(1.0, 1.0, 0.05), Some(10));
        // (2.58 + 0.84)^2 = 11.7 at 1 %.
        assert_eq!(seeds_needed(1.0, 1.0, 0.01), Some(15));
        assert_eq!(seeds_needed(1e-6, 1.0, 0.05), None);
    }
}
