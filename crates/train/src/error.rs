//! What can go wrong in training.

use randlab_data::DataError;
use randlab_moments::MomentsError;
use randlab_nn::NnError;
use randlab_store::StoreError;

/// An error of one training run. The message fits one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A number stopped being finite: the run has failed and stops.
    #[error("{tensor} is {value} at step {step}; lower the learning rate or the initial scale")]
    NotFinite {
        /// What: `loss`, or the gradient or the weights of a named tensor.
        tensor: String,
        /// NaN or an infinity.
        value: f64,
        /// Optimiser steps done before.
        step: u64,
    },
    /// Configuration and data do not fit together.
    #[error("{run}: {problem}")]
    Config {
        /// The run.
        run: String,
        /// What does not fit.
        problem: String,
    },
    /// A checkpoint is not what this run needs.
    #[error("{path}: {problem}")]
    Checkpoint {
        /// The file.
        path: String,
        /// What does not fit.
        problem: String,
    },
    /// Reading the prepared data, or giving its images labels.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Writing or reading artifacts.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Building the net.
    #[error(transparent)]
    Net(NnError),
    /// Statistics of the transferred weights.
    #[error(transparent)]
    Moments(#[from] MomentsError),
    /// The tensor library; a bug rather than a mistake of the user's.
    #[error("tensor operation failed: {}", first_line(.0))]
    Tensor(#[from] candle_core::Error),
}

/// What is about a file is so here as well.
impl From<NnError> for TrainError {
    fn from(error: NnError) -> Self {
        match error {
            NnError::Store(error) => Self::Store(error),
            NnError::Checkpoint { path, problem } => Self::Checkpoint { path, problem },
            error => Self::Net(error),
        }
    }
}

/// The library's message carries a whole backtrace when backtraces are on.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
