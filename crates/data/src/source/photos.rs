//! Crops of the committed photographs.
//!
//! Every photograph is divided along its longer side into three bands, for upstream (two fifths), downstream (two fifths) and
//! holdout (one fifth). No crop crosses a line, so no pixel serves two splits.

use std::{collections::BTreeMap, fs, path::Path};

use image::RgbImage;
use rand::{Rng, RngExt};
use randlab_core::{Digest, Purpose, Seed, Split, stream};
use randlab_recipe::SplitSizes;
use serde::Deserialize;
use serde_json::json;

use super::picture::{self, CROP};
use crate::{DataError, Inputs, Prepared, prepare::Item};

/// The list of photographs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
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

/// Equal numbers of crops per class and split. Each crop is drawn from a stream of its own, keyed by its id.
pub(crate) fn draw(
    path: &str,
    (min_side, flat_below): (u32, f64),
    sizes: SplitSizes,
    seed: Seed,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Prepared, DataError> {
    let (photos, classes) = load(Path::new(path))?;
    let splits = Split::ALL.into_iter().flat_map(|s| (0..sizes.of(s)).map(move |i| (s, i)));
    let mut pixels = Vec::with_capacity(sizes.total() as usize * 3 * CROP * CROP);
    let mut items = Vec::new();
    let mut rejected = 0;
    for (id, (split, i)) in (0..).zip(splits) {
        let class = i as usize % classes.len();
        let of_class: Vec<usize> =
            (0..photos.len()).filter(|&p| photos[p].class == class).collect();
        let mut rng = stream(seed, Purpose::Crops, u64::from(id));
        let rule = (min_side, flat_below);
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

/// All photographs with their class, and the class names in the order of their first photograph.
fn load(root: &Path) -> Result<(Vec<Photo>, Vec<String>), DataError> {
    let list = root.join("sources.toml");
    let text = fs::read_to_string(&list).map_err(DataError::read(&list))?;
    let sources: Sources =
        toml::from_str(&text).map_err(|e| DataError::content(&list, e.message().to_owned()))?;
    let mut classes: Vec<String> = Vec::new();
    let mut photos = Vec::new();
    for entry in sources.photo {
        let class = classes.iter().position(|c| *c == entry.class).unwrap_or_else(|| {
            classes.push(entry.class.clone());
            classes.len() - 1
        });
        let file = root.join(&entry.path);
        let bytes = fs::read(&file).map_err(DataError::read(&file))?;
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
