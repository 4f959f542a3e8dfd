//! Fashion-MNIST: IDX files, plain or gzipped, 28x28 grey padded with black to 32x32.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use randlab_core::ClassId;

use crate::{DataError, pool::Pool};

const SIDE: usize = 28;
const PADDED: usize = 32;
/// Bytes of the largest file, decoded, with room to spare.
const MOST: u64 = 100 << 20;

const CLASSES: [&str; 10] = [
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
];

/// Reads the four files of `root`.
pub(crate) fn open(root: &str) -> Result<Pool, DataError> {
    let root = Path::new(root);
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    let mut test_from = 0;
    for part in ["train", "t10k"] {
        test_from = labels.len();
        let images = Idx::read(root, &format!("{part}-images-idx3-ubyte"), &[SIDE, SIDE])?;
        let classes = Idx::read(root, &format!("{part}-labels-idx1-ubyte"), &[])?;
        if images.count != classes.count {
            let problem = format!("{} labels for {} images", classes.count, images.count);
            return Err(DataError::content(classes.path, problem));
        }
        if let Some(label) = classes.values.iter().find(|&&l| usize::from(l) >= CLASSES.len()) {
            let problem = format!("class {label}, expected 0 to {}", CLASSES.len() - 1);
            return Err(DataError::content(classes.path, problem));
        }
        pixels.extend(images.values);
        labels.extend(classes.values.into_iter().map(ClassId::from));
    }
    let load = move |i: usize| Ok(padded(&pixels[i * SIDE * SIDE..(i + 1) * SIDE * SIDE]));
    let origin = move |i: usize| {
        if i < test_from { format!("train#{i}") } else { format!("t10k#{}", i - test_from) }
    };
    Ok(Pool {
        shape: [1, PADDED, PADDED],
        labels,
        classes: CLASSES.map(str::to_owned).to_vec(),
        test_from: Some(test_from),
        origin: Box::new(origin),
        load: Box::new(load),
    })
}

fn padded(image: &[u8]) -> Vec<u8> {
    const MARGIN: usize = (PADDED - SIDE) / 2;
    let mut out = vec![0; PADDED * PADDED];
    for (row, line) in image.chunks_exact(SIDE).enumerate() {
        let start = (row + MARGIN) * PADDED + MARGIN;
        out[start..start + SIDE].copy_from_slice(line);
    }
    out
}

struct Idx {
    path: PathBuf,
    count: usize,
    values: Vec<u8>,
}

impl Idx {
    /// Reads `name` or `name.gz` and checks its header: unsigned bytes, a count, then the sizes in `dims`.
    fn read(root: &Path, name: &str, dims: &[usize]) -> Result<Self, DataError> {
        let (path, bytes) = contents(root, name)?;
        let (count, start) =
            header(&bytes, dims).map_err(|problem| DataError::content(&path, problem))?;
        Ok(Self { path, count, values: bytes[start..].to_vec() })
    }
}

/// Number of entries, and where they start.
fn header(bytes: &[u8], dims: &[usize]) -> Result<(usize, usize), String> {
    let number = |i: usize| {
        let bytes = bytes.get(4 * i..4 * i + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
        bytes.map(|b| u32::from_be_bytes(b) as usize)
    };
    let start = 4 * (2 + dims.len());
    let sizes: Option<Vec<usize>> = (0..dims.len() + 2).map(number).collect();
    let sizes = sizes.ok_or_else(|| format!("{} bytes, too short for its header", bytes.len()))?;
    if sizes[0] != 0x0801 + dims.len() || sizes[2..] != *dims {
        return Err(format!("not an IDX file of {dims:?} bytes each; copy it again"));
    }
    let expected = start + sizes[1] * dims.iter().product::<usize>();
    if bytes.len() != expected {
        return Err(format!("{} bytes, expected {expected}; copy it again", bytes.len()));
    }
    Ok((sizes[1], start))
}

fn contents(root: &Path, name: &str) -> Result<(PathBuf, Vec<u8>), DataError> {
    let plain = root.join(name);
    if plain.exists() {
        let bytes = fs::read(&plain).map_err(DataError::read(&plain))?;
        return Ok((plain, bytes));
    }
    let path = root.join(format!("{name}.gz"));
    if !path.exists() {
        return Err(DataError::content(plain, "neither this file nor its .gz is there"));
    }
    let file = fs::File::open(&path).map_err(DataError::read(&path))?;
    let mut bytes = Vec::new();
    let damaged = |e: std::io::Error| DataError::content(&path, format!("not a gzip file: {e}"));
    GzDecoder::new(file).take(MOST).read_to_end(&mut bytes).map_err(damaged)?;
    Ok((path, bytes))
}
