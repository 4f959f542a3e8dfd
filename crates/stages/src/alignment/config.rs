//! The resolved configuration of one analysis.

use randlab_core::{RunId, RunInfo};
use serde::{Deserialize, Serialize};

/// Resolved configuration of `randlab-align`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignConfig {
    /// Who the run is.
    pub run: RunInfo,
    /// Runs looked at. With several, their first-layer filters are pooled, at the last checkpoint only.
    pub subjects: Vec<Subject>,
    /// Number of Haar-random bases the score is compared with; the same ones at all steps.
    pub random_bases: u32,
}

/// A pretrain run and the data its inputs are measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The pretrain run.
    pub run: RunId,
    /// Its prepared dataset.
    pub data: RunId,
}
