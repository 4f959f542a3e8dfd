//! Crops of the committed photographs.
//!
//! Every photograph is divided along its longer side into three bands, for upstream (two fifths), downstream (two fifths) and
//! holdout (one fifth). No crop crosses a line, so no pixel serves two splits.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use image::RgbImage;
use rand::{Rng, RngExt};
use randlab_core::{Digest, Purpose, Seed, Split, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Source,
    picture::{self, CROP},
    room,
};
use crate::{
    DataError, Inputs, Prepared, SplitSizes,
    config::range,
    files::{self, there},
    prepare::Item,
};

/// Name of the list of photographs.
const LIST: &str = "sources.toml";

/// The list of photographs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    photo: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    class: String,
    #[serde(rename = "author")]
    _author: String,
    #[serde(rename = "license")]
    _license: String,
    #[serde(rename = "source")]
    _source: String,
    blake3: Digest,
}

struct Photo {
    file: String,
    class: usize,
    rgb: RgbImage,
}

struct Crop {
    photo: usize,
    x: u32,
    y: u32,
    side: u32,
    pixels: Vec<u8>,
}

/// 32x32 colour crops of the committed photographs; classes are scene categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Photos {
    /// Folder with `sources.toml` and the photographs.
    pub path: String,
    /// Smallest side of a crop before reduction, in pixels.
    pub min_side: u32,
    /// Crops whose grey levels have a smaller standard deviation (0 to 255) are rejected.
    pub flat_below: f64,
}

