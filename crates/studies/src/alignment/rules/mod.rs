//! Rules on the first layer: misalignment and the transfer function f.

mod closed_form;
mod eigenvector_span;
mod end_ratio;
mod excess_ratio;
mod interior_peak;
mod pooled_excess;
mod pooled_random_excess;
mod profile_correlation;
mod random_basis_trend;
mod reference_rms;
mod shape_correlation;
mod slope_ratio;
mod sphericity;
mod trend;

pub use closed_form::ClosedForm;
pub use eigenvector_span::EigenvectorSpan;
pub use end_ratio::{EndRatio, SpectrumPoint};
pub use excess_ratio::ExcessRatio;
pub use interior_peak::InteriorPeak;
pub use pooled_excess::PooledExcess;
pub use pooled_random_excess::PooledRandomExcess;
pub use profile_correlation::ProfileCorrelation;
pub use random_basis_trend::RandomBasisTrend;
pub use reference_rms::ReferenceRms;
pub use shape_correlation::ShapeCorrelation;
pub use slope_ratio::SlopeRatio;
pub use sphericity::Sphericity;
pub use trend::Trend;

use std::rc::Rc;

use randlab_core::Seed;
use randlab_report::{Converged, Estimate, PAIRED, Runs, STUDENT};
use randlab_store::table::AlignmentRow;

use super::view::{AlignRun, Spectrum};
use crate::correlation::pearson;

/// `of` each seed's align run, averaged.
fn per_seed(
    runs: &Runs,
    panel: &str,
    seeds: &Converged,
    of: impl Fn(&AlignRun) -> Result<f64, String>,
) -> Result<Estimate, String> {
    let values = seeds.each(|seed| of(&*AlignRun::net(runs, panel, seed)?))?;
    Estimate::over_seeds(&values, STUDENT)
}

/// Misalignment of one checkpoint.
struct Scores {
    own: f64,
    /// What finitely many filters give on average.
    floor: f64,
    /// Mean over random bases.
    random: f64,
}

impl Scores {
    fn of(row: &AlignmentRow) -> Result<Self, String> {
        match (row.misalignment, row.floor, row.random_mean) {
            (Some(own), Some(floor), Some(random)) => Ok(Self { own, floor, random }),
            (None, _, _) | (_, None, _) | (_, _, None) => Err(format!(
                "misalignment needs more filters than inputs: {} filters of {} inputs",
                row.n_filters, row.dim
            )),
        }
    }
}

/// Misalignment over the checkpoints of a run.
#[derive(Default)]
struct History {
    steps: Vec<f64>,
    own: Vec<f64>,
    /// Mean over random bases.
    random: Vec<f64>,
}

impl History {
    fn of(run: &AlignRun) -> Result<Self, String> {
        let mut history = Self::default();
        for row in &run.rows {
            let scores = Scores::of(row)?;
            history.steps.push(row.step as f64);
            history.own.push(scores.own);
            history.random.push(scores.random);
        }
        if history.steps.len() < 3 {
            return Err(format!("{} checkpoints; a trend needs at least 3", history.steps.len()));
        }
        Ok(history)
    }
}

/// Two panels whose curves are compared.
struct Panels<'a> {
    panel: &'a str,
    other: &'a str,
}

/// Pearson correlation of what `of` makes of the last spectra of two panels, per seed.
fn correlation(
    runs: &Runs,
    panels: &Panels<'_>,
    seeds: &Converged,
    of: impl Fn(&Spectrum) -> Result<Vec<f64>, String>,
) -> Result<Estimate, String> {
    let Panels { panel, other } = panels;
    let curve = |panel: &str, seed: Seed| of(AlignRun::net(runs, panel, seed)?.last_spectrum()?);
    let values = seeds.each(|seed| {
        let (a, b) = (curve(panel, seed)?, curve(other, seed)?);
        if a.len() != b.len() {
            return Err(format!("{} directions in {panel}, {} in {other}", a.len(), b.len()));
        }
        Ok(pearson(&a, &b))
    })?;
    Estimate::over_seeds(&values, PAIRED)
}

/// The filters of all nets of a panel together.
struct Pool {
    run: Rc<AlignRun>,
    /// Number of its nets.
    nets: usize,
}

impl Pool {
    /// The pool of a panel, provided it holds no run that missed its target.
    fn clean(runs: &Runs, panel: &str, seeds: &Converged) -> Result<Self, String> {
        let run = AlignRun::pool(runs, panel)?;
        let nets = usize::try_from(run.last()?.n_runs).unwrap_or(0);
        if run.tainted(seeds) {
            let remark = seeds.remark().unwrap_or_default();
            return Err(format!("{remark}, and they are part of the pool; it is not judged"));
        }
        Ok(Self { run, nets })
    }
}
