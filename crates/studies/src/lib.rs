//! What is asked of the runs: one folder per study, with its rules, its drawings and the views they share.
//!
//! To add a rule:
//! 1. Write `STUDY/rules/NAME.rs` with a struct: its fields are the keys in experiment files (derive `Debug`, `Clone`,
//!    `PartialEq`, `Serialize` and `Deserialize`, and set `#[serde(deny_unknown_fields)]`); its comment is its documentation.
//! 2. Implement [`Rule`] for it: the arms it reads and the estimate; `check` and `range` where the defaults do not fit.
//! 3. Read tables with [`Runs::table`](randlab_report::Runs::table), or a [`View`](randlab_report::View) that several rules
//!    share.
//! 4. Declare the file in `STUDY/rules/mod.rs`: `mod NAME;` and `pub use NAME::STRUCT;`.
//! 5. Enter the struct in [`Rules`] below, with the name experiment files use and one line on what it is.
//!
//! To add a drawing:
//! 1. Write `STUDY/figures/NAME.rs` with a struct, as for a rule.
//! 2. Implement [`Drawing`] for it: the arms it shows and its blocks; `check` and `needs` where the defaults do not fit.
//! 3. Compose blocks from the parts in [`figure`](randlab_report::figure); every point becomes a row of `curves`.
//! 4. Declare the file in `STUDY/figures/mod.rs`: `mod NAME;` and `pub use NAME::STRUCT;`.
//! 5. Enter the struct in [`Drawings`] below.

pub mod activity;
pub mod alignment;
mod average;
mod correlation;
mod pair;
mod pairs;
pub mod transfer;

use randlab_report::{Drawing, Rule};

pub use pair::Pair;

#[allow(clippy::wildcard_imports, reason = "a new kind needs no line here but its entry")]
use activity::{figures::*, rules::*};
#[allow(clippy::wildcard_imports, reason = "a new kind needs no line here but its entry")]
use alignment::{figures::*, rules::*};
#[allow(clippy::wildcard_imports, reason = "a new kind needs no line here but its entry")]
use transfer::{figures::*, rules::*};

randlab_core::kinds! {
    /// The rules by which claims can be judged.
    pub enum Rules: Rule {
        "excess-ratio" => ExcessRatio, "misalignment above its floor, relative to random bases";
        "slope-ratio" => SlopeRatio, "slope of the misalignment, relative to random bases";
        "random-basis-trend" => RandomBasisTrend, "correlation of the misalignment of random bases with the step";
        "interior-peak" => InteriorPeak, "peak of the transfer function over its ends";
        "shape-correlation" => ShapeCorrelation, "correlation of the transfer functions of two panels";
        "closed-form" => ClosedForm, "correlation of the energy profile with the closed form";
        "pooled-excess" => PooledExcess, "misalignment above its floor, of pooled filters";
        "pooled-random-excess" => PooledRandomExcess, "misalignment of random bases above the floor, of pooled filters";
        "reference-rms" => ReferenceRms, "difference between the pooled transfer function and values of the paper";
        "trend" => Trend, "correlation of the pooled transfer function with the data's standard deviation";
        "end-ratio" => EndRatio, "ratio of the transfer function at two points";
        "sphericity" => Sphericity, "largest sphericity statistic of pooled filters";
        "eigenvector-span" => EigenvectorSpan, "how few directions of the data the filters' eigenvectors lie among";
        "auc-gain" => AucGain, "gain in area under the training curve";
        "speed-up" => SpeedUp, "ratio of the steps to an accuracy";
        "gain-share" => GainShare, "gain as a share of another variant's";
        "gain-difference" => GainDifference, "difference of two gains";
        "gain-trend" => GainTrend, "correlation of the gain with the place in a list";
        "held-out-gain" => HeldOutGain, "gain in accuracy on held-out images";
        "activity-ratio" => ActivityRatio, "activity kept in one panel, relative to another";
        "activity-share" => ActivityShare, "activity of a variant, relative to its baseline";
        "switch-drop" => SwitchDrop, "activity lost right after the switch of tasks, as a share of all lost";
        "depth-trend" => DepthTrend, "correlation of depth with the activity lost";
        "signal-rank" => SignalRank, "correlation of the gain with the signal passed on";
        "profile-correlation" => ProfileCorrelation, "correlation of the energy profiles of two panels";
    }
}

randlab_core::kinds! {
    /// The drawings figures can consist of.
    pub enum Drawings: Drawing {
        "misalignment" => Misalignment, "misalignment over steps";
        "transfer-function" => TransferFunction, "transfer function over the data eigenvalue";
        "energy-profile" => EnergyProfile, "energy of the weight change over the data eigenvalue";
        "filters" => Filters, "first-layer filters and eigenvectors as images";
        "learning-curves" => LearningCurves, "training accuracy over downstream steps";
        "time-to-accuracy" => TimeToAccuracy, "steps until an accuracy is reached";
        "gains" => Gains, "gain in area under the training curve";
        "activity" => Activity, "share of active units over steps";
        "activity-histogram" => ActivityHistogram, "units by the share of images that activate them";
        "signal" => Signal, "gain over the strength of the signal";
        "map" => Map, "heat map of gains";
    }
}

/// A claim with one of [`Rules`].
pub type ClaimSpec = randlab_report::ClaimSpec<Rules>;

/// A figure with one of [`Drawings`].
pub type FigureSpec = randlab_report::FigureSpec<Drawings>;

/// An experiment on the page.
pub type ReportedExperiment = randlab_report::ReportedExperiment<Rules, Drawings>;

/// Resolved configuration of `randlab-report`.
pub type ReportConfig = randlab_report::ReportConfig<Rules, Drawings>;
