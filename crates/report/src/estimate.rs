//! A number to be judged, its interval, and the test behind the interval.

use crate::stats::{Mean, fieller, jackknife, mean, t_quantile};

/// Test of a mean over seeds.
pub const STUDENT: &str = "Student's t over seeds";
/// The same for numbers that compare runs of one seed.
pub const PAIRED: &str = "Student's t over seeds, paired";

/// What a rule found.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The number judged.
    pub value: f64,
    /// Its 95 % interval; none for a single number.
    pub interval: Option<(f64, f64)>,
    /// What the interval was made of.
    pub spread: Spread,
    /// Seeds or pooled nets behind it.
    pub n_seeds: usize,
    /// How the interval was formed.
    pub test: String,
}

/// The scatter behind an interval. With it any bound can be tested, and the seeds that would decide can be counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Spread {
    /// Not known.
    None,
    /// Of a mean of independent units.
    Mean {
        /// Standard deviation of one.
        sd: f64,
        /// The units.
        units: Units,
    },
    /// Of a ratio of means, paired.
    Ratio {
        /// Values above.
        numerator: Vec<f64>,
        /// Values below.
        denominator: Vec<f64>,
    },
}

/// Independent things that a scatter is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// Their number.
    pub n: usize,
    /// What they are, in the plural.
    pub name: &'static str,
}

/// A standard error and the units it was estimated from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StandardError {
    /// The error, in the unit of the estimate.
    pub error: f64,
    /// What it was estimated from.
    pub over: Units,
}

/// The distance of an estimate from a bound, as a mean of independent values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Distance {
    pub delta: f64,
    pub sd: f64,
    pub units: Units,
}

impl Estimate {
    /// Mean over seeds, with Student's interval.
    ///
    /// # Errors
    /// When one of them is not finite.
    pub fn over_seeds(values: &[f64], test: &str) -> Result<Self, String> {
        finite(values)?;
        let m = Mean::of(values);
        let spread = Spread::Mean { sd: m.sd, units: seeds(m.n) };
        let test = test.to_owned();
        Ok(Self { value: m.value, interval: m.interval(), spread, n_seeds: m.n, test })
    }

    /// Ratio of two means over seeds, with Fieller's interval.
    ///
    /// # Errors
    /// When a value is not finite, or the lower mean is not clearly different from 0.
    pub fn ratio(numerator: Vec<f64>, denominator: Vec<f64>) -> Result<Self, String> {
        finite(&numerator)?;
        finite(&denominator)?;
        let interval = fieller(&numerator, &denominator)
            .ok_or("the gain to be shared is not clearly different from 0")?;
        Ok(Self {
            value: mean(&numerator) / mean(&denominator),
            interval: Some(interval),
            n_seeds: numerator.len(),
            spread: Spread::Ratio { numerator, denominator },
            test: "Fieller's interval, paired by seed".to_owned(),
        })
    }

    /// `value`, found by `test` in `n_seeds` runs, with Student's interval.
    pub fn around(value: f64, error: StandardError, n_seeds: usize, test: &str) -> Self {
        let StandardError { error, over } = error;
        let n = over.n as f64;
        let half = t_quantile(0.975, (n - 1.0).max(1.0)) * error;
        Self {
            value,
            interval: Some((value - half, value + half)),
            spread: Spread::Mean { sd: error * n.sqrt(), units: over },
            n_seeds,
            test: test.to_owned(),
        }
    }

    /// What `without(None)` makes of all units, with the interval from leaving out the one of each index.
    ///
    /// # Errors
    /// When one of these numbers is not finite.
    pub fn jackknifed(
        units: Units,
        without: impl Fn(Option<usize>) -> f64,
    ) -> Result<Self, String> {
        let value = without(None);
        let left_out: Vec<f64> = (0..units.n).map(|i| without(Some(i))).collect();
        finite(&[value])?;
        finite(&left_out)?;
        let test = format!("Student's t on the jackknife over {}", units.name);
        let error = StandardError { error: jackknife(&left_out), over: units };
        Ok(Self::around(value, error, units.n, &test))
    }

    /// A number without an interval, of `n` pooled nets.
    ///
    /// # Errors
    /// When it is not finite.
    pub fn number(value: f64, n: usize) -> Result<Self, String> {
        finite(&[value])?;
        let test = format!("no interval: one number from {n} pooled nets");
        Ok(Self { value, interval: None, spread: Spread::None, n_seeds: n, test })
    }
}

impl Spread {
    /// How far the estimate `value` is from `bound`. A ratio is compared through `numerator - bound * denominator`, whose
    /// t test is the one that Fieller's interval inverts.
    pub(crate) fn distance(&self, value: f64, bound: f64) -> Option<Distance> {
        match self {
            Self::None => None,
            Self::Mean { sd, units } => {
                Some(Distance { delta: value - bound, sd: *sd, units: *units })
            }
            Self::Ratio { numerator, denominator } => {
                let pairs = numerator.iter().zip(denominator);
                let m = Mean::of(&pairs.map(|(a, b)| a - bound * b).collect::<Vec<_>>());
                Some(Distance { delta: m.value, sd: m.sd, units: seeds(m.n) })
            }
        }
    }
}

const fn seeds(n: usize) -> Units {
    Units { n, name: "seeds" }
}

/// Refuses infinities and NaN, which ranks would hide.
///
/// # Errors
/// When there is one.
pub fn finite(values: &[f64]) -> Result<(), String> {
    if values.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err("the number could not be formed: it is not finite for at least one run".to_owned())
}
