//! `run.json`: the last file of a run, and the proof that it is done.

use std::{collections::BTreeMap, path::Path};

use randlab_core::{Digest, Hasher, RunId};
use serde::{Deserialize, Serialize};

use crate::{StoreError, publish::read};

/// What a run was, what it read and what it wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Stage that wrote it.
    pub stage: String,
    /// Raised in code whenever the stage's numbers change.
    pub stage_version: u32,
    /// The run.
    pub run: RunId,
    /// Over stage, stage version, configuration and inputs.
    pub fingerprint: Digest,
    /// Digest of the canonical configuration.
    pub config: Digest,
    /// Runs and files read.
    pub inputs: Vec<InputRef>,
    /// Files written, by name.
    pub outputs: Vec<FileRef>,
    /// How it ended.
    pub status: Status,
    /// Facts found on the way: counts of rejected crops, digests of raw files and the like.
    pub notes: BTreeMap<String, serde_json::Value>,
    /// Machine, kernels, threads, source version: not the same everywhere, and not part of any comparison.
    pub environment: BTreeMap<String, serde_json::Value>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As asked.
    Ok,
    /// To its end, but below its target accuracy on the training labels.
    NotConverged,
}

impl Status {
    /// The name used in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotConverged => "not_converged",
        }
    }
}

/// Something a run read: another run, or files from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRef {
    /// `stage/run` of a run, or the path of a file or folder.
    pub name: String,
    /// Its identity: for a run over its fingerprint and outputs, for files over their bytes.
    pub digest: Digest,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Path inside the run's folder.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// Digest of the content.
    pub blake3: Digest,
}

impl Manifest {
    /// File name inside the run's folder.
    pub const NAME: &'static str = "run.json";

    /// Reads the manifest of the run in `dir`.
    ///
    /// # Errors
    /// [`StoreError::Io`] when there is none, [`StoreError::Corrupt`] when it cannot be understood.
    pub fn read(dir: &Path) -> Result<Self, StoreError> {
        Self::parse(&dir.join(Self::NAME))
    }

    pub(crate) fn parse(path: &Path) -> Result<Self, StoreError> {
        serde_json::from_slice(&read(path)?).map_err(|e| StoreError::corrupt(path, e))
    }

    /// Reads the manifest in `dir`, which must be that of `run` of `stage`.
    ///
    /// # Errors
    /// As [`Manifest::read`]; [`StoreError::Corrupt`] when it is that of another run, as after folders were renamed.
    pub fn read_as(dir: &Path, stage: &str, run: &RunId) -> Result<Self, StoreError> {
        let manifest = Self::read(dir)?;
        match manifest.stranger(stage, run) {
            Some(problem) => Err(StoreError::corrupt(dir.join(Self::NAME), problem)),
            None => Ok(manifest),
        }
    }

    /// What is wrong if the manifest is not that of `run` of `stage`.
    pub fn stranger(&self, stage: &str, run: &RunId) -> Option<String> {
        let own = self.stage == stage && self.run == *run;
        let found = format!("{}/{}", self.stage, self.run);
        (!own).then(|| format!("manifest of {found} in the folder of {stage}/{run}"))
    }

    /// What is wrong with the files of the run in `dir`, one line each.
    pub fn damage(&self, dir: &Path) -> Vec<StoreError> {
        self.outputs.iter().filter_map(|file| file.read_checked(dir).err()).collect()
    }

    /// What the run is to whoever reads it: its fingerprint and the content of its deterministic files. The timing table
    /// is left out, as it differs from machine to machine.
    pub fn identity(&self) -> Digest {
        let mut hasher = Hasher::new("randlab run identity");
        hasher.field(self.fingerprint.as_str().as_bytes());
        for file in self.outputs.iter().filter(|f| f.name != "timing.parquet") {
            hasher.field(file.name.as_bytes()).field(file.blake3.as_str().as_bytes());
        }
        hasher.digest()
    }

    /// The fingerprint of a run that is about to start.
    pub fn fingerprint(stage: &str, version: u32, config: &Digest, inputs: &[InputRef]) -> Digest {
        let mut hasher = Hasher::new("randlab fingerprint");
        hasher.field(stage.as_bytes()).field(&version.to_le_bytes());
        hasher.field(config.as_str().as_bytes());
        for input in inputs {
            hasher.field(input.name.as_bytes()).field(input.digest.as_str().as_bytes());
        }
        hasher.digest()
    }
}

impl FileRef {
    /// Describes the file `name` of the run in `dir`.
    pub fn of(dir: &Path, name: &str) -> Result<Self, StoreError> {
        let bytes = read(&dir.join(name))?;
        Ok(Self { name: name.to_owned(), bytes: bytes.len() as u64, blake3: Digest::of(&bytes) })
    }

    /// Reads the file and checks that it is the one described.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when size or digest differ.
    pub fn read_checked(&self, dir: &Path) -> Result<Vec<u8>, StoreError> {
        let path = dir.join(&self.name);
        let bytes = read(&path)?;
        let found = Digest::of(&bytes);
        if found == self.blake3 {
            return Ok(bytes);
        }
        let problem = format!("digest {}, expected {}", found.short(), self.blake3.short());
        Err(StoreError::corrupt(path, problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, content: &[u8]) -> InputRef {
        InputRef { name: name.into(), digest: Digest::of(content) }
    }

    #[test]
    fn the_fingerprint_changes_with_each_of_its_parts() {
        let config = Digest::of(b"c");
        let inputs = [input("prepare/a", b"1")];
        let base = Manifest::fingerprint("pretrain", 1, &config, &inputs);
        assert_eq!(base, Manifest::fingerprint("pretrain", 1, &config, &inputs));
        for other in [
            Manifest::fingerprint("finetune", 1, &config, &inputs),
            Manifest::fingerprint("pretrain", 2, &config, &inputs),
            Manifest::fingerprint("pretrain", 1, &Digest::of(b"d"), &inputs),
            Manifest::fingerprint("pretrain", 1, &config, &[input("prepare/a", b"2")]),
            Manifest::fingerprint("pretrain", 1, &config, &[input("prepare/b", b"1")]),
            Manifest::fingerprint("pretrain", 1, &config, &[]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn the_manifest_of_another_run_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let run = |name: &str| RunId::try_from(name.to_owned()).unwrap();
        let manifest = Manifest {
            stage: "pretrain".into(),
            stage_version: 1,
            run: run("s0"),
            fingerprint: Digest::of(b""),
            config: Digest::of(b""),
            inputs: Vec::new(),
            outputs: Vec::new(),
            status: Status::Ok,
            notes: BTreeMap::new(),
            environment: BTreeMap::new(),
        };
        let text = serde_json::to_string(&manifest).unwrap();
        crate::publish(&dir.path().join(Manifest::NAME), text.as_bytes()).unwrap();
        assert_eq!(Manifest::read_as(dir.path(), "pretrain", &run("s0")).unwrap(), manifest);
        for (stage, name) in [("pretrain", "s1"), ("finetune", "s0")] {
            let error = Manifest::read_as(dir.path(), stage, &run(name)).unwrap_err().to_string();
            assert!(error.contains("manifest of pretrain/s0 in the folder of"), "{error}");
        }
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        crate::publish(&dir.path().join("w"), b"good").unwrap();
        let file = FileRef::of(dir.path(), "w").unwrap();
        assert_eq!(file.read_checked(dir.path()).unwrap(), b"good");
        crate::publish(&dir.path().join("w"), b"gooo").unwrap();
        let message = file.read_checked(dir.path()).unwrap_err().to_string();
        assert!(message.contains("digest") && message.contains("/w"), "{message}");
    }
}
