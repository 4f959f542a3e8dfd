//! Eigenvectors of filters among the data's.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::Pool;
use crate::alignment::{basis::Basis, check, pool_run};

/// How far the leading eigenvectors of pooled filters lie among few of the data's: for each of them the sum of its largest
/// squared components along the data's eigenvectors, and of these sums the smallest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EigenvectorSpan {
    /// Panel.
    pub panel: String,
    /// Eigenvectors looked at.
    pub vectors: u32,
    /// Components added up.
    pub components: u32,
}

impl Rule for EigenvectorSpan {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::pool(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let Pool { nets, .. } = Pool::clean(runs, &self.panel, seeds)?;
        let path = pool_run(runs, &self.panel)?.dir.join("eigenbasis.safetensors");
        let basis = Basis::read(&path).map_err(|e| e.to_string())?;
        let of = |part: &str| {
            let found = basis.vectors(part).map_err(|e| e.to_string())?;
            found.map(|v| v.rows).ok_or_else(|| format!("no eigenvectors of the {part}"))
        };
        let (weights, data) = (of("weights")?, of("data")?);
        let leading = weights.iter().take(self.vectors as usize);
        let spans = leading.map(|w| span(w, &data, self.components as usize));
        let least = spans.reduce(f64::min).ok_or("no eigenvectors were asked for")?;
        Estimate::number(least, nets)
    }
}

/// Sum of the largest squared components of a unit vector along an orthonormal basis.
fn span(vector: &[f64], basis: &[Vec<f64>], components: usize) -> f64 {
    let along = |b: &Vec<f64>| vector.iter().zip(b).map(|(x, y)| x * y).sum::<f64>().powi(2);
    let mut squares: Vec<f64> = basis.iter().map(along).collect();
    squares.sort_by(|a, b| b.total_cmp(a));
    squares.iter().take(components).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_components_are_added_up() {
        let basis = [vec![1.0, 0.0, 0.0], vec![0.0, 0.8, 0.6], vec![0.0, -0.6, 0.8]];
        // Components 0.6, 0.64 and -0.48.
        let vector = [0.6, 0.8, 0.0];
        assert!((span(&vector, &basis, 1) - 0.4096).abs() < 1e-12);
        assert!((span(&vector, &basis, 2) - 0.7696).abs() < 1e-12);
        assert!((span(&vector, &basis, 9) - 1.0).abs() < 1e-12);
    }
}
