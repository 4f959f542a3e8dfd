//! The tables of one align run.

use std::{collections::BTreeMap, path::Path};

use randlab_store::table::{AlignmentRow, SpectrumRow, read_table};

use crate::ReportError;

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

impl AlignRun {
    pub(super) fn read(dir: &Path) -> Result<Self, ReportError> {
        let path = dir.join("alignment.parquet");
        let mut rows = read_table::<AlignmentRow>(&path)?;
        rows.sort_by_key(|r| r.step);
        if rows.is_empty() {
            return Err(ReportError::content(path, "no rows"));
        }
        let path = dir.join("spectra.parquet");
        let mut by_step = BTreeMap::<i64, Vec<SpectrumRow>>::new();
        for row in read_table::<SpectrumRow>(&path)? {
            by_step.entry(row.step).or_default().push(row);
        }
        if let Some(row) = rows.iter().find(|r| !by_step.contains_key(&r.step)) {
            return Err(ReportError::content(path, format!("no rows of step {}", row.step)));
        }
        let spectra = by_step.into_iter().map(|(step, rows)| (step, Spectrum::of(rows))).collect();
        Ok(Self { rows, spectra })
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
