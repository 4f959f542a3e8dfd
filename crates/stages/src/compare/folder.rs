//! The runs of a folder, and which of two folders belong together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use randlab_pipeline::refused;
use randlab_store::{
    Manifest, StoreError,
    table::{AnyTable, Value},
};

use super::findings::Side;
use crate::STAGES;

/// Files of a run by their paths in its folder.
pub(crate) type Files = BTreeSet<String>;

/// What a run is about, whatever it is called: the columns of its row in `runs` that say so.
const ABOUT: [&str; 4] = ["experiment", "panel", "arm", "seed"];

/// What says how a run was made rather than what came out of it.
const RECORDS: [&str; 4] = [Manifest::NAME, "log.jsonl", "resume.safetensors", "failed.json"];

/// A finished run.
pub(crate) struct Run {
    pub stage: String,
    pub id: String,
    pub dir: PathBuf,
    /// None for what has no row in `runs`, such as pages.
    about: Option<[String; 4]>,
}

/// How a file is compared.
pub(super) enum Kind<'a> {
    Tensors,
    /// With its name.
    Table(&'a str),
    Other,
}

impl<'a> Kind<'a> {
    pub fn of(name: &'a str) -> Self {
        let file = name.rsplit('/').next().unwrap_or(name);
        match file.rsplit_once('.') {
            Some((_, "safetensors")) => Self::Tensors,
            Some((stem, "parquet")) => Self::Table(stem),
            Some(_) | None => Self::Other,
        }
    }
}

impl Run {
    /// `STAGE/RUN`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.stage, self.id)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// What the run left, but for hidden files and records of how it was made.
    pub fn files(&self) -> Result<Files, StoreError> {
        let mut files = Files::new();
        collect(&self.dir, "", &mut files)?;
        Ok(files)
    }
}

fn collect(dir: &Path, prefix: &str, files: &mut Files) -> Result<(), StoreError> {
    for (name, path) in list(dir)? {
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files)?;
        } else if !RECORDS.contains(&name.as_str()) {
            files.insert(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// What lies in a folder by name, but for hidden files.
fn list(dir: &Path) -> Result<BTreeMap<String, PathBuf>, StoreError> {
    let failed = |source| StoreError::Io { path: dir.to_owned(), action: "list", source };
    let mut paths = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            paths.insert(name, entry.path());
        }
    }
    Ok(paths)
}

/// The finished runs in the folder of a scale, in the order in which data flows through the stages.
///
/// # Errors
/// When it cannot be listed or there are none.
pub(crate) fn runs(root: &Path) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for (stage, dir) in list(root)?.into_iter().filter(|(_, dir)| dir.is_dir()) {
        for (id, dir) in list(&dir)?.into_iter().filter(|(_, d)| d.join(Manifest::NAME).exists()) {
            let about = about(&dir);
            runs.push(Run { stage: stage.clone(), id, dir, about });
        }
    }
    if runs.is_empty() {
        return Err(refused!(
            "{}: no finished runs in it; want the folder of a scale, such as runs/smoke",
            root.display()
        ));
    }
    runs.sort_by_key(|run| {
        STAGES.iter().position(|s| s.name() == run.stage).unwrap_or(STAGES.len())
    });
    Ok(runs)
}

/// What the row in `runs` of a run's folder says it is about. A damaged table tells nothing here and is found when it is
/// compared.
fn about(dir: &Path) -> Option<[String; 4]> {
    let table = AnyTable::read(&dir.join("runs.parquet")).ok()?;
    let first = |name: &str| table.column(name).and_then(|column| column.cells.first());
    first("experiment")?;
    Some(ABOUT.map(|name| match first(name) {
        Some(Value::Text(text)) => text.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Null | Value::Float(_) | Value::Bool(_)) | None => String::new(),
    }))
}

/// Runs of both sides that belong together, and those without a counterpart.
#[expect(clippy::type_complexity, reason = "pairs and what is left over")]
pub(super) fn pairs(a: Vec<Run>, mut b: Vec<Run>) -> (Vec<(Run, Run)>, Vec<(Run, Side)>) {
    let (mut pairs, mut only) = (Vec::new(), Vec::new());
    let mut rest = Vec::new();
    // The same name for the same thing comes first: several runs may be about the same, such as data sets of one panel.
    for run in a {
        match take(&mut b, |r| same_name(&run, r) && run.about == r.about) {
            Some(other) => pairs.push((run, other)),
            None => rest.push(run),
        }
    }
    for run in rest {
        let by_content =
            |r: &Run| r.stage == run.stage && run.about.is_some() && r.about == run.about;
        match take(&mut b, by_content).or_else(|| take(&mut b, |r| same_name(&run, r))) {
            Some(other) => pairs.push((run, other)),
            None => only.push((run, Side::A)),
        }
    }
    only.extend(b.into_iter().map(|run| (run, Side::B)));
    (pairs, only)
}

fn same_name(a: &Run, b: &Run) -> bool {
    (&a.stage, &a.id) == (&b.stage, &b.id)
}

fn take(runs: &mut Vec<Run>, fits: impl Fn(&Run) -> bool) -> Option<Run> {
    runs.iter().position(fits).map(|i| runs.remove(i))
}
