//! CIFAR-100.

use std::path::PathBuf;

use randlab_core::Seed;
use serde::{Deserialize, Serialize};

use super::{
    Source,
    cifar::{self, Layout},
};
use crate::{DataError, Prepared, SplitSizes};

/// The official binary layout of CIFAR-100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cifar100 {
    /// Folder or archive.
    pub path: String,
    /// Which of the two labels is the class.
    pub labels: Cifar100Labels,
    /// As for CIFAR-10.
    pub subset: bool,
}

/// Which CIFAR-100 label is the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cifar100Labels {
    /// 100 classes.
    Fine,
    /// 20 superclasses.
    Coarse,
}

impl Source for Cifar100 {
    fn name(&self) -> &'static str {
        if self.subset { "cifar100-subset" } else { "cifar100" }
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn files(&self) -> Result<Vec<PathBuf>, DataError> {
        let advice = "set `path` in the dataset file to your copy";
        cifar::files(&self.path, advice, &self.layout())
    }

    fn draw(
        &self,
        split: SplitSizes,
        seed: Seed,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Prepared, DataError> {
        cifar::draw((&self.path, self.subset), &self.layout(), (split, seed), progress)
    }
}

impl Cifar100 {
    fn layout(&self) -> Layout {
        let (label, count, name) = match self.labels {
            Cifar100Labels::Coarse => (0, 20, "coarse"),
            Cifar100Labels::Fine => (1, 100, "fine"),
        };
        Layout {
            files: &["train.bin", "test.bin"],
            records: (50_000, 10_000),
            header: 2,
            label,
            classes: (0..count).map(|i| format!("{name}{i}")).collect(),
        }
    }
}
