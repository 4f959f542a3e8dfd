//! A scratch checkout: the Makefile, the recipes and the photographs, without the sources, in a folder of its own.
//!
//! The programs are those that `cargo test --workspace` has just built; tests of this package alone need
//! `cargo build --release --workspace --bins` before.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "helpers of tests")]

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// A folder in which `make` works as in a checkout.
pub struct Scratch {
    dir: TempDir,
}

impl Scratch {
    /// With the experiments named; all of them when none is.
    pub fn new(experiments: &[&str]) -> Self {
        let scratch = Self { dir: tempfile::tempdir().unwrap() };
        let project = project();
        copy(&project.join("Makefile"), &scratch.path("Makefile"));
        copy_folder(&project.join("pipelines"), &scratch.path("pipelines"));
        let listed = fs::read_dir(scratch.path("pipelines/experiments")).unwrap();
        for path in listed.map(|e| e.unwrap().path()) {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if !experiments.is_empty() && !experiments.contains(&name.as_str()) {
                fs::remove_file(path).unwrap();
            }
        }
        fs::create_dir(scratch.path("data")).unwrap();
        let photos = project.join("data/photos");
        std::os::unix::fs::symlink(photos, scratch.path("data/photos")).unwrap();
        scratch
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `make ARGS SCALE=smoke`, ready to run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("make");
        command.current_dir(self.dir.path()).args(args);
        command.args(["SCALE=smoke", "BUILD=:"]).arg(format!("BIN={}", bin("").display()));
        // A test may itself run under make.
        command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("MFLAGS");
        command
    }

    /// Runs `make ARGS SCALE=smoke`.
    pub fn make(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// As [`Scratch::make`], for what must succeed; returns what it printed, both streams.
    pub fn make_well(&self, args: &[&str]) -> String {
        let output = self.make(args);
        let text = text(&output);
        assert!(output.status.success(), "make {args:?}: {text}");
        text
    }

    /// Runs a program of the pipeline in the folder.
    pub fn run(&self, program: &str, args: &[&str]) -> Output {
        Command::new(bin(program)).current_dir(self.dir.path()).args(args).output().unwrap()
    }

    /// Replaces one text in a file by another.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path(file);
        let old = fs::read_to_string(&path).unwrap();
        assert_eq!(old.matches(from).count(), 1, "{from:?} in {file}");
        overwrite(&path, old.replace(from, to).as_bytes());
    }

    /// Content of every file under `folder` that must be the same wherever and however the runs were made: all but logs,
    /// timings, manifests, locks, and what make was last told to make.
    pub fn artifacts(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.path(folder);
        let mut files = BTreeMap::new();
        collect(&root, &root, &mut files);
        files
    }
}

/// Both streams of a finished process.
pub fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Writes a file in place, as an editor or a broken disk would.
pub fn overwrite(path: &Path, bytes: &[u8]) {
    let mut file = fs::File::options().write(true).create(true).truncate(true).open(path).unwrap();
    io::Write::write_all(&mut file, bytes).unwrap();
}

/// Six files in the layout of CIFAR-10, with made-up pixels and `records` images each.
pub fn write_cifar10(dir: &Path, records: usize) {
    fs::create_dir_all(dir).unwrap();
    let names = (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".into()]);
    for (f, name) in names.enumerate() {
        let record = |r: usize| {
            let level =
                move |p: usize| u8::try_from((f * 50 + r * 7 + p * (1 + r % 5)) % 251).unwrap();
            std::iter::once(u8::try_from(r % 10).unwrap()).chain((0..3072).map(level))
        };
        overwrite(&dir.join(name), &(0..records).flat_map(record).collect::<Vec<u8>>());
    }
}

/// Path of a program, or of the folder of all when the name is empty.
pub fn bin(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let path = if name.is_empty() { folder.to_owned() } else { folder.join(name) };
    assert!(path.exists(), "{}: not built; test the whole workspace", path.display());
    path
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            copy(&entry.path(), &target);
        }
    }
}

fn collect(root: &Path, dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for path in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(root, &path, files);
        } else if !["log.jsonl", "timing.parquet", "run.json", ".lock"].contains(&name.as_str())
            && path.extension().is_none_or(|e| e != "mk")
        {
            let key = path.strip_prefix(root).unwrap().display().to_string();
            files.insert(key, fs::read(&path).unwrap());
        }
    }
}
