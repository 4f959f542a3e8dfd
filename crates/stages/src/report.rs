//! The stage `report`: tables into figures, verdicts and a page.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
};

use randlab_core::RunId;
use randlab_pipeline::{Done, Job, Place, RunRef, Stage, Work, tables};
use randlab_report::{ArmRef, ClaimRow, CurveRow, Drawing, Files, panels};
use randlab_store::{Status, table::TableInfo};
use randlab_studies::{FigureSpec, ReportConfig};
use serde::{Deserialize, Serialize};

use crate::{Align, Pretrain, STAGES};

/// Configuration of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Report(pub ReportConfig);

impl Stage for Report {
    const NAME: &'static str = "report";
    const VERSION: u32 = randlab_report::STAGE_VERSION;
    const ABOUT: &'static str = "Turn the tables of runs into figures, verdicts and a page";
    const TABLES: &'static [TableInfo] =
        &[TableInfo::of::<CurveRow>(), TableInfo::of::<ClaimRow>()];

    fn id(&self) -> &RunId {
        &self.0.id
    }

    fn place(&self) -> Place {
        Place::default()
    }

    fn needs(&self) -> Vec<RunRef> {
        let runs = self.0.experiments.iter().flat_map(|e| &e.runs);
        runs.map(|run| RunRef { stage: run.stage.clone(), id: run.info.id.clone() }).collect()
    }

    fn describe(&self, _root: &Path) -> anyhow::Result<String> {
        let mut text = format!("{} {}:\n", Self::NAME, self.0.id);
        for e in &self.0.experiments {
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
        Ok(text)
    }

    fn work(&self, job: &mut Job<'_>) -> anyhow::Result<Work> {
        let runs = self.needs();
        let drawn = drawn(&self.0);
        for (i, run) in runs.iter().enumerate() {
            // Weights are many, and few of them are looked at.
            let all =
                run.stage == Align::NAME || run.stage == Pretrain::NAME && drawn.contains(&run.id);
            let read = |name: &str| name != "timing.parquet" && (all || name.ends_with(".parquet"));
            job.input(run, read)?;
            job.progress(i as u64 + 1, runs.len() as u64, || "runs read".to_owned());
        }
        let files = randlab_report::build(&self.0, &merged(), job.root, job.dir.root())?;
        Ok(Work::Done(Done {
            files,
            status: Status::Ok,
            notes: BTreeMap::new(),
            trained: None,
            message: format!("{}", job.dir.path("report.html").display()),
        }))
    }
}

/// Tables of runs that are merged, in the order in which the page lists them: those of all stages but this one.
fn merged() -> Vec<TableInfo> {
    tables(STAGES.iter().copied().filter(|stage| stage.name() != Report::NAME))
}

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
