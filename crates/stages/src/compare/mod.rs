//! `randlab-compare`: which values differ between two folders of runs.
//!
//! The folders may come from different versions of the program: tables are read by the names of their columns, tensors by
//! their names, and runs are matched by what they are about rather than by what they are called.

mod findings;
pub(crate) mod folder;
mod tables;
mod tensors;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use randlab_store::{AnyTensors, StoreError, read, table::AnyTable};

use findings::{Findings, Side};
use folder::{Kind, Run};
use randlab_pipeline::{DONE, FAILED, print};

/// Two folders and what may differ between them.
#[derive(Debug, Clone, clap::Args)]
pub struct CompareArgs {
    /// Folder of a scale, such as runs/smoke: the values that should be there
    a: PathBuf,
    /// The other folder; it may have more columns, tensors and tables than A
    b: PathBuf,
    /// List all differences, not the first 20 only
    #[arg(long)]
    all: bool,
    /// A column that may differ; repeat for more
    #[arg(long, value_name = "TABLE.COLUMN", value_parser = table_column)]
    allow_column: Vec<String>,
}

fn table_column(text: &str) -> Result<String, String> {
    match text.split_once('.') {
        Some((table, column)) if !table.is_empty() && !column.is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err("want TABLE.COLUMN".to_owned()),
    }
}

/// Prints what differs between the folders `args` names; the exit code is 1 if values do.
///
/// # Errors
/// When one of them is no folder of runs.
pub fn compare(args: &CompareArgs) -> anyhow::Result<u8> {
    let findings = findings(&args.a, &args.b, &args.allow_column)?;
    print(&findings.text(args.all))?;
    Ok(if findings.agree() { DONE } else { FAILED })
}

fn findings(a: &Path, b: &Path, allowed: &[String]) -> anyhow::Result<Findings> {
    let mut findings = Findings::new(allowed);
    let (pairs, only) = folder::pairs(folder::runs(a)?, folder::runs(b)?);
    for (run, side) in &only {
        findings.lone_run(run.name(), *side);
    }
    for (a, b) in &pairs {
        findings.pair(a.name() == b.name());
        files(&mut findings, a, b)?;
    }
    Ok(findings)
}

fn files(findings: &mut Findings, a: &Run, b: &Run) -> Result<(), StoreError> {
    let (left, right) = (a.files()?, b.files()?);
    for name in left.union(&right) {
        let place = format!("{} {name}", a.name());
        let path = |run: &Run, files: &folder::Files| files.contains(name).then(|| run.path(name));
        let (a, b) = (path(a, &left), path(b, &right));
        let compared = match Kind::of(name) {
            Kind::Tensors => tensors(findings, &place, a.as_deref(), b.as_deref()),
            Kind::Table(table) => {
                tables(findings, &place, table, a.as_deref().zip(b.as_deref()), a.is_some())
            }
            Kind::Other => other(findings, a.as_deref(), b.as_deref()),
        };
        // A file that cannot be read is a difference like any other.
        if let Err(error) = compared {
            findings.unreadable(&place, &error);
        }
    }
    Ok(())
}

fn tensors(
    findings: &mut Findings,
    place: &str,
    a: Option<&Path>,
    b: Option<&Path>,
) -> Result<(), StoreError> {
    let open = |path: Option<&Path>| path.map(AnyTensors::read).transpose();
    tensors::compare(findings, place, open(a)?.as_ref(), open(b)?.as_ref());
    Ok(())
}

fn tables(
    findings: &mut Findings,
    place: &str,
    table: &str,
    both: Option<(&Path, &Path)>,
    only_in_a: bool,
) -> Result<(), StoreError> {
    let Some((a, b)) = both else {
        findings.lone_table(place, if only_in_a { Side::A } else { Side::B });
        return Ok(());
    };
    if read(a)? == read(b)? {
        findings.tables.same_bytes += 1;
        findings.tables.equal += 1;
    } else if table == "timing" {
        // What a run cost differs each time.
        findings.tables.equal += 1;
        findings.identity("timing");
    } else {
        tables::compare(findings, (place, table), &AnyTable::read(a)?, &AnyTable::read(b)?);
    }
    Ok(())
}

/// Pages, drawings and configurations: compared by bytes, and not values.
fn other(findings: &mut Findings, a: Option<&Path>, b: Option<&Path>) -> Result<(), StoreError> {
    let tally = &mut findings.files;
    match (a, b) {
        (Some(a), Some(b)) if read(a)? == read(b)? => tally.equal += 1,
        (Some(_), Some(_)) => tally.different += 1,
        (Some(_), None) => tally.only_a += 1,
        (None, _) => tally.only_b += 1,
    }
    Ok(())
}
