//! A prepared dataset, read back.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use randlab_core::{ClassId, ImageId, Split};
use randlab_moments::{Moments, MomentsError, PatchShape};
use randlab_store::{TensorData, TensorFile, Values, table::read_table};

use crate::{DataError, Inputs, LabelRow};

/// The law vectors were drawn from: `N(0, R diag(std^2) R^T)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Standard deviations `[d]`.
    pub std: Vec<f64>,
    /// R `[d, d]`, row-major; column i belongs to `std[i]`.
    pub directions: Vec<f64>,
}

/// A prepared dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    source: String,
    shape: [usize; 3],
    classes: Vec<String>,
    inputs: Inputs,
    /// Mean and standard deviation per channel, of the whole range.
    normalisation: Vec<(f64, f64)>,
    population: Option<Population>,
    splits: BTreeMap<Split, Part>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Part {
    ids: Vec<ImageId>,
    /// Where their values are.
    positions: Vec<usize>,
    real: Vec<Option<ClassId>>,
}

impl Dataset {
    /// Reads the dataset in `dir`.
    ///
    /// # Errors
    /// [`DataError`] naming the file that is missing, damaged or does not fit the others.
    pub fn open(dir: &Path) -> Result<Self, DataError> {
        let path = dir.join("images.safetensors");
        let mut file = TensorFile::read(&path)?;
        let bad = |problem: &str| DataError::content(&path, format!("{problem}; prepare it again"));
        let text =
            |key: &str| file.header.get(key).cloned().ok_or_else(|| bad("not a prepared dataset"));
        let source = text("source")?.as_str().unwrap_or_default().to_owned();
        let shape: [usize; 3] =
            serde_json::from_value(text("shape")?).map_err(|e| bad(&e.to_string()))?;
        let classes = serde_json::from_value(text("classes")?).map_err(|e| bad(&e.to_string()))?;
        let positions = positions(&mut file).map_err(|problem| bad(&problem))?;
        let inputs = inputs(&mut file, positions.len(), shape).map_err(|problem| bad(&problem))?;
        let splits = parts(dir, &positions)?;
        let (normalisation, population) = statistics(dir, &inputs, shape)?;
        Ok(Self { source, shape, classes, inputs, normalisation, population, splits })
    }

    /// The source's name, as in tables and on figures.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// `[C, H, W]` of every image; `[d, 1, 1]` for vectors.
    pub const fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of real classes; 0 when the source has none.
    pub fn classes(&self) -> ClassId {
        ClassId::try_from(self.classes.len()).unwrap_or(ClassId::MAX)
    }

    /// Ids of the images of `split`, rising.
    pub fn ids(&self, split: Split) -> &[ImageId] {
        self.splits.get(&split).map_or(&[], |part| &part.ids)
    }

    /// Their real classes.
    pub fn real(&self, split: Split) -> &[Option<ClassId>] {
        self.splits.get(&split).map_or(&[], |part| &part.real)
    }

    /// Their values `[n, C*H*W]` f32, standardised per channel with the mean and standard deviation of the upstream images;
    /// vectors as they are.
    pub fn standardised(&self, split: Split) -> Vec<f32> {
        let size: usize = self.shape.iter().product();
        let Some(part) = self.splits.get(&split) else { return Vec::new() };
        let spans = part.positions.iter().map(|at| at * size..(at + 1) * size);
        match &self.inputs {
            Inputs::Vectors(values) => spans.flat_map(|span| &values[span]).copied().collect(),
            Inputs::Pixels(pixels) => {
                let tables: Vec<[f32; 256]> = self.normalisation.iter().map(lookup).collect();
                let plane = self.shape[1] * self.shape[2];
                let planes = spans.flat_map(|span| pixels[span].chunks_exact(plane));
                let planes = planes.zip(tables.iter().cycle());
                planes.flat_map(|(plane, table)| plane.iter().map(|&p| table[p as usize])).collect()
            }
        }
    }

    /// Moments of what a first layer looks at: patches of side `kernel` of the standardised upstream images, `d = C * kernel^2`,
    /// or whole inputs without one, `d = C*H*W`.
    ///
    /// # Errors
    /// [`MomentsError::Size`] when the patch is larger than the image.
    pub fn patch_moments(&self, kernel: Option<usize>) -> Result<Moments, MomentsError> {
        let [channels, height, width] = self.shape;
        let inputs = self.standardised(Split::Upstream);
        match kernel {
            Some(kernel) => {
                Moments::of_patches(&inputs, PatchShape { channels, height, width, kernel })
            }
            None => Moments::of_rows(&inputs, channels * height * width),
        }
    }

