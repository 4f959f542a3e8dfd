//! What the report judges, as written in experiment files.

use serde::{Deserialize, Serialize};

use crate::Reference;

/// A claim and the rule by which it is judged, fixed before the runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimSpec {
    /// Number of the claim, with a suffix where it has several measures: `C14`, `C16.rate-003`.
    pub id: String,
    /// One sentence.
    pub statement: String,
    /// Figure of the paper, or `own`.
    pub figure: String,
    /// The rule in words, with its numbers.
    pub criterion: String,
    /// The paper's value of the estimate, if it gives one.
    pub paper: Option<f64>,
    /// How the estimate is formed.
    pub rule: Rule,
    /// Where it must lie.
    pub bound: Bound,
}

/// How a claim is judged. The estimate is formed per seed where that is possible; its 95 % interval is Student's t over
/// seeds (or over the jackknife of pooled runs), and the claim holds when the interval lies on the right side of the
/// bound, fails when it lies on the wrong side, and is undecided otherwise. Where that rests on a p-value, it must also stand
/// up to Holm's correction over the measures of the claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rule {
    /// `(M - floor) / (M_random - floor)` at the last checkpoint, per seed.
    ExcessRatio {
        /// Panel.
        panel: String,
    },
    /// Slope of M over steps, divided by the slope of `M_random`, per seed.
    SlopeRatio {
        /// Panel.
        panel: String,
    },
    /// Spearman correlation of `M_random` with the step, per seed.
    RandomBasisTrend {
        /// Panel.
        panel: String,
    },
    /// The smaller of f(peak)/f(smallest eigenvalue) and f(peak)/f(largest), per seed; 1 where the peak is at an end.
    InteriorPeak {
        /// Panel.
        panel: String,
    },
    /// Pearson correlation of log f between two panels, per seed.
    ShapeCorrelation {
        /// Panel.
        panel: String,
        /// The other panel.
        other: String,
    },
    /// Pearson correlation of the energy profile of the weight change with the closed form, per seed.
    ClosedForm {
        /// Panel.
        panel: String,
        /// Whether the profile of the initial weights is fitted instead: a control.
        initial: bool,
    },
    /// Misalignment minus floor of pooled runs; the interval is the jackknife's.
    PooledExcess {
        /// Panel.
        panel: String,
    },
    /// Mean over random bases minus floor of pooled runs; the interval is that of the bases.
    PooledRandomExcess {
        /// Panel.
        panel: String,
    },
    /// Root mean square difference between pooled f and values of the paper, at their standard deviations.
    ReferenceRms {
        /// Panel.
        panel: String,
        /// The paper's points.
        paper: Reference,
    },
    /// Spearman correlation of pooled f with the data's standard deviation; the interval is the jackknife's.
    Trend {
        /// Panel.
        panel: String,
    },
    /// f at one component divided by f at another, per seed; components counted from the smallest eigenvalue.
    EndRatio {
        /// Panel.
        panel: String,
        /// Numerator: `peak`, `first` (smallest eigenvalue) or `last`.
        numerator: Point,
        /// Denominator.
        denominator: Point,
    },
    /// Largest sphericity statistic over the repeated eigenspaces of pooled filters.
    Sphericity {
        /// Panel.
        panel: String,
    },
    /// How far the leading eigenvectors of pooled filters lie among few of the data's: for each of them the sum of its
    /// largest squared components along the data's eigenvectors, and of these sums the smallest.
    EigenvectorSpan {
        /// Panel.
        panel: String,
        /// Eigenvectors looked at.
        vectors: u32,
        /// Components added up.
        components: u32,
    },
    /// Area under the training curve (mean minibatch accuracy over the horizon), variant minus baseline, paired by seed.
    AucGain {
        /// What is compared.
        pair: Pair,
    },
    /// Steps to `accuracy` of the baseline divided by those of the variant, paired by seed. A run that never gets there
    /// counts with the horizon.
    SpeedUp {
        /// What is compared.
        pair: Pair,
        /// Threshold on the moving average over one epoch.
        accuracy: f64,
    },
    /// Mean gain of `pair` divided by the mean gain of `of` over the same baseline; the interval is Fieller's.
    GainShare {
        /// What is compared.
        pair: Pair,
        /// Variant whose gain is the whole.
        of: String,
    },
    /// Gain in area (as [`Rule::AucGain`]) of `pair` minus that of `other`, paired by seed.
    GainDifference {
        /// What is compared.
        pair: Pair,
        /// What its gain is compared with.
        other: Pair,
    },
    /// Spearman correlation of the gain in area with the place in the list, per seed.
    GainTrend {
        /// What is compared, in the order expected to rise; at least three.
        pairs: Vec<Pair>,
    },
    /// Accuracy on held-out images at the end, variant minus baseline, paired by seed.
    HeldOutGain {
        /// What is compared.
        pair: Pair,
    },
    /// Late active fraction at the end of the downstream run divided by that before pre-training; this ratio of `panel`
    /// divided by that of `other`, paired by seed. The late active fraction is the share of positive units of the last
    /// `layers` hidden layers on held-out images, each layer with equal weight.
    ActivityRatio {
        /// Panel.
        panel: String,
        /// The other panel.
        other: String,
        /// Downstream task, in both.
        downstream: String,
        /// Variant, in both.
        variant: String,
        /// Hidden layers counted from the head.
        layers: u32,
    },
    /// Late active fraction (as [`Rule::ActivityRatio`]) of the variant divided by that of the baseline, paired by seed.
    ActivityShare {
        /// What is compared.
        pair: Pair,
        /// Hidden layers counted from the head.
        layers: u32,
        /// When.
        at: Moment,
    },
    /// Late active fraction (as [`Rule::ActivityRatio`]) lost in the first epoch of the downstream run, as a share of what
    /// was lost from before pre-training until then, per seed.
    SwitchDrop {
        /// Panel.
        panel: String,
        /// Downstream task.
        downstream: String,
        /// Variant.
        variant: String,
        /// Hidden layers counted from the head.
        layers: u32,
    },
    /// Spearman correlation of the depth of a hidden layer with the share of its active fraction that was lost between
    /// the start of pre-training and the end of the downstream run, per seed.
    DepthTrend {
        /// Panel.
        panel: String,
        /// Downstream task.
        downstream: String,
        /// Variant.
        variant: String,
    },
    /// Spearman correlation, over all pairs and seeds together, of the gain in area with the variant's output (root mean
    /// square on held-out images behind the last hidden layer, before downstream training) divided by the baseline's. The
    /// interval is the jackknife's over seeds, as runs of one seed are not independent.
    SignalRank {
        /// What is compared; at least two.
        pairs: Vec<Pair>,
    },
    /// Pearson correlation of the energy profile of the weight change (its root, as in [`Rule::ClosedForm`]) between two
    /// panels, per seed.
    ProfileCorrelation {
        /// Panel.
        panel: String,
        /// The other panel.
        other: String,
    },
}

