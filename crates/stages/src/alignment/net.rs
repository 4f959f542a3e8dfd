//! First layers of trained nets.

use std::{collections::BTreeMap, path::Path};

use randlab_data::Dataset;
use randlab_moments::Filters;
use randlab_nn::{Checkpoint, NnError};
use randlab_store::Manifest;

use super::seen::Seen;

/// The first layer of one run at each of its checkpoints, and what it looked at.
pub struct Net {
    /// Name of its source of data, for tables.
    pub dataset: String,
    /// Name of its first layer.
    pub(super) layer: String,
    /// Shape of one filter: `[C, k, k]` or `[d, 1, 1]`.
    pub(super) shape: [usize; 3],
    /// By step, rising.
    pub(super) steps: Vec<(u64, Filters)>,
    pub(super) seen: Seen,
}

impl Net {
    /// Reads the checkpoints of the training run in `dir`, which learned from `data`: `all` of them, or only the last.
    ///
    /// # Errors
    /// When a file cannot be read or is no checkpoint.
    pub fn read(data: &Dataset, dir: &Path, all: bool) -> anyhow::Result<Self> {
        let manifest = Manifest::read(dir)?;
        let kept = manifest.outputs.iter().filter(|f| all && f.name.starts_with("checkpoints/"));
        let names = kept.map(|f| f.name.as_str()).chain([Checkpoint::FINAL]);
        let mut steps = BTreeMap::new();
        let mut first = None;
        for name in names {
            let path = dir.join(name);
            let checkpoint = Checkpoint::read(&path)?;
            let (layer, shape, filters) = first_layer(&path, &checkpoint)?;
            steps.insert(checkpoint.header.step, filters);
            first.get_or_insert((layer, shape));
        }
        let (layer, shape) = first.unwrap_or_default();
        let (kernel, shape) = match shape[..] {
            [c, k, _] => (Some(k), [c, k, k]),
            _ => (None, [shape.iter().product(), 1, 1]),
        };
        let seen = Seen::of(data, kernel)?;
        Ok(Self {
            dataset: data.source().to_owned(),
            layer,
            shape,
            steps: steps.into_iter().collect(),
            seen,
        })
    }

    /// The last checkpoint; there always is one.
    pub(super) fn last(&self) -> &(u64, Filters) {
        &self.steps[self.steps.len() - 1]
    }

    /// Filters before the first step, if that checkpoint was kept.
    pub(super) fn start(&self) -> Option<&Filters> {
        self.steps.first().filter(|(step, _)| *step == 0).map(|(_, filters)| filters)
    }
}

/// Name, shape of one filter, `[C, k, k]` or `[d]`, and the filters.
fn first_layer(
    path: &Path,
    checkpoint: &Checkpoint,
) -> anyhow::Result<(String, Vec<usize>, Filters)> {
    let h = &checkpoint.header;
    let layers = randlab_nn::layers(&h.model, h.input, h.classes)?;
    let layer = layers.first().map_or("", |l| &l.name);
    let wrong = |problem: String| NnError::Checkpoint { path: path.display().to_string(), problem };
    let weight = checkpoint.parameters.get(&format!("{layer}.weight"));
    let weight = weight.ok_or_else(|| wrong(format!("no tensor {layer}.weight")))?;
    let shape = match &weight.shape[..] {
        [_, rest @ ..] if [1, 3].contains(&rest.len()) => rest.to_vec(),
        _ => return Err(wrong(format!("{layer}.weight is {:?}", weight.shape)).into()),
    };
    let filters = Filters::of(&weight.values, shape.iter().product())?;
    Ok((layer.to_owned(), shape, filters))
}
