//! CIFAR-10 and CIFAR-100 in their official binary layout: a folder of `.bin` files or the `.tar.gz`, read as a stream and
//! never unpacked to disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Read,
    path::Path,
};

use flate2::read::GzDecoder;
use randlab_core::{ClassId, Digest};
use randlab_recipe::Cifar100Labels;
use serde_json::{Value, json};

use crate::{DataError, pool::Pool};

const PIXELS: usize = 3 * 32 * 32;

const TEN: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// What tells the two datasets apart.
struct Layout {
    /// Training files, then the test file.
    files: &'static [&'static str],
    /// Records in each training file and in the test file.
    records: (usize, usize),
    /// Label bytes before the pixels.
    header: usize,
    /// Which of them is the class.
    label: usize,
    classes: Vec<String>,
}

/// CIFAR-10.
pub(crate) fn ten(
    path: &str,
    subset: bool,
    notes: &mut BTreeMap<String, Value>,
) -> Result<Pool, DataError> {
    let layout = Layout {
        files: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
            "test_batch.bin",
        ],
        records: (10_000, 10_000),
        header: 1,
        label: 0,
        classes: TEN.map(str::to_owned).to_vec(),
    };
    open(path, subset, &layout, notes)
}

/// CIFAR-100.
pub(crate) fn hundred(
    path: &str,
    labels: Cifar100Labels,
    subset: bool,
    notes: &mut BTreeMap<String, Value>,
) -> Result<Pool, DataError> {
    let (label, count, name) = match labels {
        Cifar100Labels::Coarse => (0, 20, "coarse"),
        Cifar100Labels::Fine => (1, 100, "fine"),
    };
    let layout = Layout {
        files: &["train.bin", "test.bin"],
        records: (50_000, 10_000),
        header: 2,
        label,
        classes: (0..count).map(|i| format!("{name}{i}")).collect(),
    };
    open(path, subset, &layout, notes)
}

fn open(
    path: &str,
    subset: bool,
    layout: &Layout,
    notes: &mut BTreeMap<String, Value>,
) -> Result<Pool, DataError> {
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
    notes.insert("duplicates".into(), json!(duplicates(&data, layout)));
    Ok(pool(data, starts, layout))
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
    let read = |name: &&str| {
        let path = root.join(name);
        match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Err(DataError::content(path, "not found; copy the whole dataset"))
            }
            other => other.map_err(DataError::read(path)),
        }
    };
    layout.files.iter().map(read).collect()
}

/// The expected files of an archive. Members of other names are passed over; nothing is written anywhere.
fn from_archive(path: &Path, layout: &Layout) -> Result<Vec<Vec<u8>>, DataError> {
    let file = File::open(path).map_err(DataError::read(path))?;
    let damaged = |e: std::io::Error| {
        DataError::content(path, format!("not a readable .tar.gz: {e}; fetch it again"))
    };
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut found: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    // The largest file of either dataset, and one byte more to notice what is larger.
    let most = (layout.records.0.max(layout.records.1) * (layout.header + PIXELS)) as u64 + 1;
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let name =
            entry.path().map_err(damaged)?.file_name().map(|n| n.to_string_lossy().into_owned());
        let place = layout.files.iter().position(|f| Some(*f) == name.as_deref());
        let Some(place) = place.filter(|_| entry.header().entry_type().is_file()) else { continue };
        let mut bytes = Vec::new();
        entry.take(most).read_to_end(&mut bytes).map_err(damaged)?;
        found.insert(place, bytes);
    }
    if let Some(missing) = (0..layout.files.len()).find(|i| !found.contains_key(i)) {
        let problem = format!("{} is not in it; fetch it again", layout.files[missing]);
        return Err(DataError::content(path, problem));
    }
    Ok(found.into_values().collect())
}
