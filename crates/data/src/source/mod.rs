//! The sources: where images and vectors come from.

mod cifar;
mod cifar10;
mod cifar100;
mod fashion_mnist;
mod gaussian;
mod image_folder;
mod photos;
mod picture;
mod tree;

use std::{collections::BTreeMap, path::PathBuf};

use randlab_core::{ImageId, Seed};
use serde_json::{Value, json};

pub use self::{
    cifar10::Cifar10,
    cifar100::{Cifar100, Cifar100Labels},
    fashion_mnist::FashionMnist,
    gaussian::{Gaussian, Rotation},
    image_folder::ImageFolder,
    photos::Photos,
};
use crate::{DataError, Inputs, Prepared, SplitSizes, pool::Pool, prepare::Item};

randlab_core::kinds! {
    /// A source of images or vectors.
    pub enum Sources: Source {
        "photos" => Photos, "32x32 colour crops of the committed photographs; classes are scene categories";
        "cifar10" => Cifar10, "the official binary layout of CIFAR-10: a folder of `.bin` files or the `.tar.gz`";
        "cifar100" => Cifar100, "the official binary layout of CIFAR-100";
        "image-folder" => ImageFolder, "folders of pictures, `ROOT/CLASS/*.jpg`, `.jpeg` or `.png`, or a flat folder of files named `nNNNNNNNN_*`";
        "fashion-mnist" => FashionMnist, "IDX files, plain or gzipped; 28x28 grey padded to 32x32";
        "gaussian" => Gaussian, "`N(0, R diag(std^2) R^T)` vectors";
    }
}

/// Behaviour of a source.
pub trait Source {
    /// The name used in tables and on figures.
    fn name(&self) -> &'static str;

    /// Checks the specification as far as that is possible without files.
    ///
    /// # Errors
    /// A text naming the key and what it can be.
    fn check(&self) -> Result<(), String>;

    /// File or folder the raw files are in; none for synthetic data.
    fn path(&self) -> Option<&str>;

    /// Every file that [`Source::draw`] reads, sorted by the bytes of their names. Nothing else identifies the data.
    ///
    /// # Errors
    /// [`DataError`] naming what is not there or cannot be part of the data.
    fn files(&self) -> Result<Vec<PathBuf>, DataError>;

    /// Draws the images of all splits, in the order of their ids. `progress` is called with the number done and the total.
    ///
    /// # Errors
    /// [`DataError`] naming the file that is missing, damaged or not enough.
    fn draw(
        &self,
        split: SplitSizes,
        seed: Seed,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Prepared, DataError>;
}

/// Deals the images of `pool` to the splits and loads them.
fn collect(
    mut pool: Pool,
    path: &str,
    (split, seed): (SplitSizes, Seed),
    mut notes: BTreeMap<String, Value>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Prepared, DataError> {
    let mut dealt = pool.deal(split, seed).map_err(|problem| {
        DataError::content(path, format!("{problem}; lower [data.*].split in the experiment"))
    })?;
    dealt.sort_by_key(|&(_, i)| i);
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

/// An empty list for the values of all images.
///
/// # Errors
/// When there is not enough memory for them.
fn room<T>(images: u32, each: usize) -> Result<Vec<T>, DataError> {
    let mut values = Vec::new();
    let count = (images as usize).saturating_mul(each);
    values.try_reserve_exact(count).map_err(|_| {
        DataError::content("[data.*].split", format!("no memory for {images} images; lower it"))
    })?;
    Ok(values)
}
