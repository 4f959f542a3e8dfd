//! `randlab-report`: tables into figures, verdicts and a page.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use randlab_core::RunId;
use randlab_recipe::{Drawing, ReportConfig};
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

/// Pretrain runs whose filters are drawn.
fn drawn(config: &ReportConfig) -> BTreeSet<&RunId> {
    let mut drawn = BTreeSet::new();
    for e in &config.experiments {
        let panels = e.figures.iter().filter_map(|f| match &f.draw {
            Drawing::Filters { panels, .. } => Some(panels),
            _ => None,
        });
        let panels: BTreeSet<&String> = panels.flatten().collect();
        let runs = e.runs.iter().filter(|r| panels.contains(&r.info.panel));
        drawn.extend(runs.map(|r| &r.info.id));
    }
    drawn
}

fn work(job: &mut Job<'_, ReportConfig>) -> anyhow::Result<Work> {
    let runs = job.config.reads();
    let drawn = drawn(job.config);
    for (i, (stage, run)) in runs.iter().enumerate() {
        // Weights are many, and few of them are looked at.
        let all = *stage == "align" || *stage == "pretrain" && drawn.contains(run);
        let read = |name: &str| name != "timing.parquet" && (all || name.ends_with(".parquet"));
        job.input(stage, run, read)?;
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
