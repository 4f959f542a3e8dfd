//! The tables of all runs, merged.
//!
//! One table is in memory at a time: `metrics` and `labels` of a large sweep are millions of rows.

use std::{collections::BTreeSet, path::Path};

use randlab_store::table::{
    ActivityRow, AlignmentRow, LabelRow, LayerRow, MetricRow, RunRow, SpectrumRow, Table,
    TimingRow, read_table, write_table,
};

use crate::{
    ReportError,
    input::{Experiment, Run},
};

const TRAINING: [&str; 2] = ["pretrain", "finetune"];
const WITH_LABELS: [&str; 3] = ["prepare", "pretrain", "finetune"];
const EVERY: [&str; 4] = ["prepare", "pretrain", "finetune", "align"];

/// Merges all per-run tables into `out/tables`; returns the file names.
pub(crate) fn tables(
    experiments: &[Experiment<'_>],
    out: &Path,
) -> Result<Vec<String>, ReportError> {
    Ok(vec![
        merge::<RunRow>(experiments, &EVERY, out)?,
        merge::<LabelRow>(experiments, &WITH_LABELS, out)?,
        merge::<MetricRow>(experiments, &TRAINING, out)?,
        merge::<LayerRow>(experiments, &TRAINING, out)?,
        merge_where::<ActivityRow>(experiments, Run::wrote::<ActivityRow>, out)?,
        merge::<AlignmentRow>(experiments, &["align"], out)?,
        merge::<SpectrumRow>(experiments, &["align"], out)?,
        merge::<TimingRow>(experiments, &EVERY, out)?,
    ])
}

/// Merges the table of type `T` of the runs of `stages`.
fn merge<T: Table>(
    experiments: &[Experiment<'_>],
    stages: &[&str],
    out: &Path,
) -> Result<String, ReportError> {
    merge_where::<T>(experiments, |run| stages.contains(&run.stage.as_str()), out)
}

/// Merges the table of type `T` of the runs that `wanted` picks.
fn merge_where<T: Table>(
    experiments: &[Experiment<'_>],
    wanted: impl Fn(&Run) -> bool,
    out: &Path,
) -> Result<String, ReportError> {
    let mut rows = Vec::<T>::new();
    // Two experiments may share a run, which must not stand in the table twice.
    let mut seen = BTreeSet::new();
    for run in experiments.iter().flat_map(|e| &e.runs) {
        if wanted(run) && seen.insert((run.stage.as_str(), run.info.id.to_string())) {
            rows.extend(read_table::<T>(&run.dir.join(format!("{}.parquet", T::NAME)))?);
        }
    }
    let name = format!("tables/{}.parquet", T::NAME);
    write_table(&out.join(&name), rows)?;
    Ok(name)
}
