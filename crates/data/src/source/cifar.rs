//! What CIFAR-10 and CIFAR-100 have in common: their official binary layout, a folder of `.bin` files or the `.tar.gz`, read as a stream and
//! never unpacked to disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use randlab_core::{ClassId, Digest, Seed};
use serde_json::json;

use super::collect;
use crate::{DataError, Prepared, SplitSizes, files, pool::Pool};

const PIXELS: usize = 3 * 32 * 32;

/// Folders of the Python versions.
const PYTHON_FOLDERS: [&[u8]; 2] = [b"cifar-10-batches-py", b"cifar-100-python"];
/// Said of files for which this is the wrong reader.
const PYTHON: &str = "the Python version of the dataset; fetch the binary version";

/// What tells the two datasets apart.
pub(super) struct Layout {
    /// Training files, then the test file.
    pub files: &'static [&'static str],
    /// Records in each training file and in the test file.
    pub records: (usize, usize),
    /// Label bytes before the pixels.
    pub header: usize,
    /// Which of them is the class.
    pub label: usize,
    pub classes: Vec<String>,
}

/// The files that are read: those of a folder, or the archive.
pub(super) fn files(path: &str, advice: &str, layout: &Layout) -> Result<Vec<PathBuf>, DataError> {
    files::there(path, advice)?;
    let root = Path::new(path);
    if !root.is_dir() {
        return Ok(vec![root.to_owned()]);
    }
    let mut files: Vec<PathBuf> = layout.files.iter().map(|name| root.join(name)).collect();
    let missing = files.iter().find(|file| fs::symlink_metadata(file).is_err());
    if let Some(file) = missing.filter(|file| fs::symlink_metadata(file.with_extension("")).is_ok())
    {
        return Err(DataError::content(file.with_extension(""), PYTHON));
    }
    if let Some(file) = missing {
        return Err(DataError::content(file, "not found; copy the whole dataset"));
    }
    files.sort();
    Ok(files)
}

