//! The tables of all runs, merged.
//!
//! One table is in memory at a time: `metrics` and `labels` of a large sweep are millions of rows.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use randlab_store::table::TableInfo;

use crate::{ReportError, Run, Runs};

/// Merges each of `tables` over the runs whose manifests list it, into `out/tables`. A table that no run has is empty.
/// Returns the file names.
pub(crate) fn merge(
    tables: &[TableInfo],
    experiments: &[Runs],
    out: &Path,
) -> Result<Vec<String>, ReportError> {
    let runs = distinct(experiments);
    let one = |table: &TableInfo| {
        let name = format!("tables/{}.parquet", table.name);
        let wrote = runs.iter().filter(|run| run.has(table.name));
        let paths: Vec<PathBuf> =
            wrote.map(|run| run.dir.join(format!("{}.parquet", table.name))).collect();
        (table.merge)(&paths, &out.join(&name))?;
        Ok(name)
    };
    tables.iter().map(one).collect()
}

/// All runs, each once, though two experiments may share it.
fn distinct(experiments: &[Runs]) -> Vec<&Run> {
    let mut seen = BTreeSet::new();
    let all = experiments.iter().flat_map(Runs::all);
    all.filter(|run| seen.insert((run.stage.as_str(), run.info.id.as_str()))).collect()
}
