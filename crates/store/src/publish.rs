//! The one way a file reaches its final name.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use crate::StoreError;

/// Prefix of files not yet published. [`crate::RunDir`] sweeps leftovers of processes that were killed.
pub(crate) const TEMP_PREFIX: &str = ".tmp-";

/// Writes `bytes` to `path` so that a reader, a crash or a full disk sees the old content or the new one and nothing
/// between: a temporary file in the same folder, fsync, rename, fsync of the folder.
///
/// # Errors
/// [`StoreError::Io`]; `path` is then as it was before.
pub fn publish(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(StoreError::io(dir, "make the folder"))?;
    write_then_rename(dir, path, bytes).map_err(StoreError::io(path, "write"))
}

/// As [`publish`], but leaves a file alone that holds these bytes already, with its time stamp. Returns whether it wrote.
pub fn publish_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, StoreError> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    publish(path, bytes)?;
    Ok(true)
}

/// Reads a whole file. No memory mapping: a file that another process truncates must be an error and not a signal.
pub fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(StoreError::io(path, "read"))
}

fn write_then_rename(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMP_PREFIX);
    // `tempfile` makes private files; artifacts follow the user's umask like any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temp = builder.tempfile_in(dir)?;
    temp.write_all(bytes)?;
    temp.as_file().sync_all()?;
    temp.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_files_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.bin");
        publish(&path, b"one").unwrap();
        publish(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn unchanged_content_keeps_its_time_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert!(publish_if_changed(&path, b"1").unwrap());
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(!publish_if_changed(&path, b"1").unwrap());
        assert_eq!(before, fs::metadata(&path).unwrap().modified().unwrap());
        assert!(publish_if_changed(&path, b"2").unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn files_follow_the_umask_like_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        publish(&dir.path().join("ours"), b"").unwrap();
        fs::File::options().write(true).create_new(true).open(dir.path().join("plain")).unwrap();
        let mode = |name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("ours"), mode("plain"));
    }

    #[test]
    fn a_refused_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        publish(&path, b"old").unwrap();
        // The parent of the new file is a file: the folder cannot be made.
        let error = publish(&path.join("child"), b"new").unwrap_err();
        assert!(error.is_environment() && error.to_string().contains("make the folder"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
