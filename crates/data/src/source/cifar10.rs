//! CIFAR-10.

use std::path::PathBuf;

use randlab_core::Seed;
use serde::{Deserialize, Serialize};

use super::{
    Source,
    cifar::{self, Layout},
};
use crate::{DataError, Prepared, SplitSizes};

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The official binary layout of CIFAR-10: a folder of `.bin` files or the `.tar.gz`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cifar10 {
    /// Folder or archive.
    pub path: String,
    /// Accept files with fewer records than the official ones; recorded, and never called CIFAR-10 alone.
    pub subset: bool,
}

impl Source for Cifar10 {
    fn name(&self) -> &'static str {
        if self.subset { "cifar10-subset" } else { "cifar10" }
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn files(&self) -> Result<Vec<PathBuf>, DataError> {
        let advice = "run `make data-cifar10`, or set `path` in the dataset file to your copy";
        cifar::files(&self.path, advice, &layout())
    }

    fn draw(
        &self,
        split: SplitSizes,
        seed: Seed,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Prepared, DataError> {
        cifar::draw((&self.path, self.subset), &layout(), (split, seed), progress)
    }
}

fn layout() -> Layout {
    Layout {
        files: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
            "test_batch.bin",
        ],
        records: (10_000, 10_000),
        header: 1,
        label: 0,
        classes: CLASSES.map(str::to_owned).to_vec(),
    }
}
