//! What every stage says of a run in tables.

use randlab_core::RunInfo;
use randlab_pipeline::{Job, Place, Stage};
use randlab_store::{Status, table::RunRow};

/// Where a run stands in its experiment.
pub(crate) fn place(run: &RunInfo) -> Place {
    Place { experiment: run.experiment.clone(), panel: run.panel.clone(), arm: run.arm.clone() }
}

/// The row in `runs` of a run of stage `T`, with everything that only training knows left out.
pub(crate) fn run_row<T: Stage>(run: &RunInfo, dataset: &str, job: &Job<'_>) -> RunRow {
    RunRow {
        stage: T::NAME.to_owned(),
        run_id: run.id.to_string(),
        run_uid: format!("{}-{}", run.id, job.config.short()),
        experiment: run.experiment.clone(),
        panel: run.panel.clone(),
        arm: Some(run.arm.clone()).filter(|arm| !arm.is_empty()),
        scale: run.scale.clone(),
        dataset: dataset.to_owned(),
        seed: run.seed.get(),
        stream_seed: run.seed.get(),
        status: Status::Ok.name().to_owned(),
        config_digest: job.config.to_string(),
        fingerprint: job.fingerprint.to_string(),
        stage_version: i32::try_from(T::VERSION).unwrap_or(i32::MAX),
        ..RunRow::default()
    }
}
