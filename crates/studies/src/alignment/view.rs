//! The tables of one align run.

use std::{collections::BTreeMap, rc::Rc};

use randlab_core::Seed;
use randlab_report::{ArmRef, Converged, ReportError, Run, Runs, View};
use randlab_store::table::{AlignmentRow, SpectrumRow};

use super::pool_run;

/// Alignment and spectra of one run or pool.
#[derive(Debug)]
pub(crate) struct AlignRun {
    /// One row per checkpoint, rising; a pool has one.
    pub rows: Vec<AlignmentRow>,
    spectra: BTreeMap<i64, Spectrum>,
}

/// The first layer along the principal directions of the data at one step; the smallest eigenvalue comes first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spectrum {
    /// Variance of the inputs.
    pub eigenvalue: Vec<f64>,
    /// Transfer function: standard deviation of the filters (paper, Definition 3). Directions of one eigenspace share
    /// the root of their mean variance, as the directions inside it are arbitrary.
    pub f: Vec<f64>,
    /// Root mean square of the weight change, where it is known.
    pub change: Vec<Option<f64>>,
    /// Largest sphericity statistic over eigenspaces.
    pub sphericity: Option<f64>,
}

impl View for AlignRun {
    fn of(run: &Run) -> Result<Self, ReportError> {
        let mut rows = run.read::<AlignmentRow>()?;
        rows.sort_by_key(|r| r.step);
        if rows.is_empty() {
            return Err(ReportError::content(run.path::<AlignmentRow>(), "no rows"));
        }
        let mut by_step = BTreeMap::<i64, Vec<SpectrumRow>>::new();
        for row in run.read::<SpectrumRow>()? {
            by_step.entry(row.step).or_default().push(row);
        }
        if let Some(row) = rows.iter().find(|r| !by_step.contains_key(&r.step)) {
            let problem = format!("no rows of step {}", row.step);
            return Err(ReportError::content(run.path::<SpectrumRow>(), problem));
        }
        let spectra = by_step.into_iter().map(|(step, rows)| (step, Spectrum::of(rows))).collect();
        Ok(Self { rows, spectra })
    }
}

impl AlignRun {
    /// The alignment of one seed's net.
    ///
    /// # Errors
    /// Says that there is none.
    pub(crate) fn net(runs: &Runs, panel: &str, seed: Seed) -> Result<Rc<Self>, String> {
        let run = runs.find("align", &ArmRef::net(panel), seed);
        let run = run.ok_or_else(|| format!("panel {panel} has no alignment for seed {seed}"))?;
        runs.view(run)
    }

    /// The alignment of the pooled nets.
    ///
    /// # Errors
    /// Says that there is none.
    pub(crate) fn pool(runs: &Runs, panel: &str) -> Result<Rc<Self>, String> {
        runs.view(pool_run(runs, panel)?)
    }

    /// Whether this pool holds runs that missed their target: a pool cannot be cleaned afterwards.
    pub(crate) fn tainted(&self, seeds: &Converged) -> bool {
        let pooled = self.rows.last().map_or(0, |r| usize::try_from(r.n_runs).unwrap_or(0));
        seeds.n_missed > 0 && pooled > seeds.kept.len()
    }

    /// Steps of the checkpoints, rising.
    pub(crate) fn steps(&self) -> Vec<i64> {
        self.rows.iter().map(|r| r.step).collect()
    }

    /// The row of one step.
    pub(crate) fn row(&self, step: i64) -> Option<&AlignmentRow> {
        self.rows.iter().find(|r| r.step == step)
    }

    /// The spectrum of one step.
    pub(crate) fn spectrum(&self, step: i64) -> Option<&Spectrum> {
        self.spectra.get(&step)
    }

    /// The row of the last checkpoint.
    pub(crate) fn last(&self) -> Result<&AlignmentRow, String> {
        self.rows.last().ok_or_else(|| "no checkpoint was analysed".to_owned())
    }

    /// The spectrum of the last checkpoint.
    pub(crate) fn last_spectrum(&self) -> Result<&Spectrum, String> {
        let step = self.last()?.step;
        self.spectrum(step).ok_or_else(|| format!("no spectrum of step {step}"))
    }
}

impl Spectrum {
    fn of(mut rows: Vec<SpectrumRow>) -> Self {
        // Component 0 is the largest.
        rows.sort_by_key(|r| std::cmp::Reverse(r.component));
        let mut spaces = BTreeMap::<i32, (f64, f64)>::new();
        for row in &rows {
            let (sum, count) = spaces.entry(row.eigenspace).or_default();
            *sum += row.weight_variance;
            *count += 1.0;
        }
        let f =
            |r: &SpectrumRow| spaces.get(&r.eigenspace).map_or(0.0, |(sum, n)| (sum / n).sqrt());
        Self {
            eigenvalue: rows.iter().map(|r| r.data_eigenvalue).collect(),
            f: rows.iter().map(f).collect(),
            change: rows.iter().map(|r| r.delta_energy.map(f64::sqrt)).collect(),
            sphericity: rows.iter().filter_map(|r| r.sphericity_chi2).reduce(f64::max),
        }
    }

    /// Standard deviations of the inputs.
    pub(crate) fn std(&self) -> Vec<f64> {
        self.eigenvalue.iter().map(|l| l.max(0.0).sqrt()).collect()
    }
}

/// Steps that all of `runs` have, rising.
pub(crate) fn common_steps(runs: &[Rc<AlignRun>]) -> Vec<i64> {
    let mut steps = runs.first().map_or_else(Vec::new, |r| r.steps());
    steps.retain(|&s| runs.iter().all(|r| r.row(s).is_some()));
    steps
}
