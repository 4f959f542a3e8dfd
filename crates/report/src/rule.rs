//! Claims and the rules by which they are judged.

use serde::{Deserialize, Serialize};

use crate::{ArmRef, Converged, Estimate, Layout, Runs};

/// How the number behind a claim is formed.
///
/// The estimate is formed per seed where that is possible; its 95 % interval is Student's t over seeds (or over the
/// jackknife of pooled runs). The claim holds when the interval lies on the right side of the bound, fails when it lies on
/// the wrong side, and is undecided otherwise. A measure with a p-value must also withstand Holm's correction over the
/// measures of its claim.
pub trait Rule {
    /// Arms whose runs the rule reads. Seeds that did not fit in any of their panels are left out.
    fn arms(&self) -> Vec<ArmRef>;

    /// Refuses a rule that the experiment has no runs for.
    ///
    /// # Errors
    /// Says what does not fit.
    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        layout.arms(&self.arms())
    }

    /// Where the number can lie.
    fn range(&self) -> Range {
        Range::Real
    }

    /// The number and its interval, of the seeds in `seeds.kept`.
    ///
    /// # Errors
    /// The reason why there is no number, for the page.
    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String>;
}

/// Where a number can lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Anywhere.
    Real,
    /// Between -1 and 1.
    Correlation,
}

impl Range {
    /// `interval` without what lies outside. Student's interval does not know that nothing lies there.
    pub(crate) const fn clip(self, (lo, hi): (f64, f64)) -> (f64, f64) {
        match self {
            Self::Real => (lo, hi),
            Self::Correlation => (lo.max(-1.0), hi.min(1.0)),
        }
    }
}

/// A claim and the rule by which it is judged, fixed before the runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimSpec<R> {
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
    pub rule: R,
    /// Where it must lie.
    pub bound: Bound,
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
