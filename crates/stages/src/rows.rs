//! The row in `runs` of stages that do not train.

use randlab_core::{Digest, RunInfo};
use randlab_store::{Status, table::RunRow};

/// A row with everything that only training knows left out.
pub(crate) fn run_row(
    run: &RunInfo,
    (stage, version): (&str, u32),
    dataset: &str,
    config: &Digest,
    fingerprint: &Digest,
) -> RunRow {
    RunRow {
        stage: stage.to_owned(),
        run_id: run.id.to_string(),
        run_uid: format!("{}-{}", run.id, config.short()),
        experiment: run.experiment.clone(),
        panel: run.panel.clone(),
        arm: Some(run.arm.clone()).filter(|arm| !arm.is_empty()),
        scale: run.scale.clone(),
        dataset: dataset.to_owned(),
        seed: run.seed.get(),
        stream_seed: run.seed.get(),
        status: Status::Ok.name().to_owned(),
        config_digest: config.to_string(),
        fingerprint: fingerprint.to_string(),
        stage_version: i32::try_from(version).unwrap_or(i32::MAX),
        ..RunRow::default()
    }
}