/// Reads, checks and draws.
pub(super) fn draw(
    (path, subset): (&str, bool),
    layout: &Layout,
    wanted: (SplitSizes, Seed),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Prepared, DataError> {
    let root = Path::new(path);
    let files =
        if root.is_dir() { from_folder(root, layout)? } else { from_archive(root, layout)? };
    let mut data = Vec::new();
    let mut starts = Vec::new();
    for (i, (name, bytes)) in layout.files.iter().zip(files).enumerate() {
        let is_test = i + 1 == layout.files.len();
        let expected = if is_test { layout.records.1 } else { layout.records.0 };
        let shown = if root.is_dir() { root.join(name) } else { root.to_owned() };
        check(&bytes, name, expected, subset, layout)
            .map_err(|problem| DataError::content(shown, problem))?;
        starts.push(data.len() / (layout.header + PIXELS));
        data.extend(bytes);
    }
    let notes = BTreeMap::from([("duplicates".to_owned(), json!(duplicates(&data, layout)))]);
    collect(pool(data, starts, layout), path, wanted, notes, progress)
}

/// `starts` are the numbers of the first image of each file; the last file is the test file.
fn pool(data: Vec<u8>, starts: Vec<usize>, layout: &Layout) -> Pool {
    let record = layout.header + PIXELS;
    let label = |r: &[u8]| ClassId::from(r[layout.label]);
    let labels = data.chunks_exact(record).map(label).collect();
    let header = layout.header;
    let files = layout.files;
    let test_from = starts.last().copied();
    let origin = move |i: usize| {
        let file = starts.partition_point(|&start| start <= i).saturating_sub(1);
        format!("{}#{}", files[file], i - starts[file])
    };
    let load = move |i: usize| Ok(data[i * record + header..(i + 1) * record].to_vec());
    Pool {
        shape: [3, 32, 32],
        labels,
        classes: layout.classes.clone(),
        test_from,
        origin: Box::new(origin),
        load: Box::new(load),
    }
}

/// Size and labels of one file.
fn check(
    bytes: &[u8],
    name: &str,
    records: usize,
    subset: bool,
    layout: &Layout,
) -> Result<(), String> {
    let record = layout.header + PIXELS;
    let expected = records * record;
    if subset {
        if bytes.is_empty() || bytes.len() > expected || !bytes.len().is_multiple_of(record) {
            let found = bytes.len();
            return Err(format!(
                "{name} has {found} bytes, expected a multiple of {record} up to {expected}; copy the file again"
            ));
        }
    } else if bytes.len() != expected {
        let found = bytes.len();
        let hint = if bytes.len().is_multiple_of(record) { ", or set `subset = true`" } else { "" };
        return Err(format!(
            "{name} has {found} bytes, expected {expected}; copy the file again{hint}"
        ));
    }
    let classes = layout.classes.len();
    let wrong = |r: &[u8]| usize::from(r[layout.label]) >= classes;
    match bytes.chunks_exact(record).position(wrong) {
        Some(i) => {
            let label = bytes[i * record + layout.label];
            Err(format!(
                "{name}, record {i}: class {label}, expected 0 to {}; copy the file again",
                classes - 1
            ))
        }
        None => Ok(()),
    }
}

/// Images that are there more than once, counted once less than they occur.
fn duplicates(data: &[u8], layout: &Layout) -> usize {
    let record = layout.header + PIXELS;
    let images = data.chunks_exact(record).map(|r| Digest::of(&r[layout.header..]));
    let count = data.len() / record;
    count - images.collect::<BTreeSet<_>>().len()
}

fn from_folder(root: &Path, layout: &Layout) -> Result<Vec<Vec<u8>>, DataError> {
    layout.files.iter().map(|name| files::read(&root.join(name), largest(layout))).collect()
}

/// Bytes of the largest file, and one more to notice what is larger.
fn largest(layout: &Layout) -> u64 {
    (layout.records.0.max(layout.records.1) * (layout.header + PIXELS)) as u64 + 1
}

/// The expected files of an archive. Members of other names are passed over; nothing is written anywhere.
fn from_archive(path: &Path, layout: &Layout) -> Result<Vec<Vec<u8>>, DataError> {
    /// Both datasets are below 190 MB.
    const UNPACKED: u64 = 1 << 30;
    let damaged = |e: std::io::Error| {
        DataError::content(path, format!("not a readable .tar.gz: {e}; fetch it again"))
    };
    let file = gzipped(path)?;
    let mut archive = tar::Archive::new(MultiGzDecoder::new(file).take(UNPACKED));
    let mut found: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let mut python = false;
    // Raw, since the library otherwise reads long names into memory, however long they claim to be.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.into_owned();
        python |= name
            .components()
            .any(|part| PYTHON_FOLDERS.contains(&part.as_os_str().as_encoded_bytes()));
        let place = layout.files.iter().position(|f| name.file_name() == Some(OsStr::new(f)));
        let Some(place) = place.filter(|_| entry.header().entry_type().is_file()) else { continue };
        let mut bytes = Vec::new();
        entry.take(largest(layout)).read_to_end(&mut bytes).map_err(damaged)?;
        found.insert(place, bytes);
    }
    // The checksum is behind the last member.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(damaged)?;
    if rest.limit() == 0 {
        return Err(DataError::content(path, "far larger than the dataset; fetch it again"));
    }
    if let Some(missing) = (0..layout.files.len()).find(|i| !found.contains_key(i)) {
        let not_there = format!("{} is not in it; fetch it again", layout.files[missing]);
        let problem = if python { PYTHON.to_owned() } else { not_there };
        return Err(DataError::content(path, problem));
    }
    Ok(found.into_values().collect())
}

/// Opens a gzip file.
fn gzipped(path: &Path) -> Result<BufReader<File>, DataError> {
    let mut file = BufReader::new(files::open(path)?.0);
    let start = file.fill_buf().map_err(DataError::read(path))?;
    if start.starts_with(&[0x1F, 0x8B]) {
        return Ok(file);
    }
    let tar = start.get(257..).is_some_and(|magic| magic.starts_with(b"ustar"));
    let problem = if tar {
        "a tar archive that is not compressed; gzip it"
    } else {
        "not a readable .tar.gz: it does not begin as gzip files do; fetch it again"
    };
    Err(DataError::content(path, problem))
}
