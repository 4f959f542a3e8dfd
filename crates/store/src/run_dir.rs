//! A run's folder: one writer at a time, done when its manifest says so.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use randlab_core::Digest;

use crate::{
    Manifest, StoreError,
    publish::{TEMP_PREFIX, publish},
};

/// An open run folder. The lock goes with the process, however it ends.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
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
        Ok(Self { root: root.to_owned(), _lock: lock })
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

    /// Marks the manifest as checked just now, so that make does not ask again.
    pub fn touch_manifest(&self) -> Result<(), StoreError> {
        let path = self.path(Manifest::NAME);
        let stamp = |f: File| f.set_modified(std::time::SystemTime::now());
        File::options()
            .append(true)
            .open(&path)
            .and_then(stamp)
            .map_err(StoreError::io(&path, "set the time of"))
    }

    /// Removes what an earlier configuration left: everything but the lock and the files in `keep`, named by their paths in
    /// the folder. Folders in which nothing is kept go, too.
    pub fn clear_except<S: AsRef<str>>(&self, keep: &[S]) -> Result<(), StoreError> {
        let lock = self.path(".lock");
        let kept = keep.iter().map(|name| self.path(name.as_ref())).chain([lock]).collect();
        clear(&self.root, &kept)
    }

    /// Removes one file, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(&path, "remove")(e))
            }
            _ => Ok(()),
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

/// Removes all files in `dir` but those `kept`, and folders that are empty then.
fn clear(dir: &Path, kept: &BTreeSet<PathBuf>) -> Result<(), StoreError> {
    for path in entries(dir)? {
        let removed = if path.is_dir() && !path.is_symlink() {
            clear(&path, kept)?;
            if entries(&path)?.is_empty() { fs::remove_dir(&path) } else { Ok(()) }
        } else if kept.contains(&path) {
            Ok(())
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(StoreError::io(&path, "remove"))?;
    }
    Ok(())
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

    #[test]
    fn clears_all_but_what_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path()).unwrap();
        for name in ["keep.txt", "old/deep.txt", "new/keep.txt", "new/old.txt"] {
            publish(&run.path(name), b"").unwrap();
        }
        run.clear_except(&["keep.txt", "new/keep.txt"]).unwrap();
        let there = |name: &str| run.path(name).exists();
        assert!(there(".lock") && there("keep.txt") && there("new/keep.txt"));
        assert!(!there("old") && !there("new/old.txt"));
    }
}
