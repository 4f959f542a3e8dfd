//! Every file format with small files of made-up pixels, sound and damaged.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::cast_possible_truncation, reason = "small test values")]

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use image::{GrayImage, Luma, Rgb, RgbImage};
use randlab_core::Split;
use randlab_data::{
    Inputs, Prepared, Sources, prepare,
    source::{Cifar10, Cifar100, Cifar100Labels, FashionMnist, ImageFolder},
};
use randlab_store::publish;

mod common;
use common::config;

fn draw(source: impl Into<Sources>, sizes: [u32; 3]) -> Prepared {
    prepare(&config(source, sizes), &mut |_, _| {}).unwrap()
}

fn problem(source: impl Into<Sources>) -> String {
    prepare(&config(source, [1, 1, 1]), &mut |_, _| {}).unwrap_err().to_string()
}

fn pixels(prepared: &Prepared) -> &[u8] {
    match &prepared.inputs {
        Inputs::Pixels(pixels) => pixels,
        Inputs::Vectors(_) => panic!("vectors"),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Records of one label byte and 3,072 times the number of the record.
fn ten(records: u8) -> Vec<u8> {
    (0..records).flat_map(|r| std::iter::once(r % 10).chain([r; 3072])).collect()
}

/// A .tar.gz of members with their content.
fn archive(path: &Path, members: &[(&str, &[u8])]) {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Past the library's own check, as a hostile archive would be.
        let bytes = name.as_bytes();
        header.as_old_mut().name[..bytes.len()].copy_from_slice(bytes);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    let bytes = builder.into_inner().unwrap().finish().unwrap();
    publish(path, &bytes).unwrap();
}

const TEN: [&str; 6] = [
    "cifar-10-batches-bin/data_batch_1.bin",
    "cifar-10-batches-bin/data_batch_2.bin",
    "cifar-10-batches-bin/data_batch_3.bin",
    "cifar-10-batches-bin/data_batch_4.bin",
    "cifar-10-batches-bin/data_batch_5.bin",
    "cifar-10-batches-bin/test_batch.bin",
];

#[test]
fn an_archive_is_read_without_unpacking_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("raw/cifar.tar.gz");
    let files: Vec<Vec<u8>> = [4, 5, 6, 7, 8, 9].map(ten).to_vec();
    let mut members: Vec<(&str, &[u8])> =
        TEN.iter().copied().zip(files.iter().map(|f| &f[..])).collect();
    // Neither a path that leads out nor a member nobody asked for is of any effect.
    members.push(("../../outside.txt", b"out"));
    members.push(("/etc/outside.txt", b"out"));
    members.push(("cifar-10-batches-bin/readme.html", b"<html>"));
    archive(&path, &members);
    let source = || Cifar10 { path: shown(&path), subset: true };
    let prepared = draw(source(), [10, 10, 9]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(dir.path().join("raw")).unwrap().count(), 1);
    for (item, image) in prepared.items.iter().zip(pixels(&prepared).chunks_exact(3072)) {
        let file = item.file.clone().unwrap();
        let (name, record) = file.split_once('#').unwrap();
        let record: u8 = record.parse().unwrap();
        assert!(image.iter().all(|&p| p == record), "{file}");
        assert_eq!(item.real, Some(u32::from(record % 10)), "{file}");
        assert_eq!(name == "test_batch.bin", item.split == Split::Holdout, "{file}");
    }
    members.retain(|(name, _)| !name.ends_with("data_batch_4.bin"));
    archive(&path, &members);
    assert!(problem(source()).contains("data_batch_4.bin is not in it"));
    let whole = fs::read(&path).unwrap();
    publish(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(problem(source()).contains("not a readable .tar.gz"));
    publish(&path, b"<html>404</html>").unwrap();
    assert!(problem(source()).contains("not a readable .tar.gz"));
}

#[test]
fn cifar_100_has_two_labels() {
    let dir = tempfile::tempdir().unwrap();
    let record = |r: u8| [r % 20, 99 - r].into_iter().chain([r; 3072]);
    for (name, n) in [("train.bin", 40), ("test.bin", 10)] {
        publish(&dir.path().join(name), &(0..n).flat_map(record).collect::<Vec<u8>>()).unwrap();
    }
    let source = |labels| Cifar100 { path: shown(dir.path()), labels, subset: true };
    let fine = draw(source(Cifar100Labels::Fine), [20, 20, 10]);
    let coarse = draw(source(Cifar100Labels::Coarse), [20, 20, 10]);
    assert_eq!((fine.classes.len(), coarse.classes.len()), (100, 20));
    for (i, image) in pixels(&fine).chunks_exact(3072).enumerate() {
        assert_eq!(fine.items[i].real, Some(99 - u32::from(image[0])));
        assert_eq!(coarse.items[i].real, Some(u32::from(image[0] % 20)));
    }
}

/// Left half red, right half blue; wider than high, so that a transposed reading would show.
fn two_halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| {
        if x < width / 2 { Rgb([200, 0, 0]) } else { Rgb([0, 0, 100]) }
    })
}

