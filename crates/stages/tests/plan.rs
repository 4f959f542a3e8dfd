//! `randlab-plan` as a user meets it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use randlab_data::PrepareConfig;
use randlab_stages::AlignConfig;
use randlab_studies::ReportConfig;
use randlab_train::TrainConfig;
use serde::de::DeserializeOwned;

fn plan(out: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_randlab-plan"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .args(args)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap()
}

fn parse_all<T: DeserializeOwned>(dir: &Path) -> usize {
    let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let read = |path| toml::from_str::<T>(&fs::read_to_string(path).unwrap()).unwrap();
    files.map(read).collect::<Vec<T>>().len()
}

#[test]
fn every_configuration_it_writes_can_be_read_back() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = plan(dir.path(), &["--scale", "smoke"]);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    let stage = |name: &str| dir.path().join("plan").join(name);
    assert!(parse_all::<PrepareConfig>(&stage("prepare")) > 0);
    assert!(parse_all::<TrainConfig>(&stage("pretrain")) > 0);
    assert!(parse_all::<TrainConfig>(&stage("finetune")) > 0);
    assert!(parse_all::<AlignConfig>(&stage("align")) > 0);
    let pages = parse_all::<ReportConfig>(&stage("report"));
    assert!(stage("report/photos.toml").exists() && stage("photos.mk").exists());
    // One page for each experiment of `all`; another asked for by name has one of its own.
    assert!(!stage("report/photos.sign-map.toml").exists());
    assert!(plan(dir.path(), &["--scale", "smoke", "--with", "sign-map"]).status.success());
    assert!(stage("report/photos.sign-map.toml").exists());
    assert_eq!(parse_all::<ReportConfig>(&stage("report")), pages + 1);
}

#[test]
fn seeds_on_the_command_line_take_the_place_of_all_others() {
    let dir = tempfile::tempdir().unwrap();
    assert!(plan(dir.path(), &["--seeds", "900", "901"]).status.success());
    let runs = fs::read_dir(dir.path().join("plan/pretrain")).unwrap();
    let names: Vec<String> =
        runs.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.is_empty());
    // The line that makes a verdict again has them, too.
    let page = fs::read_to_string(dir.path().join("plan/report/photos.s900-901.toml")).unwrap();
    assert!(page.contains("\nseeds = [900, 901]\n"), "{page}");
    assert!(names.iter().all(|n| n.contains(".s900.") || n.contains(".s901.")), "{names:?}");
}

#[test]
fn wrong_input_is_one_line_and_code_2() {
    let dir = tempfile::tempdir().unwrap();
    for (args, named) in [
        (["--scale", "big"], "[scale.big]"),
        (["--dataset", "nope"], "--dataset nope: want one of"),
        (["--dataset", "mine.toml"], "mine.toml"),
        (["--seeds", "x"], "--seeds"),
        (["--with", "nope"], "--with nope"),
        (["--goal", "alignmnet"], "alignmnet: no goal of that name; did you mean alignment?"),
        (["--why", "alignmnet"], "--why alignmnet: no run of that name"),
    ] {
        let output = plan(dir.path(), &args);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(named), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(!dir.path().join("plan").exists());
    }
}
