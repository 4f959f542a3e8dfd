//! From raw files to the one layout.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
};

use randlab_core::{ClassId, Digest, ImageId, Split};
use randlab_store::{TensorData, TensorFile, table::write_table};
use serde_json::{Value, json};

use crate::{DataError, LabelRow, Population, PrepareConfig};

/// A prepared dataset in memory: images in the order of their ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// `[C, H, W]` of every image; `[d, 1, 1]` for vectors.
    pub shape: [usize; 3],
    /// All values.
    pub inputs: Inputs,
    /// One per image.
    pub items: Vec<Item>,
    /// Class names; empty when the source has no classes.
    pub classes: Vec<String>,
    /// Facts for the manifest: counts of rejected crops, conversions, duplicates and the like.
    pub notes: BTreeMap<String, Value>,
    /// The law the vectors were drawn from, if it is known.
    pub population: Option<Population>,
}

/// Values of all images.
#[derive(Debug, Clone, PartialEq)]
pub enum Inputs {
    /// Pixels `[N, C, H, W]`, 0 to 255.
    Pixels(Vec<u8>),
    /// Vectors `[N, d]`, used as they are.
    Vectors(Vec<f32>),
}

/// Where an image comes from and what it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Position in the canonical order of the source.
    pub id: ImageId,
    /// What it is for.
    pub split: Split,
    /// Class of the source.
    pub real: Option<ClassId>,
    /// File, for images.
    pub file: Option<String>,
    /// Left edge, top edge and side, in pixels of that file, for crops.
    pub crop: Option<[u32; 3]>,
}

/// Draws the images or vectors `config` asks for. `progress` is called with the number done and the total.
///
/// # Errors
/// [`DataError`] naming the file that is missing, damaged or not enough.
pub fn prepare(
    config: &PrepareConfig,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Prepared, DataError> {
    let mut prepared = config.source.as_ref().draw(config.split, config.run.seed, progress)?;
    if let Some(count) = prepared.duplicates_across_splits() {
        prepared.notes.insert("duplicates_across_splits".to_owned(), json!(count));
    }
    Ok(prepared)
}

impl Prepared {
    /// Images whose pixels are those of an image before them in another split; none for vectors.
    fn duplicates_across_splits(&self) -> Option<u64> {
        let Inputs::Pixels(pixels) = &self.inputs else { return None };
        let size: usize = self.shape.iter().product();
        let mut first = BTreeMap::new();
        let mut count = 0;
        for (item, image) in self.items.iter().zip(pixels.chunks_exact(size)) {
            match first.entry(Digest::of(image)) {
                Entry::Vacant(entry) => {
                    entry.insert(item.split);
                }
                Entry::Occupied(entry) => count += u64::from(*entry.get() != item.split),
            }
        }
        Some(count)
    }

    /// Writes `images.safetensors`, `stats.safetensors` and `labels.parquet` into `dir` and returns their names.
    pub fn write(&self, dir: &Path, config: &PrepareConfig) -> Result<Vec<String>, DataError> {
        let [c, h, w] = self.shape;
        let n = self.items.len();
        let header = json!({
            "classes": self.classes,
            "shape": self.shape,
            "source": config.source.as_ref().name(),
            "split": config.split,
        });
        let inputs = match &self.inputs {
            Inputs::Pixels(pixels) => ("images", TensorData::u8(&[n, c, h, w], pixels.clone())),
            Inputs::Vectors(values) => {
                ("vectors", TensorData::f32(&[n, c * h * w], values.clone()))
            }
        };
        let ids = self.items.iter().map(|item| int(item.id)).collect();
        let ids = ("image_id", TensorData::i32(&[n], ids));
        let tensors = [inputs, ids].map(|(name, tensor)| (name.to_owned(), tensor));
        let tensors = BTreeMap::from(tensors);
        TensorFile { header: header.clone(), tensors }.write(&dir.join("images.safetensors"))?;
        TensorFile { header, tensors: self.statistics() }.write(&dir.join("stats.safetensors"))?;
        let rows: Vec<LabelRow> =
            self.items.iter().map(|item| row(item, config.run.id.as_str())).collect();
        write_table(&dir.join("labels.parquet"), rows)?;
        let names = ["images.safetensors", "labels.parquet", "stats.safetensors"];
        Ok(names.map(str::to_owned).to_vec())
    }

    /// `mean` and `std` per channel over the upstream images, in units of the whole range; or the population's `std` and
    /// `directions`.
    fn statistics(&self) -> BTreeMap<String, TensorData> {
        let mut tensors = BTreeMap::new();
        let mut put = |name: &str, shape: &[usize], values: Vec<f64>| {
            tensors.insert(name.to_owned(), TensorData::f64(shape, values));
        };
        if let Some(population) = &self.population {
            let d = population.std.len();
            put("std", &[d], population.std.clone());
            put("directions", &[d, d], population.directions.clone());
        }
        if let Inputs::Pixels(pixels) = &self.inputs {
            let size: usize = self.shape.iter().product();
            let images = self.items.iter().zip(pixels.chunks_exact(size));
            let upstream = images.filter(|(item, _)| item.split == Split::Upstream);
            let (mean, std) = channel_statistics(upstream.map(|(_, image)| image), self.shape);
            put("mean", &[self.shape[0]], mean);
            put("std", &[self.shape[0]], std);
        }
        tensors
    }
}

/// Mean and standard deviation per channel, exact up to the last rounding: sums are whole numbers.
fn channel_statistics<'a>(
    images: impl Iterator<Item = &'a [u8]>,
    [c, h, w]: [usize; 3],
) -> (Vec<f64>, Vec<f64>) {
    let mut sums = vec![(0u64, 0u64); c];
    let mut count = 0;
    for image in images {
        count += h * w;
        for (plane, (sum, squares)) in image.chunks_exact(h * w).zip(&mut sums) {
            *sum += plane.iter().map(|&p| u64::from(p)).sum::<u64>();
            *squares += plane.iter().map(|&p| u64::from(p).pow(2)).sum::<u64>();
        }
    }
    let n = count as f64;
    let each = |(sum, squares): (u64, u64)| {
        let mean = sum as f64 / n;
        (mean / 255.0, (squares as f64 / n - mean * mean).max(0.0).sqrt() / 255.0)
    };
    sums.into_iter().map(each).unzip()
}

/// Ids and sizes in tables and tensors are Int32 and stay below its limit, see [`crate::SplitSizes::MOST`].
fn int(x: u32) -> i32 {
    i32::try_from(x).unwrap_or(i32::MAX)
}

fn row(item: &Item, run: &str) -> LabelRow {
    LabelRow {
        stage: "prepare".to_owned(),
        run_id: run.to_owned(),
        image_id: int(item.id),
        split: item.split.name().to_owned(),
        real: item.real.map(int),
        assigned: None,
        scheme: if item.real.is_some() { "real" } else { "none" }.to_owned(),
        source_image: item.file.clone(),
        crop_x: item.crop.map(|c| int(c[0])),
        crop_y: item.crop.map(|c| int(c[1])),
        crop_side: item.crop.map(|c| int(c[2])),
    }
}
