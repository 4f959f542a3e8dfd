//! Transfer function beside the paper's.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs, stats::mean};
use serde::{Deserialize, Serialize};

use super::Pool;
use crate::alignment::{Reference, check, view::Spectrum};

/// Root mean square difference between pooled f and values of the paper, at their standard deviations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRms {
    /// Panel.
    pub panel: String,
    /// The paper's points.
    pub paper: Reference,
}

impl Rule for ReferenceRms {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::pool(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let Pool { run, nets } = Pool::clean(runs, &self.panel, seeds)?;
        let spectrum = run.last_spectrum()?;
        let square = |(&x, &y): (&f64, &f64)| {
            let f = f_at(spectrum, x)
                .ok_or_else(|| format!("the paper's point at {x} lies outside the data's range"))?;
            Ok((f - y).powi(2))
        };
        let points = self.paper.x.iter().zip(&self.paper.y);
        let squares = points.map(square).collect::<Result<Vec<_>, String>>()?;
        Estimate::number(mean(&squares).sqrt(), nets)
    }
}

/// f at a standard deviation of the data: at the component there, or on a straight line between its neighbours.
fn f_at(spectrum: &Spectrum, x: f64) -> Option<f64> {
    const SAME: f64 = 1e-6;
    let std = spectrum.std();
    let points: Vec<_> = std.iter().copied().zip(spectrum.f.iter().copied()).collect();
    if let Some(hit) = points.iter().find(|p| (p.0 - x).abs() <= SAME * x.abs()) {
        return Some(hit.1);
    }
    points.windows(2).find_map(|pair| match *pair {
        [(x0, y0), (x1, y1)] if x0 < x && x < x1 => Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_is_matched_or_interpolated_and_never_extrapolated() {
        let spectrum = Spectrum {
            eigenvalue: vec![1.0, 4.0, 9.0],
            f: vec![0.1, 0.2, 0.4],
            ..Spectrum::default()
        };
        assert_eq!(f_at(&spectrum, 2.0), Some(0.2));
        assert!((f_at(&spectrum, 2.5).unwrap() - 0.3).abs() < 1e-12);
        assert_eq!(f_at(&spectrum, 3.1), None);
    }
}
