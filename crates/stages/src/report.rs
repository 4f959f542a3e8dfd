//! `randlab-report`: tables into figures, verdicts and a page.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use randlab_core::RunId;
use randlab_report::{ArmRef, Drawing, Files, panels};
use randlab_store::{
    Status,
    table::{
        ActivityRow, AlignmentRow, LabelRow, LayerRow, MetricRow, RunRow, SpectrumRow, TableInfo,
        TimingRow,
    },
};
use randlab_studies::{FigureSpec, ReportConfig};

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

/// Tables of runs that are merged, in the order the page lists them.
const TABLES: [TableInfo; 8] = [
    TableInfo::of::<RunRow>(),
    TableInfo::of::<LabelRow>(),
    TableInfo::of::<MetricRow>(),
    TableInfo::of::<LayerRow>(),
    TableInfo::of::<ActivityRow>(),
    TableInfo::of::<AlignmentRow>(),
    TableInfo::of::<SpectrumRow>(),
    TableInfo::of::<TimingRow>(),
];

/// Runs of the panels whose weights are drawn.
fn drawn(config: &ReportConfig) -> BTreeSet<&RunId> {
    let mut drawn = BTreeSet::new();
    for e in &config.experiments {
        let arms: Vec<_> = e.figures.iter().flat_map(weights).collect();
        let panels = panels(&arms);
        let runs = e.runs.iter().filter(|r| panels.contains(&r.info.panel.as_str()));
        drawn.extend(runs.map(|r| &r.info.id));
    }
    drawn
}

/// Arms of which a figure reads weights.
fn weights(figure: &FigureSpec) -> Vec<ArmRef> {
    let drawing: &dyn Drawing = figure.draw.as_ref();
    match drawing.needs() {
        Files::Weights => drawing.arms(),
        Files::Tables => Vec::new(),
    }
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
    let files = randlab_report::build(job.config, &TABLES, job.root, job.dir.root())?;
    Ok(Work::Done(Done {
        files,
        status: Status::Ok,
        notes: BTreeMap::new(),
        trained: None,
        message: format!("{}", job.dir.path("report.html").display()),
    }))
}