    /// The law the vectors were drawn from, if it is known.
    pub const fn population(&self) -> Option<&Population> {
        self.population.as_ref()
    }
}

/// Standardised value of every grey level.
#[expect(clippy::cast_possible_truncation, reason = "training inputs are f32")]
fn lookup(&(mean, std): &(f64, f64)) -> [f32; 256] {
    // A channel without variation stays at 0.
    let scale = if std > 0.0 { 1.0 / std } else { 0.0 };
    std::array::from_fn(|level| ((level as f64 / 255.0 - mean) * scale) as f32)
}

/// Place of each image in the tensors, by id.
fn positions(file: &mut TensorFile) -> Result<HashMap<i32, usize>, String> {
    let Some(TensorData { shape, values: Values::I32(ids) }) = file.tensors.remove("image_id")
    else {
        return Err("no tensor image_id of I32".to_owned());
    };
    let count = ids.len();
    let positions: HashMap<i32, usize> = ids.into_iter().zip(0..).collect();
    if shape != [count] || positions.len() != count {
        return Err("tensor image_id names an image twice".to_owned());
    }
    Ok(positions)
}

/// Values of `count` images of the shape the header gives.
fn inputs(file: &mut TensorFile, count: usize, [c, h, w]: [usize; 3]) -> Result<Inputs, String> {
    let (name, tensor) = file.tensors.pop_first().ok_or("no images in it")?;
    let (inputs, expected) = match tensor.values {
        Values::U8(pixels) => (Inputs::Pixels(pixels), vec![count, c, h, w]),
        Values::F32(values) => (Inputs::Vectors(values), vec![count, c * h * w]),
        Values::F64(_) | Values::I32(_) => {
            return Err(format!("tensor {name} is neither of U8 nor of F32"));
        }
    };
    if tensor.shape != expected {
        return Err(format!("tensor {name} is {:?}, expected {expected:?}", tensor.shape));
    }
    Ok(inputs)
}

fn parts(dir: &Path, positions: &HashMap<i32, usize>) -> Result<BTreeMap<Split, Part>, DataError> {
    let path = dir.join("labels.parquet");
    let rows: Vec<LabelRow> = read_table(&path)?;
    let count = positions.len();
    if rows.len() != count {
        let problem = format!("{} rows for {count} images; prepare it again", rows.len());
        return Err(DataError::content(path, problem));
    }
    let mut parts = BTreeMap::new();
    let mut placed = 0;
    for split in Split::ALL {
        let mut part = Part::default();
        // Rows are sorted by id.
        for row in rows.iter().filter(|row| row.split == split.name()) {
            let number = |x: i32| u32::try_from(x);
            let real = row.real.map(number).transpose();
            let (Ok(id), Ok(real)) = (number(row.image_id), real) else {
                return Err(DataError::content(path, "negative id or class; prepare it again"));
            };
            let Some(&position) = positions.get(&row.image_id) else {
                let problem = format!("image {id} is not in images.safetensors; prepare it again");
                return Err(DataError::content(path, problem));
            };
            part.ids.push(id);
            part.positions.push(position);
            part.real.push(real);
        }
        placed += part.ids.len();
        parts.insert(split, part);
    }
    if placed != count {
        return Err(DataError::content(path, "unknown split; prepare it again"));
    }
    Ok(parts)
}

type Statistics = (Vec<(f64, f64)>, Option<Population>);

fn statistics(dir: &Path, inputs: &Inputs, shape: [usize; 3]) -> Result<Statistics, DataError> {
    let path: PathBuf = dir.join("stats.safetensors");
    let file = TensorFile::read(&path)?;
    let get = |name: &str, count: usize| {
        let values = file.tensors.get(name).and_then(TensorData::as_f64);
        let values = values.filter(|v| v.len() == count).map(<[f64]>::to_vec);
        let problem = || format!("no tensor {name} of {count} numbers; prepare it again");
        values.ok_or_else(|| DataError::content(&path, problem()))
    };
    let d = shape[0];
    if matches!(inputs, Inputs::Vectors(_)) {
        let population = Population { std: get("std", d)?, directions: get("directions", d * d)? };
        return Ok((Vec::new(), Some(population)));
    }
    Ok((get("mean", d)?.into_iter().zip(get("std", d)?).collect(), None))
}