impl Source for Photos {
    fn name(&self) -> &'static str {
        "photos"
    }

    fn check(&self) -> Result<(), String> {
        range("min_side", self.min_side, 1, picture::MOST)?;
        if (0.0..=255.0).contains(&self.flat_below) {
            return Ok(());
        }
        Err(format!("flat_below = {} is out of range (0 to 255)", self.flat_below))
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn files(&self) -> Result<Vec<PathBuf>, DataError> {
        let list = listed(&self.path)?;
        let root = Path::new(&self.path);
        let mut files: Vec<PathBuf> =
            list.photo.iter().map(|photo| root.join(&photo.path)).collect();
        files.push(root.join(LIST));
        files
            .sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
        files.dedup();
        Ok(files)
    }

    /// Equal numbers of crops per class and split. Each crop is drawn from a stream of its own, keyed by its id.
    fn draw(
        &self,
        sizes: SplitSizes,
        seed: Seed,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Prepared, DataError> {
        let path = &self.path;
        let (photos, classes) = load(path)?;
        let splits = Split::ALL.into_iter().flat_map(|s| (0..sizes.of(s)).map(move |i| (s, i)));
        let mut pixels = room(sizes.total(), 3 * CROP * CROP)?;
        let mut items = Vec::new();
        let mut rejected = 0;
        for (id, (split, i)) in (0..).zip(splits) {
            let class = i as usize % classes.len();
            let of_class: Vec<usize> =
                (0..photos.len()).filter(|&p| photos[p].class == class).collect();
            let mut rng = stream(seed, Purpose::Crops, u64::from(id));
            let rule = (self.min_side, self.flat_below);
            let crop = next_crop(&photos, &of_class, split, rule, &mut rng, &mut rejected)
                .map_err(|problem| DataError::content(path, problem))?;
            pixels.extend(&crop.pixels);
            items.push(Item {
                id,
                split,
                real: u32::try_from(class).ok(),
                file: Some(photos[crop.photo].file.clone()),
                crop: Some([crop.x, crop.y, crop.side]),
            });
            progress(u64::from(id) + 1, u64::from(sizes.total()));
        }
        let notes = BTreeMap::from([
            ("photographs".to_owned(), json!(photos.len())),
            ("crops_rejected_as_flat".to_owned(), json!(rejected)),
        ]);
        let inputs = Inputs::Pixels(pixels);
        Ok(Prepared { shape: [3, CROP, CROP], inputs, items, classes, notes, population: None })
    }
}

/// Reads the list of photographs.
fn listed(root: &str) -> Result<List, DataError> {
    const BYTES: u64 = 16 << 20;
    there(root, "set `path` in the dataset file to your copy")?;
    let list = Path::new(root).join(LIST);
    let text = String::from_utf8(files::read(&list, BYTES)?)
        .map_err(|_| DataError::content(&list, "not a text file; restore it"))?;
    toml::from_str(&text).map_err(|e| DataError::content(&list, e.message().to_owned()))
}

/// All photographs with their class, and the class names in the order of their first photograph.
fn load(root: &str) -> Result<(Vec<Photo>, Vec<String>), DataError> {
    let sources = listed(root)?;
    let root = Path::new(root);
    let list = root.join(LIST);
    let mut classes: Vec<String> = Vec::new();
    let mut photos = Vec::new();
    for entry in sources.photo {
        let class = classes.iter().position(|c| *c == entry.class).unwrap_or_else(|| {
            classes.push(entry.class.clone());
            classes.len() - 1
        });
        let file = root.join(&entry.path);
        let bytes = files::read(&file, picture::BYTES)?;
        if Digest::of(&bytes) != entry.blake3 {
            let problem = format!("not the file listed in {}; restore it", list.display());
            return Err(DataError::content(file, problem));
        }
        let decoded = picture::decode(&bytes).map_err(|e| DataError::content(&file, e))?;
        photos.push(Photo { file: entry.path, class, rgb: decoded.rgb });
    }
    if photos.is_empty() {
        return Err(DataError::content(list, "no [[photo]] in it"));
    }
    Ok((photos, classes))
}

/// The first crop that is not flat.
fn next_crop(
    photos: &[Photo],
    of_class: &[usize],
    split: Split,
    (min_side, flat_below): (u32, f64),
    rng: &mut impl Rng,
    rejected: &mut u64,
) -> Result<Crop, String> {
    const TRIES: u32 = 10_000;
    for _ in 0..TRIES {
        let photo = of_class[rng.random_range(0..of_class.len())];
        let rgb = &photos[photo].rgb;
        let [left, top, width, height] = region(rgb.dimensions(), split);
        let most = width.min(height);
        if most < min_side.max(1) {
            let file = &photos[photo].file;
            return Err(format!(
                "{file}: region of {width}x{height} pixels for {}, crops need {min_side}",
                split.name()
            ));
        }
        let side = log_uniform(min_side.max(1), most, rng);
        let x = left + rng.random_range(0..=width - side);
        let y = top + rng.random_range(0..=height - side);
        let pixels = picture::reduce(rgb, x, y, side);
        if grey_deviation(&pixels) >= flat_below {
            return Ok(Crop { photo, x, y, side, pixels });
        }
        *rejected += 1;
    }
    Err(format!("no crop with grey levels that deviate by {flat_below} or more; lower flat_below"))
}

/// Left, top, width and height of a split's band.
const fn region((width, height): (u32, u32), split: Split) -> [u32; 4] {
    let long = if width >= height { width } else { height };
    let (from, to) = match split {
        Split::Upstream => (0, long * 2 / 5),
        Split::Downstream => (long * 2 / 5, long * 4 / 5),
        Split::Holdout => (long * 4 / 5, long),
    };
    if width >= height { [from, 0, to - from, height] } else { [0, from, width, to - from] }
}

/// A whole number from `least` to `most` whose logarithm is uniform.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two u32")]
fn log_uniform(least: u32, most: u32, rng: &mut impl Rng) -> u32 {
    let share: f64 = rng.random();
    let side = f64::from(least) * (f64::from(most) / f64::from(least)).powf(share);
    (side as u32).clamp(least, most)
}

/// Standard deviation of the grey levels (plain mean of the channels) of a crop.
fn grey_deviation(pixels: &[u8]) -> f64 {
    let plane = CROP * CROP;
    let grey = |i: usize| (0..3).map(|c| f64::from(pixels[c * plane + i])).sum::<f64>() / 3.0;
    let mean = (0..plane).map(grey).sum::<f64>() / plane as f64;
    ((0..plane).map(|i| (grey(i) - mean).powi(2)).sum::<f64>() / plane as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_a_photograph_without_overlap() {
        for size in [(1600, 1000), (1065, 1600), (1601, 999)] {
            let [up, down, held] = Split::ALL.map(|split| region(size, split));
            let area = |r: [u32; 4]| r[2] * r[3];
            assert_eq!(area(up) + area(down) + area(held), size.0 * size.1);
            let along = usize::from(size.0 < size.1);
            assert_eq!(up[along] + up[2 + along], down[along]);
            assert_eq!(down[along] + down[2 + along], held[along]);
        }
    }

    #[test]
    fn sides_are_log_uniform() {
        let mut rng = stream(Seed::new(1), Purpose::Crops, 0);
        let sides: Vec<u32> = (0..4000).map(|_| log_uniform(100, 400, &mut rng)).collect();
        assert!(sides.iter().all(|s| (100..=400).contains(s)));
        let small = sides.iter().filter(|&&s| s < 200).count() as f64 / 4000.0;
        assert!((small - 0.5).abs() < 0.03, "{small}");
    }

    #[test]
    fn flat_crops_have_no_deviation() {
        assert!(grey_deviation(&[90; 3 * CROP * CROP]) < 1e-9);
        let half: Vec<u8> = (0..3 * CROP * CROP).map(|i| if i % 2 == 0 { 0 } else { 20 }).collect();
        assert!((grey_deviation(&half) - 10.0).abs() < 1e-9);
    }
}
