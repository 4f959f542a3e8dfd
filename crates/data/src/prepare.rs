//! From raw files to the one layout.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use randlab_core::{ClassId, Digest, Hasher, ImageId, Split};
use randlab_recipe::{PrepareConfig, Source};
use randlab_store::{
    InputRef, TensorData, TensorFile,
    table::{LabelRow, write_table},
};
use serde_json::{Value, json};

use crate::{DataError, Population, source};

/// A prepared dataset in memory: images in the order upstream, downstream, holdout, by id inside each.
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
    source::draw(&config.source, config.split, config.run.seed, progress)
}

impl Prepared {
    /// Writes `images.safetensors`, `stats.safetensors` and `labels.parquet` into `dir` and returns their names.
    pub fn write(&self, dir: &Path, config: &PrepareConfig) -> Result<Vec<String>, DataError> {
        let [c, h, w] = self.shape;
        let n = self.items.len();
        let header = json!({
            "classes": self.classes,
            "shape": self.shape,
            "source": config.source.name(),
            "split": config.split,
        });
        let inputs = match &self.inputs {
            Inputs::Pixels(pixels) => ("images", TensorData::u8(&[n, c, h, w], pixels.clone())),
            Inputs::Vectors(values) => {
                ("vectors", TensorData::f32(&[n, c * h * w], values.clone()))
            }
        };
        let tensors = BTreeMap::from([(inputs.0.to_owned(), inputs.1)]);
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
            let upstream = self.items.iter().filter(|i| i.split == Split::Upstream).count();
            let image: usize = self.shape.iter().product();
            let (mean, std) = channel_statistics(&pixels[..upstream * image], self.shape);
            put("mean", &[self.shape[0]], mean);
            put("std", &[self.shape[0]], std);
        }
        tensors
    }
}

/// Mean and standard deviation per channel, exact up to the last rounding: sums are whole numbers.
fn channel_statistics(pixels: &[u8], [c, h, w]: [usize; 3]) -> (Vec<f64>, Vec<f64>) {
    let mut sums = vec![(0u64, 0u64); c];
    for image in pixels.chunks_exact(c * h * w) {
        for (plane, (sum, squares)) in image.chunks_exact(h * w).zip(&mut sums) {
            *sum += plane.iter().map(|&p| u64::from(p)).sum::<u64>();
            *squares += plane.iter().map(|&p| u64::from(p).pow(2)).sum::<u64>();
        }
    }
    let n = (pixels.len() / c) as f64;
    let each = |(sum, squares): (u64, u64)| {
        let mean = sum as f64 / n;
        (mean / 255.0, (squares as f64 / n - mean * mean).max(0.0).sqrt() / 255.0)
    };
    sums.into_iter().map(each).unzip()
}

fn row(item: &Item, run: &str) -> LabelRow {
    let int = |x: u32| i32::try_from(x).unwrap_or(i32::MAX);
    LabelRow {
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

/// The raw files behind a source with the digest of their content: part of the fingerprint of the run that reads them. Empty
/// for sources that need no files. Beyond 2 GiB names and sizes take the place of content.
///
/// # Errors
/// [`DataError::Content`] when the path is not there.
pub fn raw_inputs(source: &Source) -> Result<Vec<InputRef>, DataError> {
    const MOST: u64 = 2 << 30;
    let Some(path) = source.path() else { return Ok(Vec::new()) };
    let root = Path::new(path);
    let mut files = Vec::new();
    list(root, &mut files).map_err(|e| missing(source, path, e))?;
    files.sort();
    let size = |file: &PathBuf| fs::metadata(file).map(|m| m.len()).map_err(DataError::read(file));
    let total: u64 = files.iter().map(size).sum::<Result<u64, DataError>>()?;
    let mut hasher = Hasher::new("randlab raw files");
    for file in &files {
        let name = file.strip_prefix(root).unwrap_or(file);
        hasher.field(name.to_string_lossy().as_bytes()).field(&size(file)?.to_le_bytes());
        if total <= MOST {
            let content = fs::read(file).map_err(DataError::read(file))?;
            hasher.field(Digest::of(&content).as_str().as_bytes());
        }
    }
    Ok(vec![InputRef { name: path.to_owned(), digest: hasher.digest() }])
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        list(&entry?.path(), files)?;
    }
    Ok(())
}

fn missing(source: &Source, path: &str, error: std::io::Error) -> DataError {
    if error.kind() != std::io::ErrorKind::NotFound {
        return DataError::read(path)(error);
    }
    let advice = match source {
        Source::Cifar10 { .. } => {
            "run `make data-cifar10`, or set `path` in the dataset file to your copy"
        }
        _ => "set `path` in the dataset file to your copy",
    };
    DataError::content(path, format!("not found; {advice}"))
}