#[test]
fn pictures_in_folders_are_cropped_to_their_centre() {
    let dir = tempfile::tempdir().unwrap();
    let save = |name: &str, picture: &image::DynamicImage| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    };
    for i in 0..3 {
        save(&format!("cats/{i}.png"), &two_halves(60, 40).into());
        save(&format!("dogs/{i}.JPG"), &GrayImage::from_pixel(50, 80, Luma([77])).into());
    }
    publish(&dir.path().join("cats/notes.txt"), b"no picture").unwrap();
    let source = || ImageFolder { path: shown(dir.path()), size: 8 };
    let prepared = draw(source(), [2, 2, 2]);
    assert_eq!(
        (prepared.shape, &prepared.classes[..]),
        ([3, 8, 8], &["cats".to_owned(), "dogs".to_owned()][..])
    );
    for (item, image) in prepared.items.iter().zip(pixels(&prepared).chunks_exact(3 * 64)) {
        let at = |c: usize, y: usize, x: usize| i32::from(image[(c * 8 + y) * 8 + x]);
        if item.real == Some(0) {
            for y in 0..8 {
                assert!(
                    at(0, y, 0) == 200
                        && at(2, y, 0) == 0
                        && at(0, y, 7) == 0
                        && at(2, y, 7) == 100
                );
            }
        } else {
            // Grey is three equal channels; JPEG keeps a flat picture to a grey level or two.
            assert!((0..3).all(|c| (at(c, 4, 4) - 77).abs() <= 2), "{}", at(0, 4, 4));
        }
    }
    publish(&dir.path().join("dogs/broken.png"), b"\x89PNG\r\n\x1a\nno more").unwrap();
    let message = prepare(&config(source(), [3, 3, 1]), &mut |_, _| {}).unwrap_err().to_string();
    assert!(message.contains("dogs/broken.png"), "{message}");
}

#[test]
fn a_flat_folder_takes_classes_from_names() {
    let dir = tempfile::tempdir().unwrap();
    for class in ["n01440764", "n02102040"] {
        for i in 0..2 {
            let path = dir.path().join(format!("{class}_{i}.png"));
            two_halves(16, 16).save(path).unwrap();
        }
    }
    two_halves(16, 16).save(dir.path().join("other.png")).unwrap();
    let source = ImageFolder { path: shown(dir.path()), size: 16 };
    let prepared = draw(source, [2, 1, 1]);
    assert_eq!(prepared.classes, ["n01440764", "n02102040"]);
    let empty = tempfile::tempdir().unwrap();
    let source = ImageFolder { path: shown(empty.path()), size: 16 };
    assert!(problem(source).contains("no CLASS/*.jpg|jpeg|png"));
}

fn idx(dims: &[u32], values: &[u8]) -> Vec<u8> {
    let magic = 0x0800 + dims.len() as u32;
    let header = std::iter::once(magic).chain(dims.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(values.iter().copied()).collect()
}

#[test]
fn idx_files_are_read_plain_and_gzipped() {
    let dir = tempfile::tempdir().unwrap();
    let gz = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let images = |n: u8| {
        idx(&[u32::from(n), 28, 28], &(0..n).flat_map(|i| [i + 1; 784]).collect::<Vec<u8>>())
    };
    let labels = |n: u8| idx(&[u32::from(n)], &(0..n).map(|i| i % 10).collect::<Vec<u8>>());
    let put = |name: &str, bytes: &[u8]| publish(&dir.path().join(name), bytes).unwrap();
    put("train-images-idx3-ubyte", &images(20));
    put("train-labels-idx1-ubyte.gz", &gz(&labels(20)));
    put("t10k-images-idx3-ubyte.gz", &gz(&images(5)));
    put("t10k-labels-idx1-ubyte", &labels(5));
    let source = || FashionMnist { path: shown(dir.path()) };
    let prepared = draw(source(), [10, 10, 5]);
    assert_eq!((prepared.shape, prepared.classes.len()), ([1, 32, 32], 10));
    for (item, image) in prepared.items.iter().zip(pixels(&prepared).chunks_exact(1024)) {
        // Two rows and columns of black around 28 x 28 of one level, which tells the number of the image.
        let level = image[16 * 32 + 16];
        assert_eq!(item.real, Some(u32::from(level - 1) % 10));
        let border = |x: usize, y: usize| !(2..30).contains(&x) || !(2..30).contains(&y);
        assert!((0..1024).all(|i| image[i] == if border(i % 32, i / 32) { 0 } else { level }));
    }
    put("t10k-labels-idx1-ubyte", &labels(4));
    assert!(problem(source()).contains("4 labels for 5 images"));
    put("t10k-labels-idx1-ubyte", &idx(&[5], &[0, 1, 2, 3, 10]));
    assert!(problem(source()).contains("class 10, expected 0 to 9"));
    put("train-images-idx3-ubyte", &images(20)[..3000]);
    assert!(problem(source()).contains("train-images-idx3-ubyte: 3000 bytes, expected 15696"));
    put("train-images-idx3-ubyte", b"plain text");
    assert!(problem(source()).contains("too short for its header"));
    fs::remove_file(dir.path().join("train-images-idx3-ubyte")).unwrap();
    assert!(problem(source()).contains("neither this file nor its .gz"));
}
