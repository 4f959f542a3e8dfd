//! What the report draws, and what it is made of, as written in experiment files.

use randlab_core::{RunId, RunInfo, Seed};
use serde::{Deserialize, Serialize};

use crate::{ClaimSpec, Pair};

/// Resolved configuration of `randlab-report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportConfig {
    /// Name of the report: the dataset, or dataset and experiment.
    pub id: RunId,
    /// Scale of all runs.
    pub scale: String,
    /// Dataset asked for; synthetic experiments have their own.
    pub dataset: String,
    /// Root seeds asked for; none where each panel has its own.
    pub seeds: Vec<Seed>,
    /// The experiments, in the order of the page.
    pub experiments: Vec<ReportedExperiment>,
}

/// One experiment on the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedExperiment {
    /// Name of the experiment file.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What is asked and how, one paragraph.
    pub summary: String,
    /// Its runs, of all stages.
    pub runs: Vec<ReportedRun>,
    /// Its figures, in order.
    pub figures: Vec<FigureSpec>,
    /// Its claims, in order.
    pub claims: Vec<ClaimSpec>,
}

/// A run the report reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedRun {
    /// `prepare`, `pretrain`, `finetune` or `align`.
    pub stage: String,
    /// Who it is; `arm` is `pool` for pooled align runs and `DOWNSTREAM.VARIANT` for finetune runs.
    pub info: RunInfo,
}

/// A figure of the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FigureSpec {
    /// Name of the files and of the rows in `curves`.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What to see, and what the paper shows.
    pub caption: String,
    /// What is drawn.
    pub draw: Drawing,
}

/// A kind of drawing. `panels` name panels of the experiment; each becomes one plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Drawing {
    /// Misalignment over steps in the data eigenbasis, with the band of random bases and the finite-sample floor.
    Misalignment {
        /// Panels.
        panels: Vec<String>,
    },
    /// Transfer function f over the data eigenvalue or its root.
    TransferFunction {
        /// Panels.
        panels: Vec<String>,
        /// Abscissa: the eigenvalue (log scale) or its root (linear scale).
        x: SpectrumAxis,
        /// `last`, or `all` checkpoints as separate curves.
        steps: Steps,
        /// Divide by the value at step 0.
        relative: bool,
        /// Values read off the paper's figure, one list per panel; empty for none.
        paper: Vec<Reference>,
    },
    /// Energy profile of the weight change over the data eigenvalue, with the closed form of Chowers and Weiss.
    EnergyProfile {
        /// Panels.
        panels: Vec<String>,
    },
    /// First-layer filters before and after training, leading eigenvectors of the pooled filter covariance, and of the
    /// patch covariance, as image grids.
    Filters {
        /// Panels.
        panels: Vec<String>,
        /// Eigenvectors shown.
        eigenvectors: u32,
    },
    /// Minibatch training accuracy over downstream steps, mean and interval over seeds.
    LearningCurves {
        /// Panel.
        panel: String,
        /// Downstream tasks; each becomes one plot.
        downstream: Vec<String>,
        /// Variants drawn.
        variants: Vec<String>,
        /// Also the accuracy on held-out images against their real labels, dashed, where it was measured on the way.
        #[serde(default)]
        held_out: bool,
    },
    /// First step at which the moving average over one epoch reaches `accuracy`, per seed and variant.
    TimeToAccuracy {
        /// Panel.
        panel: String,
        /// Downstream tasks; each becomes one plot.
        downstream: Vec<String>,
        /// Variants, from top to bottom.
        variants: Vec<String>,
        /// Threshold.
        accuracy: f64,
    },
    /// Area under the training curve of variants minus that of the baseline, per seed, with mean and interval.
    Gains {
        /// Panels.
        panels: Vec<String>,
        /// Downstream tasks; each panel and task becomes one plot.
        downstream: Vec<String>,
        /// Variants, from top to bottom.
        variants: Vec<String>,
        /// Variant they are compared with.
        baseline: String,
    },
    /// Share of active units of each hidden layer over the steps of pre-training and then of the downstream task.
    Activity {
        /// Panels.
        panels: Vec<String>,
        /// Downstream task.
        downstream: String,
        /// Variant trained on it.
        variant: String,
    },
    /// Units by the share of held-out images that activate them: at initialisation, after pre-training and after the
    /// downstream task. Each of the last hidden layers becomes one plot.
    ActivityHistogram {
        /// Panels.
        panels: Vec<String>,
        /// Downstream task.
        downstream: String,
        /// Variant trained on it.
        variant: String,
    },
    /// Gain in area under the training curve over the strength of the signal that reaches the last hidden layer before
    /// the first downstream step, as a share of the baseline's; one mark per seed.
    Signal {
        /// What is compared.
        pairs: Vec<Pair>,
    },
    /// Heat map of mean gains in area under the training curve.
    Map {
        /// Labels from top to bottom.
        rows: Vec<String>,
        /// Labels from left to right, five at most.
        columns: Vec<String>,
        /// What stands where; a place may stay empty.
        cells: Vec<MapCell>,
    },
}

/// A comparison and its place in a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapCell {
    /// Label of its row.
    pub row: String,
    /// Label of its column.
    pub column: String,
    /// What is compared.
    pub pair: Pair,
}

/// Abscissa of spectral figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpectrumAxis {
    /// Eigenvalue of the data covariance.
    Eigenvalue,
    /// Its root, the standard deviation of the inputs.
    Std,
}

/// Which checkpoints are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steps {
    /// The last one.
    Last,
    /// All.
    All,
}

/// Points read off a figure of the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Panel they belong to.
    pub panel: String,
    /// Abscissae.
    pub x: Vec<f64>,
    /// Ordinates.
    pub y: Vec<f64>,
}
