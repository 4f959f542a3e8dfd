//! Sources end to end: the committed photographs, and small files in the official layouts with made-up pixels.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use randlab_core::Split;
use randlab_data::{
    Dataset, Inputs, PrepareConfig, Prepared, Sources, prepare, raw_inputs,
    source::{Cifar10, Gaussian, Photos, Rotation},
};
use randlab_store::publish;

mod cifar;
mod common;
use cifar::write_cifar;
use common::config;

fn draw(config: &PrepareConfig) -> Prepared {
    prepare(config, &mut |_, _| {}).unwrap()
}

fn problem(source: impl Into<Sources>) -> String {
    prepare(&config(source, [4, 4, 2]), &mut |_, _| {}).unwrap_err().to_string()
}

fn photos() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/photos")
}

fn photo_source() -> Photos {
    Photos { path: photos().display().to_string(), min_side: 128, flat_below: 4.0 }
}

fn cifar(path: &Path, subset: bool) -> Cifar10 {
    Cifar10 { path: path.display().to_string(), subset }
}

#[test]
fn every_photograph_is_listed_with_its_licence_and_nothing_else_is() {
    let listed = fs::read_to_string(photos().join("sources.toml")).unwrap();
    let attribution = fs::read_to_string(photos().join("ATTRIBUTION.md")).unwrap();
    let mut found = BTreeSet::new();
    for folder in fs::read_dir(photos()).unwrap().map(|e| e.unwrap().path()) {
        if !folder.is_dir() || folder.ends_with("LICENSES") {
            continue;
        }
        for file in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            found.insert(file.strip_prefix(photos()).unwrap().display().to_string());
        }
    }
    assert!(found.len() >= 30);
    for file in &found {
        assert!(listed.contains(&format!("path = \"{file}\"")), "{file}");
        assert!(attribution.contains(&format!("`{file}`")), "{file}");
    }
    assert_eq!(listed.matches("[[photo]]").count(), found.len());
    for license in listed.lines().filter_map(|l| l.strip_prefix("license = ")) {
        let text = format!("LICENSES/{}.txt", license.trim_matches('"'));
        assert!(photos().join(&text).exists(), "{text}");
    }
}

#[test]
fn crops_are_repeatable_balanced_and_disjoint() {
    let config = config(photo_source(), [90, 45, 18]);
    let one = draw(&config);
    assert_eq!(one, draw(&config));
    assert_eq!((one.shape, one.classes.len()), ([3, 32, 32], 9));
    for class in 0..9 {
        assert_eq!(one.items.iter().filter(|i| i.real == Some(class)).count(), 10 + 5 + 2);
    }
    // No crop of one split overlaps a crop of another from the same photograph.
    let crops: Vec<_> =
        one.items.iter().map(|i| (i.split, i.file.clone(), i.crop.unwrap())).collect();
    for (i, (split, file, [x, y, side])) in crops.iter().enumerate() {
        for (other, same, [u, v, size]) in &crops[..i] {
            let apart = x + side <= *u || u + size <= *x || y + side <= *v || v + size <= *y;
            assert!(split == other || file != same || apart);
        }
    }
}

#[test]
fn a_prepared_dataset_is_read_back_standardised_by_upstream() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(photo_source(), [36, 18, 9]);
    let prepared = draw(&config);
    prepared.write(dir.path(), &config).unwrap();
    let data = Dataset::open(dir.path()).unwrap();
    assert_eq!(Split::ALL.map(|s| data.ids(s).len()), [36, 18, 9]);
    assert_eq!((data.source(), data.classes()), ("photos", 9));
    let values = data.standardised(Split::Upstream);
    for channel in 0..3 {
        let own: Vec<f64> = values
            .chunks_exact(1024)
            .skip(channel)
            .step_by(3)
            .flatten()
            .map(|&v| f64::from(v))
            .collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        let square = own.iter().map(|v| v * v).sum::<f64>() / own.len() as f64;
        assert!(mean.abs() < 1e-5 && (square - 1.0).abs() < 1e-4, "{channel}: {mean} {square}");
    }
}

#[test]
fn cifar_files_keep_labels_pixels_and_the_test_file_apart() {
    let dir = tempfile::tempdir().unwrap();
    write_cifar(dir.path(), 20);
    let prepared = draw(&config(cifar(dir.path(), true), [40, 30, 10]));
    let Inputs::Pixels(pixels) = &prepared.inputs else { panic!("no pixels") };
    for (item, image) in prepared.items.iter().zip(pixels.chunks_exact(3072)) {
        let (file, record) = (item.id as usize / 20, item.id as usize % 20);
        assert_eq!(item.real, u32::try_from(record % 10).ok());
        assert_eq!(usize::from(image[5]), (file * 50 + record * 7 + 5) % 251);
        assert_eq!(item.split == Split::Holdout, file == 5);
        let name = if file == 5 { "test_batch".into() } else { format!("data_batch_{}", file + 1) };
        assert_eq!(item.file, Some(format!("{name}.bin#{record}")));
    }
}

#[test]
fn wrong_cifar_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    write_cifar(dir.path(), 20);
    assert!(problem(cifar(dir.path(), false)).contains("set `subset = true`"));
    let third = dir.path().join("data_batch_3.bin");
    let good = fs::read(&third).unwrap();
    publish(&third, &good[..good.len() - 1]).unwrap();
    let message = problem(cifar(dir.path(), true));
    assert!(message.contains("data_batch_3.bin") && message.contains("61459 bytes"), "{message}");
    let mut bad = good;
    bad[3 * 3073] = 10;
    publish(&third, &bad).unwrap();
    let message = problem(cifar(dir.path(), true));
    assert!(message.contains("record 3: class 10"), "{message}");
    let nowhere = cifar(&dir.path().join("nowhere"), true);
    assert!(raw_inputs(&nowhere, None).unwrap_err().to_string().contains("make data-cifar10"));
}

#[test]
fn raw_files_are_identified_by_their_content() {
    let dir = tempfile::tempdir().unwrap();
    write_cifar(dir.path(), 2);
    let before = raw_inputs(&cifar(dir.path(), true), None).unwrap();
    assert_eq!(before, raw_inputs(&cifar(dir.path(), true), None).unwrap());
    let path = dir.path().join("test_batch.bin");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    publish(&path, &bytes).unwrap();
    assert_ne!(before, raw_inputs(&cifar(dir.path(), true), None).unwrap());
    let gaussian = Gaussian { std: vec![1.0], rotation: Rotation::None {} };
    assert!(raw_inputs(&gaussian, None).unwrap().is_empty());
}

#[test]
fn gaussian_vectors_have_the_covariance_asked_for() {
    let rotation = Rotation::Planes { degrees: 90.0 };
    let source = Gaussian { std: vec![3.0, 1.0], rotation };
    let prepared = draw(&config(source, [20_000, 0, 0]));
    let Inputs::Vectors(values) = &prepared.inputs else { panic!("no vectors") };
    let moment = |i: usize, j: usize| {
        let product = |v: &[f32]| f64::from(v[i]) * f64::from(v[j]);
        values.chunks_exact(2).map(product).sum::<f64>() / 20_000.0
    };
    // A quarter turn puts the large direction on the second coordinate.
    assert!((moment(0, 0) - 1.0).abs() < 0.05 && (moment(1, 1) - 9.0).abs() < 0.4);
    assert!(moment(0, 1).abs() < 0.1);
}