impl Rule {
    /// Whether the number is a correlation, which lies between -1 and 1.
    pub const fn correlates(&self) -> bool {
        matches!(
            self,
            Self::RandomBasisTrend { .. }
                | Self::ShapeCorrelation { .. }
                | Self::ProfileCorrelation { .. }
                | Self::ClosedForm { .. }
                | Self::Trend { .. }
                | Self::GainTrend { .. }
                | Self::DepthTrend { .. }
                | Self::SignalRank { .. }
        )
    }

    /// Panels whose runs the rule reads, each once.
    pub fn panels(&self) -> Vec<&str> {
        match self {
            Self::ShapeCorrelation { panel, other }
            | Self::ProfileCorrelation { panel, other }
            | Self::ActivityRatio { panel, other, .. } => vec![panel, other],
            Self::ExcessRatio { panel }
            | Self::SlopeRatio { panel }
            | Self::RandomBasisTrend { panel }
            | Self::InteriorPeak { panel }
            | Self::ClosedForm { panel, .. }
            | Self::PooledExcess { panel }
            | Self::PooledRandomExcess { panel }
            | Self::ReferenceRms { panel, .. }
            | Self::Trend { panel }
            | Self::EndRatio { panel, .. }
            | Self::Sphericity { panel }
            | Self::EigenvectorSpan { panel, .. }
            | Self::SwitchDrop { panel, .. }
            | Self::DepthTrend { panel, .. } => vec![panel],
            Self::AucGain { pair }
            | Self::SpeedUp { pair, .. }
            | Self::GainShare { pair, .. }
            | Self::HeldOutGain { pair }
            | Self::ActivityShare { pair, .. } => vec![&pair.panel],
            Self::GainDifference { pair, other } => panels_of([pair, other]),
            Self::GainTrend { pairs } | Self::SignalRank { pairs } => panels_of(pairs),
        }
    }
}

/// The panels of `pairs` in order, each once.
fn panels_of<'a>(pairs: impl IntoIterator<Item = &'a Pair>) -> Vec<&'a str> {
    let mut panels = Vec::new();
    for pair in pairs {
        if !panels.contains(&pair.panel.as_str()) {
            panels.push(pair.panel.as_str());
        }
    }
    panels
}

/// A paired comparison of two variants of one panel and downstream task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Panel.
    pub panel: String,
    /// Downstream task.
    pub downstream: String,
    /// Variant looked at.
    pub variant: String,
    /// Variant it is compared with.
    pub baseline: String,
}

/// A moment of a downstream run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// The first step, at or after the end of the first epoch, at which activity was measured.
    FirstEpoch,
    /// The last step.
    Last,
}

/// A point of the transfer function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// Where f is largest.
    Peak,
    /// At the smallest data eigenvalue.
    First,
    /// At the largest data eigenvalue.
    Last,
}

/// An open interval; an end left out is infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// The number must be larger.
    pub above: Option<f64>,
    /// The number must be smaller.
    pub below: Option<f64>,
}
