//! The resolved configuration of a page. `R` and `D` are the registries of rules and drawings.

use randlab_core::{RunId, RunInfo, Seed};
use serde::{Deserialize, Serialize};

use crate::{ClaimSpec, FigureSpec};

/// Resolved configuration of `randlab-report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportConfig<R, D> {
    /// Name of the report: the dataset, or dataset and experiment.
    pub id: RunId,
    /// Scale of all runs.
    pub scale: String,
    /// Dataset asked for; synthetic experiments have their own.
    pub dataset: String,
    /// Root seeds asked for; none where each panel has its own.
    pub seeds: Vec<Seed>,
    /// The experiments, in the order of the page.
    pub experiments: Vec<ReportedExperiment<R, D>>,
}

/// One experiment on the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedExperiment<R, D> {
    /// Name of the experiment file.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What is asked and how, one paragraph.
    pub summary: String,
    /// Its runs, of all stages.
    pub runs: Vec<ReportedRun>,
    /// Its figures, in order.
    pub figures: Vec<FigureSpec<D>>,
    /// Its claims, in order.
    pub claims: Vec<ClaimSpec<R>>,
}

/// A run the report reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedRun {
    /// `prepare`, `pretrain`, `finetune` or `align`.
    pub stage: String,
    /// Who it is; `arm` is the text of an [`Arm`](crate::Arm).
    pub info: RunInfo,
}
