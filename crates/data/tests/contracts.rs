//! What raw data may be: damage is noticed, nothing is left out in silence, and one list says what is read.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    process::Command,
};

use image::{Rgb, RgbImage};
use randlab_core::Split;
use randlab_data::{
    Dataset, Inputs, Prepared, Source, prepare, raw_inputs,
    source::{Cifar10, FashionMnist, ImageFolder, Photos},
};
use randlab_store::{TensorFile, Values, publish};
use serde_json::json;

mod cifar;
mod common;
use cifar::write_cifar;
use common::config;

fn folder(dir: &Path) -> ImageFolder {
    ImageFolder { path: dir.display().to_string(), size: 8 }
}

fn draw(dir: &Path, sizes: [u32; 3]) -> Prepared {
    prepare(&config(folder(dir), sizes), &mut |_, _| {}).unwrap()
}

/// The message with which a folder is refused: the same for its list of files and for its images.
fn problem(dir: &Path) -> String {
    let listed = folder(dir).files().unwrap_err().to_string();
    let drawn = prepare(&config(folder(dir), [1, 1, 0]), &mut |_, _| {}).unwrap_err();
    assert_eq!(listed, drawn.to_string());
    listed
}

/// A picture of one colour, which tells the number.
fn picture(path: &Path, level: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(12, 9, Rgb([level, 0, 9])).save(path).unwrap();
}

/// Three pictures in each of two classes.
fn two_classes(dir: &Path) {
    for i in 0..3 {
        picture(&dir.join(format!("cats/{i}.png")), 10 + i);
        picture(&dir.join(format!("dogs/{i}.png")), 20 + i);
    }
}

fn digest(dir: &Path) -> String {
    raw_inputs(&folder(dir), None).unwrap()[0].digest.to_string()
}

#[test]
fn a_photograph_cut_short_is_refused_wherever_it_is_cut() {
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/photos");
    let path = photos.display().to_string();
    let source = Photos { path, min_side: 128, flat_below: 4.0 };
    let files = source.files().unwrap();
    let photo = files.iter().find(|file| file.extension() == Some(OsStr::new("jpg"))).unwrap();
    let whole = fs::read(photo).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("cats/1.jpg");
    publish(&copy, &whole).unwrap();
    assert_eq!(draw(dir.path(), [1, 0, 0]).items.len(), 1);
    for percent in (20..100).step_by(3).chain([99]) {
        publish(&copy, &whole[..whole.len() * percent / 100]).unwrap();
        let message = prepare(&config(folder(dir.path()), [1, 0, 0]), &mut |_, _| {}).unwrap_err();
        let message = message.to_string();
        assert!(message.contains("cats/1.jpg") && message.contains("cut short"), "{message}");
    }
}

#[test]
fn hidden_names_are_no_part_of_the_data() {
    let dir = tempfile::tempdir().unwrap();
    two_classes(dir.path());
    let (before, drawn) = (digest(dir.path()), draw(dir.path(), [2, 2, 2]));
    publish(&dir.path().join(".DS_Store"), b"finder").unwrap();
    publish(&dir.path().join("cats/._0.png"), b"fork").unwrap();
    picture(&dir.path().join(".ipynb_checkpoints/0-checkpoint.png"), 10);
    assert_eq!(before, digest(dir.path()));
    assert_eq!(drawn, draw(dir.path(), [2, 2, 2]));
    picture(&dir.path().join("cats/9.png"), 10);
    assert_ne!(before, digest(dir.path()));
}

#[test]
fn what_is_left_out_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    two_classes(dir.path());
    picture(&dir.path().join("cats/more/7.png"), 1);
    publish(&dir.path().join("dogs/8.webp"), b"RIFF").unwrap();
    publish(&dir.path().join("README"), b"text").unwrap();
    let before = digest(dir.path());
    let prepared = draw(dir.path(), [2, 2, 2]);
    let expected = json!({ "*": 1, "cats/more/*.png": 1, "dogs/*.webp": 1 });
    assert_eq!(prepared.notes["left_out"], expected);
    publish(&dir.path().join("README"), b"other").unwrap();
    assert_eq!(before, digest(dir.path()));
}

#[test]
fn a_class_without_pictures_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    two_classes(dir.path());
    fs::create_dir(dir.path().join("birds")).unwrap();
    assert!(problem(dir.path()).contains("birds: no .jpg, .jpeg or .png in this class; add"));
    publish(&dir.path().join("birds/1.webp"), b"RIFF").unwrap();
    assert!(problem(dir.path()).contains("in this class, but 1 of *.webp; add some, or move"));
}

#[test]
fn classes_below_train_are_found() {
    let dir = tempfile::tempdir().unwrap();
    two_classes(&dir.path().join("train"));
    picture(&dir.path().join("val/cats/1.png"), 1);
    let prepared = draw(dir.path(), [2, 2, 2]);
    assert_eq!(prepared.classes, ["cats", "dogs"]);
    assert_eq!(prepared.notes["left_out"], json!({ "val/cats/*.png": 1 }));
    // A class of trains is none of a layout.
    picture(&dir.path().join("train/1.png"), 1);
    assert!(problem(dir.path()).contains("val: no .jpg"));
}

