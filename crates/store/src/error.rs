//! What can go wrong with an artifact.

use std::{fmt, io, path::PathBuf};

/// An error about one file. The message starts with its path and fits one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process works in the folder.
    #[error("{}: locked by another process; wait for it or stop it", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The bytes are not what the name promises.
    #[error("{}: {problem}; delete the file and make it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The content does not fit its schema before writing; a bug in the caller.
    #[error("{}: not written: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
}

impl StoreError {
    pub(crate) fn io(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }

    pub(crate) fn corrupt(path: impl Into<PathBuf>, problem: impl fmt::Display) -> Self {
        Self::Corrupt { path: path.into(), problem: problem.to_string() }
    }

    pub(crate) fn invalid(path: impl Into<PathBuf>, problem: impl fmt::Display) -> Self {
        Self::Invalid { path: path.into(), problem: problem.to_string() }
    }

    /// True when the cause lies in the environment (disk, permission, lock) and not in the content of a file. A missing
    /// file counts as content, and so does a folder in the place of a file: the user named something else than is there.
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Io { source, .. } => !matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::NotADirectory
            ),
            Self::Locked { .. } => true,
            Self::Corrupt { .. } | Self::Invalid { .. } => false,
        }
    }
}
