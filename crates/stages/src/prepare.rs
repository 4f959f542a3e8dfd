//! `randlab-prepare`: raw files into a dataset.

use std::fmt::Write;

use randlab_core::{Digest, RunId, Split, canonical_json};
use randlab_data::{PrepareConfig, Prepared, raw_inputs};
use randlab_store::{
    InputRef, Status,
    table::{RunRow, write_table},
};

use crate::{
    StageArgs, execute,
    job::{Done, Job, Stage, Work},
    rows::run_row,
};

impl Stage for PrepareConfig {
    fn stage(&self) -> &'static str {
        "prepare"
    }

    fn version(&self) -> u32 {
        randlab_data::STAGE_VERSION
    }

    fn id(&self) -> &RunId {
        &self.run.id
    }

    fn reads(&self) -> Vec<(&'static str, RunId)> {
        Vec::new()
    }

    fn raw(&self) -> anyhow::Result<Vec<InputRef>> {
        Ok(raw_inputs(self.source.as_ref(), None)?)
    }
}

/// Prepares the dataset `args` names.
///
/// # Errors
/// What went wrong, naming the file.
pub fn prepare(args: &StageArgs) -> anyhow::Result<u8> {
    execute(args, |config| Ok(describe(config)), work)
}

fn describe(config: &PrepareConfig) -> String {
    let mut text = format!("prepare {}: {}", config.run.id, config.source.as_ref().name());
    for split in Split::ALL {
        // Writing to a String cannot fail.
        let _ = write!(text, ", {} {}", config.split.of(split), split.name());
    }
    text + "\nwrites images.safetensors, labels.parquet, stats.safetensors, runs.parquet\n"
}

fn work(job: &mut Job<'_, PrepareConfig>) -> anyhow::Result<Work> {
    let console = &mut job.console;
    let mut progress = |done, total| console.progress(done, total, || "images".to_owned());
    let prepared = randlab_data::prepare(job.config, &mut progress)?;
    let mut files = prepared.write(job.dir.root(), job.config)?;
    write_table(&job.dir.path("runs.parquet"), vec![row(job, &prepared)?])?;
    files.push("runs.parquet".to_owned());
    Ok(Work::Done(Done {
        files,
        status: Status::Ok,
        message: format!("{} {} inputs", prepared.items.len(), job.config.source.as_ref().name()),
        notes: prepared.notes,
        trained: None,
    }))
}

fn row(job: &Job<'_, PrepareConfig>, prepared: &Prepared) -> anyhow::Result<RunRow> {
    let c = job.config;
    let digest = Digest::of(canonical_json(c)?.as_bytes());
    let count = |split| i64::from(c.split.of(split));
    let classes = i32::try_from(prepared.classes.len()).ok();
    Ok(RunRow {
        n_train: Some(count(Split::Upstream) + count(Split::Downstream)),
        n_holdout: Some(count(Split::Holdout)),
        n_classes: classes,
        ..run_row(
            &c.run,
            (c.stage(), c.version()),
            c.source.as_ref().name(),
            &digest,
            job.fingerprint,
        )
    })
}
