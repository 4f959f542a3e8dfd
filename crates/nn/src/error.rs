//! What can go wrong with a net.

use randlab_store::StoreError;

/// An error about a net or an optimiser. The message fits one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NnError {
    /// The net cannot be built for its input, or its initialisation names what is not there.
    #[error("model: {0}")]
    Model(String),
    /// Saved parameters do not fit the net.
    #[error("tensor {name}: {problem}")]
    Parameter {
        /// The tensor.
        name: String,
        /// What does not fit.
        problem: String,
    },
    /// Targets or weights do not fit the loss.
    #[error("loss: {0}")]
    Loss(String),
    /// A file is no checkpoint.
    #[error("{path}: {problem}")]
    Checkpoint {
        /// The file.
        path: String,
        /// What does not fit.
        problem: String,
    },
    /// Writing or reading a file of tensors.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tensor library refused; a bug rather than a mistake of the user's.
    #[error("tensor operation failed: {}", .0.to_string().lines().next().unwrap_or_default())]
    Tensor(#[from] candle_core::Error),
}

impl NnError {
    /// Whether the message begins with the file it is about.
    pub const fn names_file(&self) -> bool {
        match self {
            Self::Checkpoint { .. } | Self::Store(_) => true,
            Self::Model(_) | Self::Parameter { .. } | Self::Loss(_) | Self::Tensor(_) => false,
        }
    }
}
