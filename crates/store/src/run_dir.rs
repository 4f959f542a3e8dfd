//! A run's folder: one writer at a time, done when its manifest says so.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use randlab_core::Digest;

use crate::{
    Manifest, StoreError,
    publish::{TEMP_PREFIX, publish},
    table::TableInfo,
};

/// The manifest of a run that is being replaced, until its files are gone.
const REPLACED: &str = ".replaced.json";
/// The manifest of a run in which damage was found.
const DAMAGED: &str = "run.json.damaged";

/// Names that runs give to files whatever their configuration; tables are known from the stage, others from manifests.
fn is_ours(name: &str) -> bool {
    const FILES: [&str; 8] = [
        "eigenbasis.safetensors",
        "failed.json",
        "final.safetensors",
        "images.safetensors",
        "resume.safetensors",
        "stats.safetensors",
        "timing.parquet",
        DAMAGED,
    ];
    let checkpoint =
        || name.strip_prefix("checkpoints/step-").is_some_and(|n| n.ends_with(".safetensors"));
    FILES.contains(&name) || checkpoint()
}

/// An open run folder. The lock goes with the process, however it ends.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    tables: Vec<&'static str>,
    _lock: File,
}

impl RunDir {
    /// Makes the folder if need be, locks it and removes temporary files of dead processes.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has it open, [`StoreError::Io`] when it cannot be made.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(StoreError::io(root, "make the folder"))?;
        let path = root.join(".lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(StoreError::io(&path, "open"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path }),
            Err(TryLockError::Error(e)) => return Err(StoreError::io(&path, "lock")(e)),
        }
        sweep(root)?;
        Ok(Self { root: root.to_owned(), tables: Vec::new(), _lock: lock })
    }

    /// Makes known which tables runs in this folder write, so that [`RunDir::clear_except`] removes those of a run that
    /// did not come as far as its manifest.
    #[must_use]
    pub fn with_tables(mut self, tables: &[TableInfo]) -> Self {
        self.tables = tables.iter().map(|table| table.name).collect();
        self
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The manifest of a finished run that stands for exactly `fingerprint` and whose files are all there.
    pub fn finished(&self, fingerprint: &Digest) -> Option<Manifest> {
        let manifest = Manifest::read(&self.root).ok()?;
        let whole =
            |f: &crate::FileRef| fs::metadata(self.path(&f.name)).is_ok_and(|m| m.len() == f.bytes);
        (manifest.fingerprint == *fingerprint && manifest.outputs.iter().all(whole))
            .then_some(manifest)
    }

    /// Makes the folder that of a run which is not finished, whatever it was. What an earlier manifest lists stays known
    /// until [`RunDir::clear_except`] has removed it.
    pub fn reopen(&self) -> Result<(), StoreError> {
        let path = self.path(Manifest::NAME);
        match fs::rename(&path, self.path(REPLACED)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(&path, "rename")(e))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Moves the manifest of a damaged run aside, so that make makes the run again.
    pub fn set_aside(&self) -> Result<(), StoreError> {
        let path = self.path(Manifest::NAME);
        fs::rename(&path, self.path(DAMAGED)).map_err(StoreError::io(&path, "rename"))
    }

    /// Removes what earlier runs left in the folder, but for the files in `keep`, named by their paths in the folder. Only
    /// files that a manifest lists, tables of the stage and files with names that runs give are theirs; all others stay. Folders that are empty then go.
    pub fn clear_except<S: AsRef<str>>(&self, keep: &[S]) -> Result<(), StoreError> {
        let listed = [REPLACED, DAMAGED, Manifest::NAME].map(|name| self.listed(name)).concat();
        let goes = |name: &str| {
            let table = name.strip_suffix(".parquet").is_some_and(|t| self.tables.contains(&t));
            let ours = table || is_ours(name) || listed.iter().any(|n| n == name);
            ours && !keep.iter().any(|n| n.as_ref() == name)
        };
        clear(&self.root, "", &goes)?;
        self.remove(REPLACED)
    }

    /// Files listed in the manifest of that name; none where it is missing or damaged.
    fn listed(&self, name: &str) -> Vec<String> {
        let manifest = Manifest::parse(&self.path(name));
        manifest.map_or(Vec::new(), |m| m.outputs.into_iter().map(|f| f.name).collect())
    }

    /// Removes one file, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(&path, "remove")(e))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Publishes the manifest, which must be the last file of a run.
    pub fn finish(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let path = self.path(Manifest::NAME);
        let mut text =
            serde_json::to_string_pretty(manifest).map_err(|e| StoreError::invalid(&path, e))?;
        text.push('\n');
        publish(&path, text.as_bytes())
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = |d: fs::ReadDir| d.map(|e| e.map(|e| e.path())).collect();
    fs::read_dir(dir).and_then(list).map_err(StoreError::io(dir, "list"))
}

/// Removes the files below `dir` that go, by their paths from the run's folder, and folders that are empty then. Returns
/// whether any file went.
fn clear(dir: &Path, prefix: &str, goes: &dyn Fn(&str) -> bool) -> Result<bool, StoreError> {
    let mut any = false;
    for path in entries(dir)? {
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() && !path.is_symlink() {
            if clear(&path, &format!("{name}/"), goes)? && entries(&path)?.is_empty() {
                fs::remove_dir(&path).map_err(StoreError::io(&path, "remove"))?;
            }
        } else if goes(&name) {
            fs::remove_file(&path).map_err(StoreError::io(&path, "remove"))?;
            any = true;
        }
    }
    Ok(any)
}

fn sweep(dir: &Path) -> Result<(), StoreError> {
    for path in entries(dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            sweep(&path)?;
        } else if name.starts_with(TEMP_PREFIX) {
            fs::remove_file(&path).map_err(StoreError::io(&path, "remove"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::LayerRow;

    #[test]
    fn has_one_writer_and_sweeps_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let nested = dir.path().join("checkpoints");
        fs::create_dir(&nested).unwrap();
        for left in [dir.path().join(".tmp-abc"), nested.join(".tmp-def")] {
            File::options().write(true).create_new(true).open(left).unwrap();
        }
        let first = RunDir::open(dir.path()).unwrap();
        assert!(!dir.path().join(".tmp-abc").exists() && !nested.join(".tmp-def").exists());
        assert!(matches!(RunDir::open(dir.path()), Err(StoreError::Locked { .. })));
        drop(first);
        assert!(RunDir::open(dir.path()).is_ok());
    }

    fn manifest(files: &[&str]) -> Manifest {
        let digest = Digest::of(b"");
        let file = |name: &&str| crate::FileRef {
            name: (*name).to_owned(),
            bytes: 0,
            blake3: digest.clone(),
        };
        Manifest {
            stage: "report".into(),
            stage_version: 1,
            run: "page".to_owned().try_into().unwrap(),
            fingerprint: digest.clone(),
            config: digest.clone(),
            inputs: Vec::new(),
            outputs: files.iter().map(file).collect(),
            status: crate::Status::Ok,
            notes: std::collections::BTreeMap::new(),
            environment: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn clears_what_runs_left_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path()).unwrap().with_tables(&[TableInfo::of::<LayerRow>()]);
        let ours = ["old/fig.svg", "new/old.svg", "checkpoints/step-000000001.safetensors"];
        let theirs = ["notes.txt", "mine/deep.txt", "checkpoints/notes.txt", "my.parquet"];
        let kept = ["new/fig.svg", "runs.parquet"];
        let more = [
            "resume.safetensors",
            "failed.json",
            "layers.parquet",
            "timing.parquet",
            "run.json.damaged",
        ];
        for name in ours.iter().chain(&theirs).chain(&kept).chain(&more) {
            publish(&run.path(name), b"").unwrap();
        }
        fs::create_dir(run.path("empty")).unwrap();
        run.finish(&manifest(&["old/fig.svg", "new/old.svg", "new/fig.svg"])).unwrap();
        run.reopen().unwrap();
        assert!(!run.path(Manifest::NAME).exists());
        run.clear_except(&kept).unwrap();
        let there = |name: &&str| run.path(name).exists();
        assert!(kept.iter().chain(&theirs).chain(&[".lock", "empty"]).all(there));
        assert!(!ours.iter().chain(&more).chain(&["old", REPLACED]).any(there));
    }
}