#[test]
fn links_that_lead_nowhere_and_files_without_end_are_named() {
    let dir = tempfile::tempdir().unwrap();
    two_classes(dir.path());
    let path = dir.path().join("cats/5.png");
    symlink("/nowhere/at/all", &path).unwrap();
    assert!(problem(dir.path()).contains("cats/5.png: a link to /nowhere/at/all"));
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    let refused = |what: &str| {
        let drawn = prepare(&config(folder(dir.path()), [3, 3, 1]), &mut |_, _| {}).unwrap_err();
        let hashed = raw_inputs(&folder(dir.path()), None).unwrap_err();
        for error in [drawn, hashed] {
            let message = error.to_string();
            assert!(message.contains("cats/5.png: not a regular file"), "{what}: {message}");
        }
    };
    refused("device");
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    refused("pipe");
}

#[test]
fn identical_pictures_in_two_splits_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..4 {
        picture(&dir.path().join(format!("cats/{i}.png")), 7);
    }
    picture(&dir.path().join("cats/4.png"), 8);
    let prepared = draw(dir.path(), [2, 2, 1]);
    // Of four equal pictures those count that are in another split than the first.
    let first = prepared.items[0].split;
    let alike = prepared.items[..4].iter().filter(|item| item.split != first).count();
    assert_eq!(prepared.notes["duplicates_across_splits"], json!(alike));
    assert!(alike > 0);
}

#[test]
fn names_can_be_any_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let class = dir.path().join(OsStr::from_bytes(b"a b:\xFF;|$"));
    if fs::create_dir(&class).is_err() {
        // Not every file system takes such names.
        return;
    }
    picture(&class.join("1 #.png"), 3);
    picture(&dir.path().join("a/2.png"), 4);
    assert_eq!(draw(dir.path(), [1, 1, 0]).items.len(), 2);
    let files = folder(dir.path()).files().unwrap();
    let names: Vec<&[u8]> = files.iter().map(|file| file.as_os_str().as_bytes()).collect();
    assert!(names.is_sorted() && names.len() == 2);
}

#[test]
fn content_decides_and_folders_can_move() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    two_classes(&one);
    two_classes(&other);
    assert_eq!(digest(&one), digest(&other));
    fs::rename(other.join("cats/0.png"), other.join("cats/00.png")).unwrap();
    assert_ne!(digest(&one), digest(&other));
}

#[test]
fn the_files_of_a_source_are_those_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    write_cifar(dir.path(), 10);
    publish(&dir.path().join("readme.html"), b"<html>").unwrap();
    let source = Cifar10 { path: dir.path().display().to_string(), subset: true };
    assert_eq!(source.files().unwrap().len(), 6);
    let before = raw_inputs(&source, None).unwrap();
    fs::remove_file(dir.path().join("readme.html")).unwrap();
    assert_eq!(before, raw_inputs(&source, None).unwrap());
    for i in 1..=5 {
        let name = |suffix: &str| dir.path().join(format!("data_batch_{i}{suffix}"));
        fs::rename(name(".bin"), name("")).unwrap();
    }
    let message = source.files().unwrap_err().to_string();
    assert!(message.contains("data_batch_1: the Python version"), "{message}");
    let nothing = FashionMnist { path: dir.path().join("no").display().to_string() };
    assert!(nothing.files().unwrap_err().to_string().contains("no: not found"));
}

#[test]
fn images_and_labels_lie_in_one_order_and_are_paired_by_id() {
    let dir = tempfile::tempdir().unwrap();
    write_cifar(&dir.path().join("raw"), 20);
    let path = dir.path().join("raw").display().to_string();
    let config = config(Cifar10 { path, subset: true }, [40, 30, 10]);
    let prepared = prepare(&config, &mut |_, _| {}).unwrap();
    let data = dir.path().join("data");
    prepared.write(&data, &config).unwrap();
    let dataset = Dataset::open(&data).unwrap();
    let path = data.join("images.safetensors");
    let good = TensorFile::read(&path).unwrap();
    let ids: Vec<i32> = prepared.items.iter().map(|i| i32::try_from(i.id).unwrap()).collect();
    assert!(ids.is_sorted());
    assert_eq!(good.tensors["image_id"].values, Values::I32(ids.clone()));
    let Inputs::Pixels(pixels) = &prepared.inputs else { panic!("no pixels") };
    // Another order of images and ids together is the same dataset.
    let mut turned = good.clone();
    let backwards = pixels.chunks_exact(3072).rev().flatten().copied().collect();
    turned.tensors.get_mut("images").unwrap().values = Values::U8(backwards);
    turned.tensors.get_mut("image_id").unwrap().values =
        Values::I32(ids.iter().rev().copied().collect());
    turned.write(&path).unwrap();
    let again = Dataset::open(&data).unwrap();
    for split in Split::ALL {
        assert_eq!(again.standardised(split), dataset.standardised(split));
        assert_eq!(again.ids(split), dataset.ids(split));
    }
    let refused = |change: &dyn Fn(&mut TensorFile), words: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        bad.write(&path).unwrap();
        let message = Dataset::open(&data).unwrap_err().to_string();
        assert!(message.contains("images.safetensors") && message.contains(words), "{message}");
    };
    refused(&|file| file.header["shape"] = json!([3, 32, 16]), "expected [80, 3, 32, 16]");
    refused(&|file| drop(file.tensors.remove("image_id")), "no tensor image_id");
    let twice = |file: &mut TensorFile| {
        let mut ids = ids.clone();
        ids[1] = ids[0];
        file.tensors.get_mut("image_id").unwrap().values = Values::I32(ids);
    };
    refused(&twice, "twice");
}
