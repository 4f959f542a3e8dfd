//! Raw files: which ones a source reads, opened with care, and identified by their content.

use std::{
    ffi::OsStr,
    fs::{self, File, Metadata},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use randlab_core::Hasher;
use randlab_store::InputRef;

use crate::{DataError, Source, digests::Digests};

/// The raw files behind `source` with the digest of their names and content: part of the fingerprint of the run that reads
/// them. Empty for sources that need no files. `cache`, a JSON file, saves reading again what has not changed.
///
/// # Errors
/// [`DataError`] naming the file that is not there, cannot be read or is no regular file.
pub fn raw_inputs(source: &dyn Source, cache: Option<&Path>) -> Result<Vec<InputRef>, DataError> {
    let Some(root) = source.path() else { return Ok(Vec::new()) };
    let mut digests = cache.map(Digests::read).unwrap_or_default();
    let mut hasher = Hasher::new("randlab raw files");
    for file in source.files()? {
        let name = file.strip_prefix(root).unwrap_or(&file);
        hasher.field(name.as_os_str().as_encoded_bytes());
        hasher.field(digests.of(&file)?.as_str().as_bytes());
    }
    if let Some(cache) = cache {
        digests.write(cache)?;
    }
    Ok(vec![InputRef { name: root.to_owned(), digest: hasher.digest() }])
}

/// Opens a regular file: a pipe would block, a device has no end.
///
/// # Errors
/// [`DataError`] naming the file.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata), DataError> {
    let about = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if !about.is_file() {
        return Err(DataError::content(path, "not a regular file; replace or remove it"));
    }
    let file = File::open(path).map_err(DataError::read(path))?;
    Ok((file, about))
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// [`DataError`] naming the file.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, DataError> {
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(DataError::read(path))?;
    if bytes.len() as u64 > most {
        let problem = format!("more than {most} bytes; replace or remove it");
        return Err(DataError::content(path, problem));
    }
    Ok(bytes)
}

/// Paths in a folder without hidden ones, sorted by the bytes of their names.
///
/// # Errors
/// [`DataError`] naming the folder, or a link that leads nowhere.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let list = |d: fs::ReadDir| d.map(|e| e.map(|e| e.path())).collect();
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).and_then(list).map_err(DataError::read(dir))?;
    paths.retain(|path| !file_name(path).as_encoded_bytes().starts_with(b"."));
    paths.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    for path in &paths {
        fs::metadata(path).map_err(|error| unreadable(path, error))?;
    }
    Ok(paths)
}

pub(crate) fn file_name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// Says why there is nothing to read at `path`.
pub(crate) fn unreadable(path: &Path, error: std::io::Error) -> DataError {
    if error.kind() != ErrorKind::NotFound {
        return DataError::read(path)(error);
    }
    let problem = match fs::read_link(path) {
        Ok(target) => {
            format!("a link to {}, which is not there; mend or remove it", target.display())
        }
        Err(_) => "not found; copy the whole dataset".to_owned(),
    };
    DataError::content(path, problem)
}

/// Refuses a root that is not there; `advice` says how to get it.
///
/// # Errors
/// [`DataError`] naming the root.
pub(crate) fn there(root: &str, advice: &str) -> Result<(), DataError> {
    let path = Path::new(root);
    match fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound && fs::read_link(path).is_err() => {
            Err(DataError::content(path, format!("not found; {advice}")))
        }
        Err(error) => Err(unreadable(path, error)),
    }
}
