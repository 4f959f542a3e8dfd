//! The stage `prepare`: raw files into a dataset.

use std::{fmt::Write, path::Path};

use randlab_core::{RunId, Split};
use randlab_data::{LabelRow, PrepareConfig, Prepared, raw_inputs};
use randlab_pipeline::{Done, Job, Place, RunRef, Stage, Work};
use randlab_store::{
    InputRef, Status,
    table::{RunRow, TableInfo, write_table},
};
use serde::{Deserialize, Serialize};

use crate::rows::{place, run_row};

/// Configuration of a prepare run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prepare(pub PrepareConfig);

impl Stage for Prepare {
    const NAME: &'static str = "prepare";
    const VERSION: u32 = randlab_data::STAGE_VERSION;
    const ABOUT: &'static str = "Turn raw files into a dataset of images or vectors";
    const TABLES: &'static [TableInfo] = &[TableInfo::of::<RunRow>(), TableInfo::of::<LabelRow>()];

    fn id(&self) -> &RunId {
        &self.0.run.id
    }

    fn place(&self) -> Place {
        place(&self.0.run)
    }

    fn needs(&self) -> Vec<RunRef> {
        Vec::new()
    }

    fn raw(&self, cache: &Path) -> anyhow::Result<Vec<InputRef>> {
        Ok(raw_inputs(self.0.source.as_ref(), Some(cache))?)
    }

    fn describe(&self, _root: &Path) -> anyhow::Result<String> {
        let config = &self.0;
        let mut text =
            format!("{} {}: {}", Self::NAME, config.run.id, config.source.as_ref().name());
        for split in Split::ALL {
            // Writing to a String cannot fail.
            let _ = write!(text, ", {} {}", config.split.of(split), split.name());
        }
        Ok(text + "\nwrites images.safetensors, labels.parquet, stats.safetensors, runs.parquet\n")
    }

    fn work(&self, job: &mut Job<'_>) -> anyhow::Result<Work> {
        let config = &self.0;
        let mut progress = |done, total| job.progress(done, total, || "images".to_owned());
        let prepared = randlab_data::prepare(config, &mut progress)?;
        let mut files = prepared.write(job.dir.root(), config)?;
        write_table(&job.dir.path("runs.parquet"), vec![row(config, job, &prepared)])?;
        files.push("runs.parquet".to_owned());
        Ok(Work::Done(Done {
            files,
            status: Status::Ok,
            message: format!("{} {} inputs", prepared.items.len(), config.source.as_ref().name()),
            notes: prepared.notes,
            trained: None,
        }))
    }
}

fn row(config: &PrepareConfig, job: &Job<'_>, prepared: &Prepared) -> RunRow {
    let count = |split| i64::from(config.split.of(split));
    RunRow {
        n_train: Some(count(Split::Upstream) + count(Split::Downstream)),
        n_holdout: Some(count(Split::Holdout)),
        n_classes: i32::try_from(prepared.classes.len()).ok(),
        ..run_row::<Prepare>(&config.run, config.source.as_ref().name(), job)
    }
}
