//! Fashion-MNIST: IDX files, plain or gzipped, 28x28 grey padded with black to 32x32.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use randlab_core::{ClassId, Seed};
use serde::{Deserialize, Serialize};

use super::{Source, collect};
use crate::{
    DataError, Prepared, SplitSizes,
    files::{self, there},
    pool::Pool,
};

const SIDE: usize = 28;
const PADDED: usize = 32;
/// Bytes of the largest file, decoded, with room to spare.
const MOST: u64 = 100 << 20;

const CLASSES: [&str; 10] = [
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
];

/// IDX files, plain or gzipped; 28x28 grey padded to 32x32.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FashionMnist {
    /// Folder with the four files, or one in which torchvision has put them.
    pub path: String,
}

impl Source for FashionMnist {
    fn name(&self) -> &'static str {
        "fashion-mnist"
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn files(&self) -> Result<Vec<PathBuf>, DataError> {
        there(&self.path, "set `path` in the dataset file to your copy")?;
        let root = Path::new(&self.path);
        let names = PARTS.into_iter().flat_map(|part| [images(part), labels(part)]);
        let mut files = names.map(|name| find(root, &name)).collect::<Result<Vec<_>, _>>()?;
        files.sort();
        Ok(files)
    }

    fn draw(
        &self,
        split: SplitSizes,
        seed: Seed,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Prepared, DataError> {
        let pool = open(Path::new(&self.path))?;
        collect(pool, &self.path, (split, seed), BTreeMap::new(), progress)
    }
}

/// Training and test images.
const PARTS: [&str; 2] = ["train", "t10k"];

fn images(part: &str) -> String {
    format!("{part}-images-idx3-ubyte")
}

fn labels(part: &str) -> String {
    format!("{part}-labels-idx1-ubyte")
}

/// Reads the four files of `root`.
fn open(root: &Path) -> Result<Pool, DataError> {
    let mut pixels = Vec::new();
    let mut classes = Vec::new();
    let mut test_from = 0;
    for part in PARTS {
        test_from = classes.len();
        let pictures = Idx::read(root, &images(part), &[SIDE, SIDE])?;
        let real = Idx::read(root, &labels(part), &[])?;
        if pictures.count != real.count {
            let problem = format!("{} labels for {} images", real.count, pictures.count);
            return Err(DataError::content(real.path, problem));
        }
        if let Some(label) = real.values.iter().find(|&&l| usize::from(l) >= CLASSES.len()) {
            let problem = format!("class {label}, expected 0 to {}", CLASSES.len() - 1);
            return Err(DataError::content(real.path, problem));
        }
        pixels.extend(pictures.values);
        classes.extend(real.values.into_iter().map(ClassId::from));
    }
    let load = move |i: usize| Ok(padded(&pixels[i * SIDE * SIDE..(i + 1) * SIDE * SIDE]));
    let origin = move |i: usize| {
        if i < test_from { format!("train#{i}") } else { format!("t10k#{}", i - test_from) }
    };
    Ok(Pool {
        shape: [1, PADDED, PADDED],
        labels: classes,
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

/// Path of the file: `NAME-idx3-ubyte` or `NAME.idx3-ubyte`, plain or gzipped, in `root` or where torchvision puts it below.
fn find(root: &Path, name: &str) -> Result<PathBuf, DataError> {
    let folders = ["", "raw", "FashionMNIST/raw"].map(|folder| root.join(folder));
    let names = [name.to_owned(), name.replace("-idx", ".idx")];
    let all = folders.iter().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    let mut all = all.flat_map(|plain| [plain.clone(), with_gz(&plain)]);
    // A link that leads nowhere is found, and named when it is opened.
    all.find(|path| fs::symlink_metadata(path).is_ok()).ok_or_else(|| {
        DataError::content(root.join(name), "neither this file nor its .gz is there")
    })
}

fn with_gz(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

fn contents(root: &Path, name: &str) -> Result<(PathBuf, Vec<u8>), DataError> {
    let path = find(root, name)?;
    if path.extension().is_none_or(|e| e != "gz") {
        let bytes = files::read(&path, MOST)?;
        return Ok((path, bytes));
    }
    let (file, _) = files::open(&path)?;
    let mut bytes = Vec::new();
    let damaged = |e: std::io::Error| {
        DataError::content(&path, format!("not a sound gzip file: {e}; copy it again"))
    };
    let mut decoder = MultiGzDecoder::new(file).take(MOST);
    decoder.read_to_end(&mut bytes).map_err(damaged)?;
    if decoder.limit() == 0 {
        return Err(DataError::content(&path, "far larger than the dataset; copy it again"));
    }
    Ok((path, bytes))
}
