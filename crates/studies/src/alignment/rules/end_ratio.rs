//! Transfer function at two points.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs, STUDENT};
use serde::{Deserialize, Serialize};

use crate::alignment::{check, view::AlignRun};

/// f at one component divided by f at another, per seed; components counted from the smallest eigenvalue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndRatio {
    /// Panel.
    pub panel: String,
    /// Numerator: `peak`, `first` (smallest eigenvalue) or `last`.
    pub numerator: SpectrumPoint,
    /// Denominator.
    pub denominator: SpectrumPoint,
}

impl Rule for EndRatio {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::net(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let curves = seeds
            .each(|seed| Ok(AlignRun::net(runs, &self.panel, seed)?.last_spectrum()?.f.clone()))?;
        let ratio = |i: usize| -> Option<f64> {
            let own = curves.get(i)?;
            let at = |point| own.get(place(point, &curves, i)?).copied();
            Some(at(self.numerator)? / at(self.denominator)?)
        };
        let values: Option<Vec<_>> = (0..curves.len()).map(ratio).collect();
        Estimate::over_seeds(&values.ok_or("the spectra differ in length")?, STUDENT)
    }
}

/// A point of the transfer function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpectrumPoint {
    /// Where f is largest.
    Peak,
    /// At the smallest data eigenvalue.
    First,
    /// At the largest data eigenvalue.
    Last,
}

/// Index of a point of f for the curve `own`. Its peak is where the mean of the *other* curves is largest: each curve's own
/// largest value would be above any other by noise alone, and a ratio to it above 1 whatever is true.
fn place(point: SpectrumPoint, curves: &[Vec<f64>], own: usize) -> Option<usize> {
    let n = curves.get(own)?.len();
    match point {
        SpectrumPoint::First => (n > 0).then_some(0),
        SpectrumPoint::Last => n.checked_sub(1),
        SpectrumPoint::Peak => {
            let others = || curves.iter().enumerate().filter(|(i, _)| *i != own).map(|(_, c)| c);
            let sum = |k: usize| others().filter_map(|c| c.get(k)).sum::<f64>();
            (0..n).max_by(|&a, &b| sum(a).total_cmp(&sum(b)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_chosen_by_the_other_curves() {
        let curves = vec![vec![1.0, 5.0, 1.0], vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 4.0]];
        assert_eq!(place(SpectrumPoint::Peak, &curves, 0), Some(2));
        assert_eq!(place(SpectrumPoint::Peak, &curves, 1), Some(1));
        assert_eq!(place(SpectrumPoint::Last, &curves, 1), Some(2));
    }
}
