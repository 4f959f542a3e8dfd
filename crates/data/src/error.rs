//! What can go wrong with data.

use std::path::{Path, PathBuf};

use randlab_moments::MomentsError;
use randlab_store::StoreError;

/// An error about one file or folder of data. The message starts with its path and fits one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// It is not what the source needs.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// It cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Labels that the images cannot have; the message names no file.
    #[error("{0}")]
    Labels(String),
    /// Moments of patches that cannot be formed; the message names no file.
    #[error(transparent)]
    Moments(#[from] MomentsError),
    /// Reading or writing artifacts.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DataError {
    pub(crate) fn content(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Content { path: path.as_ref().to_owned(), problem: problem.into() }
    }

    pub(crate) fn read(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Read { path, source }
    }
}
