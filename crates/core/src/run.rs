//! The identity of a run.

use serde::{Deserialize, Serialize};

use crate::{RunId, Seed};

/// Who a run is. Every table that describes a run uses the same words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// Unique within a scale and a stage.
    pub id: RunId,
    /// Experiment file the run comes from.
    pub experiment: String,
    /// Part of the experiment: one data set, net and pre-training recipe.
    pub panel: String,
    /// Variant within the panel; empty for prepare and pretrain.
    pub arm: String,
    /// `smoke`, `laptop` or `paper`.
    pub scale: String,
    /// Root seed from which everything random in the run derives; paired runs share it.
    pub seed: Seed,
}
