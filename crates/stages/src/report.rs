//! `randlab-report`: tables into figures, verdicts and a page.

use std::{collections::BTreeMap, fmt::Write};

use randlab_core::RunId;
use randlab_recipe::ReportConfig;
use randlab_store::Status;

use crate::{
    StageArgs, execute,
    job::{Done, Job, Stage, Work},
};

impl Stage for ReportConfig {
    fn stage(&self) -> &'static str {
        "report"
    }

    fn version(&self) -> u32 {
        randlab_report::STAGE_VERSION
    }

    fn id(&self) -> &RunId {
        &self.id
    }

    fn reads(&self) -> Vec<(&'static str, RunId)> {
        let runs = self.experiments.iter().flat_map(|e| &e.runs);
        runs.map(|run| (stage_name(&run.stage), run.info.id.clone())).collect()
    }
}

/// The stages a report reads, by the names in its configuration.
fn stage_name(name: &str) -> &'static str {
    let known = ["prepare", "pretrain", "finetune", "align"];
    known.into_iter().find(|stage| *stage == name).unwrap_or("unknown")
}

/// Writes the page `args` names.
///
/// # Errors
/// What went wrong, naming the file.
pub fn report(args: &StageArgs) -> anyhow::Result<u8> {
    execute(args, |config| Ok(describe(config)), work)
}

fn describe(config: &ReportConfig) -> String {
    let mut text = format!("report {}:\n", config.id);
    for e in &config.experiments {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {}: {} runs, {} figures, {} claims",
            e.name,
            e.runs.len(),
            e.figures.len(),
            e.claims.len()
        );
    }
    text
}

fn work(job: &mut Job<'_, ReportConfig>) -> anyhow::Result<Work> {
    job.dir.clear_except(&["log.jsonl"])?;
    let runs = job.config.reads();
    for (i, (stage, run)) in runs.iter().enumerate() {
        job.input(stage, run, |name| name.ends_with(".parquet") && name != "timing.parquet")?;
        job.console.progress(i as u64 + 1, runs.len() as u64, || "runs read".to_owned());
    }
    let files = randlab_report::build(job.config, job.root, job.dir.root())?;
    Ok(Work::Done(Done {
        files,
        status: Status::Ok,
        notes: BTreeMap::new(),
        trained: None,
        message: format!("{}", job.dir.path("report.html").display()),
    }))
}
