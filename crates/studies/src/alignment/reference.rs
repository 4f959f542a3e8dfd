//! Points read off a figure of the paper.

use serde::{Deserialize, Serialize};

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
