//! The sources.

mod cifar;
mod folder;
mod gaussian;
mod idx;
mod photos;
mod picture;

use std::collections::BTreeMap;

use randlab_core::{ImageId, Seed};
use randlab_recipe::{Source, SplitSizes};
use serde_json::{Value, json};

use crate::{DataError, Inputs, Prepared, pool::Pool, prepare::Item};

/// Draws the images of all splits.
pub(crate) fn draw(
    source: &Source,
    split: SplitSizes,
    seed: Seed,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Prepared, DataError> {
    let mut notes = BTreeMap::new();
    let pool = match source {
        Source::Photos { path, min_side, flat_below } => {
            return photos::draw(path, (*min_side, *flat_below), split, seed, progress);
        }
        Source::Gaussian { std, rotation } => return gaussian::draw(std, *rotation, split, seed),
        Source::Cifar10 { path, subset } => cifar::ten(path, *subset, &mut notes)?,
        Source::Cifar100 { path, labels, subset } => {
            cifar::hundred(path, *labels, *subset, &mut notes)?
        }
        Source::ImageFolder { path, size } => folder::open(path, *size, &mut notes)?,
        Source::FashionMnist { path } => idx::open(path)?,
    };
    let path = source.path().unwrap_or_default();
    collect(pool, path, split, seed, notes, progress)
}

fn collect(
    mut pool: Pool,
    path: &str,
    split: SplitSizes,
    seed: Seed,
    mut notes: BTreeMap<String, Value>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Prepared, DataError> {
    let dealt = pool.deal(split, seed).map_err(|problem| {
        DataError::content(path, format!("{problem}; lower [data.*].split in the experiment"))
    })?;
    let mut pixels = Vec::new();
    let mut items = Vec::new();
    for (done, &(split, i)) in dealt.iter().enumerate() {
        pixels.extend((pool.load)(i)?);
        items.push(Item {
            id: ImageId::try_from(i).unwrap_or(ImageId::MAX),
            split,
            real: Some(pool.labels[i]),
            file: Some((pool.origin)(i)),
            crop: None,
        });
        progress(done as u64 + 1, dealt.len() as u64);
    }
    notes.insert("images_available".into(), json!(pool.labels.len()));
    let (shape, classes) = (pool.shape, pool.classes);
    let inputs = Inputs::Pixels(pixels);
    Ok(Prepared { shape, inputs, items, classes, notes, population: None })
}
