//! Digests of files, remembered while the files stay as they are.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use randlab_core::Digest;
use randlab_store::publish_if_changed;

use crate::{DataError, files};

/// Digests by what the file system says of a file: device, inode, size, and the times of its last change of content and of
/// anything. The last of these cannot be set, so a copy with an old time stamp is noticed, too.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Digests {
    known: BTreeMap<String, Digest>,
}

impl Digests {
    /// What an earlier call remembered. A file that is missing or damaged costs time and nothing else.
    pub fn read(cache: &Path) -> Self {
        let text = fs::read(cache).unwrap_or_default();
        Self { known: serde_json::from_slice(&text).unwrap_or_default() }
    }

    /// Remembers the digests for later calls.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn write(&self, cache: &Path) -> Result<(), DataError> {
        let text = serde_json::to_vec(&self.known)
            .map_err(|error| DataError::content(cache, error.to_string()))?;
        publish_if_changed(cache, &text)?;
        Ok(())
    }

    /// Digest of the content of a regular file.
    ///
    /// # Errors
    /// [`DataError`] naming the file.
    pub fn of(&mut self, path: &Path) -> Result<Digest, DataError> {
        let (file, about) = files::open(path)?;
        let key = key(&about);
        if let Some(digest) = self.known.get(&key) {
            return Ok(digest.clone());
        }
        let digest = Digest::of_reader(file).map_err(DataError::read(path))?;
        if settled(&about, SystemTime::now()) {
            self.known.insert(key, digest.clone());
        }
        Ok(digest)
    }
}

fn key(m: &Metadata) -> String {
    let (dev, ino, size) = (m.dev(), m.ino(), m.size());
    let (mtime, ctime) = ((m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()));
    format!("{dev}:{ino}:{size}:{}.{:09}:{}.{:09}", mtime.0, mtime.1, ctime.0, ctime.1)
}

/// Whether the last change is long enough ago for another one to have another time. Clocks of file systems tick in up to two
/// seconds.
fn settled(m: &Metadata, now: SystemTime) -> bool {
    const TICK: i64 = 2;
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    m.ctime().saturating_add(TICK) < i64::try_from(now).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "raw files are written by others, and in place")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_known_file_is_not_read_again_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, cache) = (dir.path().join("a"), dir.path().join("plan/digests.json"));
        fs::write(&path, b"one").unwrap();
        let made_up = Digest::of(b"made up");
        let known = BTreeMap::from([(key(&fs::metadata(&path).unwrap()), made_up.clone())]);
        Digests { known }.write(&cache).unwrap();
        let mut digests = Digests::read(&cache);
        assert_eq!(digests.of(&path).unwrap(), made_up);
        // The same size and the old time stamp: only the time of the change itself tells.
        let old = fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&path, b"two").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        assert_eq!(digests.of(&path).unwrap(), Digest::of(b"two"));
    }

    #[test]
    fn what_has_just_changed_is_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, b"one").unwrap();
        let about = fs::metadata(&path).unwrap();
        assert!(!settled(&about, SystemTime::now()));
        assert!(settled(&about, SystemTime::now() + Duration::from_secs(10)));
        let mut digests = Digests::default();
        digests.of(&path).unwrap();
        assert!(digests.known.is_empty());
    }

    #[test]
    fn a_damaged_cache_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("digests.json");
        fs::write(&cache, b"{\"1:2").unwrap();
        assert_eq!(Digests::read(&cache), Digests::default());
    }
}
