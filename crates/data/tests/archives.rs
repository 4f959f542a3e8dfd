//! Compressed files: damage that only a checksum shows, several members, and archives of another kind.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use randlab_data::{
    Source, Sources, SplitSizes, prepare,
    source::{Cifar10, FashionMnist, Gaussian, ImageFolder, Photos, Rotation},
};
use randlab_store::publish;

mod common;
use common::config;

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar archive of CIFAR-10's files with 4 records each, in `folder`.
fn tar(folder: &str, suffix: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let names = (1..=5).map(|i| format!("data_batch_{i}")).chain(["test_batch".to_owned()]);
    for (level, name) in (0u8..).zip(names) {
        let content: Vec<u8> =
            (0..4).flat_map(|r| std::iter::once(r).chain([level; 3072])).collect();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{folder}/{name}{suffix}"), &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn binary() -> Vec<u8> {
    tar("cifar-10-batches-bin", ".bin")
}

/// What is said of an archive of these bytes; nothing when it is read.
fn problem(path: &Path, bytes: &[u8]) -> Option<String> {
    publish(path, bytes).unwrap();
    let source = Cifar10 { path: path.display().to_string(), subset: true };
    let drawn = prepare(&config(source, [10, 10, 4]), &mut |_, _| {});
    drawn.err().map(|error| error.to_string())
}

#[test]
fn archives_are_read_to_their_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cifar.tar.gz");
    let whole = gz(&binary());
    assert_eq!(problem(&path, &whole), None);
    let mut flipped = whole.clone();
    let crc = flipped.len() - 8;
    flipped[crc] ^= 1;
    assert!(problem(&path, &flipped).unwrap().contains("cifar.tar.gz: not a readable .tar.gz"));
    for cut in [1, 4, 8] {
        assert!(problem(&path, &whole[..whole.len() - cut]).unwrap().contains("not a readable"));
    }
    // Parallel compressors write several members one after the other.
    let all = binary();
    let (one, other) = all.split_at(9000);
    assert_eq!(problem(&path, &[gz(one), gz(other)].concat()), None);
}

#[test]
fn archives_of_another_kind_are_called_by_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cifar.tar.gz");
    let said = |bytes: &[u8]| problem(&path, bytes).unwrap();
    assert!(said(&binary()).contains("a tar archive that is not compressed; gzip it"));
    assert!(said(&gz(&tar("cifar-10-batches-py", ""))).contains("the Python version"));
    assert!(said(&gz(&tar("somewhere", ""))).contains("data_batch_1.bin is not in it"));
}

#[test]
fn a_name_without_end_takes_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cifar.tar.gz");
    // A long name of 3 GiB, of which 64 MiB are there.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(3 << 30);
    header.set_cksum();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(header.as_bytes()).unwrap();
    io::copy(&mut io::repeat(b'a').take(64 << 20), &mut encoder).unwrap();
    let message = problem(&path, &encoder.finish().unwrap()).unwrap();
    assert!(message.contains("cifar.tar.gz"), "{message}");
}

fn idx(dims: &[u32], values: &[u8]) -> Vec<u8> {
    let magic = 0x0800 + u32::try_from(dims.len()).unwrap();
    let header = std::iter::once(magic).chain(dims.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(values.iter().copied()).collect()
}

#[test]
fn idx_files_are_found_under_all_their_names() {
    let images = idx(&[6, 28, 28], &[5; 6 * 784]);
    let labels = idx(&[6], &[0, 1, 2, 3, 4, 5]);
    for (folder, dot) in [("", "-"), ("", "."), ("raw", "-"), ("FashionMNIST/raw", "-")] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(folder);
        fs::create_dir_all(&root).unwrap();
        for part in ["train", "t10k"] {
            publish(&root.join(format!("{part}-images{dot}idx3-ubyte")), &images).unwrap();
            let (one, other) = labels.split_at(9);
            let members = [gz(one), gz(other)].concat();
            publish(&root.join(format!("{part}-labels{dot}idx1-ubyte.gz")), &members).unwrap();
        }
        let source = FashionMnist { path: dir.path().display().to_string() };
        assert_eq!(source.files().unwrap().len(), 4);
        let prepared = prepare(&config(source, [4, 2, 3]), &mut |_, _| {}).unwrap();
        assert_eq!(prepared.items.len(), 9);
        // All twelve pictures are the same.
        assert!(prepared.notes["duplicates_across_splits"].as_u64() > Some(0));
    }
}

#[test]
fn numbers_out_of_range_are_refused_when_planning() {
    let gaussian = |std: Vec<f64>| Gaussian { std, rotation: Rotation::None {} };
    let path = || "x".to_owned();
    let photos = |min_side, flat_below| Photos { path: path(), min_side, flat_below };
    let sources: [(Sources, &str); 6] = [
        (ImageFolder { path: path(), size: 0 }.into(), "size = 0 is out of range (1 to 1024)"),
        (ImageFolder { path: path(), size: u32::MAX }.into(), "size = 4294967295"),
        (photos(u32::MAX, 4.0).into(), "min_side = 4294967295 is out of range"),
        (photos(128, f64::NAN).into(), "flat_below = NaN"),
        (gaussian(Vec::new()).into(), "std must be a list of positive numbers"),
        (gaussian(vec![1.0; 5000]).into(), "std has 5000 numbers, 4096 at most"),
    ];
    for (source, words) in sources {
        let message = source.as_ref().check().unwrap_err();
        assert!(message.contains(words), "{message}");
    }
    assert!(photos(128, 4.0).check().is_ok());
    let sizes = |upstream| SplitSizes { upstream, downstream: 3, holdout: 1 }.check();
    assert!(sizes(100_000_000).is_ok());
    assert!(sizes(4_000_000_000).unwrap_err().contains("upstream = 4000000000 is out of range"));
}
