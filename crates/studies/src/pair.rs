//! Two variants that are compared.

use randlab_report::{ArmRef, Layout};
use serde::{Deserialize, Serialize};

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

impl Pair {
    /// The variant looked at.
    pub fn own(&self) -> ArmRef {
        self.arm(&self.variant)
    }

    /// What it is compared with.
    pub fn base(&self) -> ArmRef {
        self.arm(&self.baseline)
    }

    /// Another variant of the same panel and task.
    pub fn arm(&self, variant: &str) -> ArmRef {
        ArmRef::variant(&self.panel, &self.downstream, variant)
    }

    /// Both.
    pub fn arms(&self) -> Vec<ArmRef> {
        vec![self.own(), self.base()]
    }
}

/// Arms of all of `pairs`.
pub(crate) fn arms<'p>(pairs: impl IntoIterator<Item = &'p Pair>) -> Vec<ArmRef> {
    pairs.into_iter().flat_map(Pair::arms).collect()
}

/// Refuses fewer than `least` pairs: their rank correlation could only be 1 or -1.
pub(crate) fn check_many(pairs: &[Pair], least: usize, layout: &dyn Layout) -> Result<(), String> {
    if pairs.len() < least {
        return Err(format!("{} pairs; at least {least} are needed", pairs.len()));
    }
    layout.arms(&arms(pairs))
}
