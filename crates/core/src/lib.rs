//! The vocabulary every other crate shares: identifiers, named random streams and digests.
//!
//! Nothing here does input or output, and nothing here knows about tensors.

mod digest;
mod id;
mod json;
mod kinds;
pub mod range;
mod run;
mod seed;
mod words;

pub use digest::{Digest, Hasher};
pub use id::{IdError, RunId};
pub use json::canonical_json;
pub use run::RunInfo;
pub use seed::{Purpose, Seed, name_index, stream};

/// Position of an image in the canonical order of its source. Splits, labels and crops are keyed by it, so they do
/// not depend on batch size, on the order of reading or on which other images are in use.
pub type ImageId = u32;

/// Index of a class, counted from 0.
pub type ClassId = u32;

/// What an image is used for. Disjoint by construction.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Trained on by the first phase (random or real labels).
    Upstream,
    /// Trained on by the second phase.
    Downstream,
    /// Trained on by neither; measured with its real labels.
    Holdout,
}

impl Split {
    /// All splits, in the order in which images are dealt to them.
    pub const ALL: [Self; 3] = [Self::Upstream, Self::Downstream, Self::Holdout];

    /// The name used in tables and configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
            Self::Holdout => "holdout",
        }
    }
}
