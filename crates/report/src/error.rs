//! What can go wrong when a page is made.

use std::path::PathBuf;

use randlab_store::StoreError;

/// An error about one file. The message starts with its path and fits one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file cannot be read or written, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file is sound, but holds something else than its run should have left.
    #[error("{}: {problem}; run the stage again", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// A picture could not be encoded; a bug here.
    #[error("{figure}: picture not encoded: {problem}")]
    Picture {
        /// Figure it belongs to.
        figure: String,
        /// What the encoder said.
        problem: String,
    },
}

impl ReportError {
    /// [`Self::Content`].
    pub fn content(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Content { path: path.into(), problem: problem.into() }
    }
}
