//! The page: one HTML file and its Markdown twin, which say the same.

mod html;
mod markdown;
mod text;

use std::collections::BTreeSet;

use randlab_core::RunId;

pub(crate) use html::html;
pub(crate) use markdown::markdown;

use crate::{ClaimRow, Run, Runs, figure::Figure};

/// All that stands on a page.
pub(crate) struct Page<'a> {
    /// Name of the report.
    pub id: &'a RunId,
    pub scale: &'a str,
    /// Dataset asked for.
    pub dataset: &'a str,
    /// Names of the merged tables.
    pub tables: Vec<&'static str>,
    pub sections: Vec<Section<'a>>,
}

/// One experiment of the page.
pub(crate) struct Section<'a> {
    /// Name of the experiment.
    pub name: &'a str,
    pub title: &'a str,
    pub summary: &'a str,
    pub runs: &'a Runs,
    pub figures: Vec<Figure>,
    /// Verdicts, in the order of the experiment file.
    pub claims: Vec<ClaimRow>,
}

/// Headings of the verdict table.
const CLAIM_HEADINGS: [&str; 9] = [
    "Claim",
    "Verdict",
    "Statement",
    "Figure",
    "Estimate, 95 % interval",
    "Seeds",
    "Paper",
    "Criterion",
    "Remarks",
];

/// Headings of the run table.
const RUN_HEADINGS: [&str; 7] =
    ["Stage", "Run", "Data", "Seed", "Steps", "Accuracy reached / wanted", "Status"];

impl Page<'_> {
    fn claims(&self) -> impl Iterator<Item = &ClaimRow> {
        self.sections.iter().flat_map(|s| &s.claims)
    }

    /// Whether there is anything to judge; a map of gains, say, only shows.
    fn judges(&self) -> bool {
        self.claims().next().is_some()
    }

    /// Every run once, though several panels may share it.
    fn runs(&self) -> impl Iterator<Item = &Run> {
        let mut seen = BTreeSet::new();
        let all = self.sections.iter().flat_map(|s| s.runs.all());
        all.filter(move |run| seen.insert((&run.stage, &run.info.id)))
    }
}

impl Section<'_> {
    /// Runs a figure draws on.
    fn runs_of<'s>(&'s self, figure: &'s Figure) -> impl Iterator<Item = &'s Run> {
        let shown = move |r: &&Run| figure.panels.contains(&r.info.panel) && r.stage != "prepare";
        self.runs.all().iter().filter(shown)
    }
}

/// Cells of a run's row, in the order of [`RUN_HEADINGS`].
fn run_cells(run: &Run) -> [String; 7] {
    let accuracy = |a: Option<f64>| a.map_or_else(|| "-".to_owned(), text::number);
    let (reached, wanted) = (run.row.final_train_accuracy, run.row.target_train_accuracy);
    let fit = if reached.is_none() && wanted.is_none() {
        "-".to_owned()
    } else {
        format!("{} / {}", accuracy(reached), accuracy(wanted))
    };
    [
        run.stage.clone(),
        run.info.id.to_string(),
        run.row.dataset.clone(),
        run.info.seed.to_string(),
        run.row.steps.map_or_else(|| "-".to_owned(), |s| s.to_string()),
        fit,
        run.row.status.clone(),
    ]
}
