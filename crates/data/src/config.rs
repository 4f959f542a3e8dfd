//! The resolved configuration of `randlab-prepare`.

use randlab_core::{RunInfo, Split};
use serde::{Deserialize, Serialize};

use crate::Sources;

/// Resolved configuration of `randlab-prepare`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareConfig {
    /// Who the run is.
    pub run: RunInfo,
    /// Images per split.
    pub split: SplitSizes,
    /// Where the images come from.
    pub source: Sources,
}

/// Number of images in each split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSizes {
    /// For the first training phase.
    pub upstream: u32,
    /// For the second training phase.
    pub downstream: u32,
    /// Never trained on.
    pub holdout: u32,
}

impl SplitSizes {
    /// Images one split can have; three times as many fit the Int32 ids of the tables.
    pub const MOST: u32 = 100_000_000;

    /// Images in `split`.
    pub const fn of(&self, split: Split) -> u32 {
        match split {
            Split::Upstream => self.upstream,
            Split::Downstream => self.downstream,
            Split::Holdout => self.holdout,
        }
    }

    /// Images in all splits.
    pub const fn total(&self) -> u32 {
        self.upstream + self.downstream + self.holdout
    }

    /// Checks that the numbers are within range.
    ///
    /// # Errors
    /// A text naming the split and the range.
    pub fn check(&self) -> Result<(), String> {
        Split::ALL
            .into_iter()
            .try_for_each(|split| range(split.name(), self.of(split), 0, Self::MOST))
    }
}

/// Checks that a whole number is `least` to `most`.
///
/// # Errors
/// A text naming the key, its value and the range.
pub(crate) fn range(key: &str, value: u32, least: u32, most: u32) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} = {value} is out of range ({least} to {most})"))
}
