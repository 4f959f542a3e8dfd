//! Weights on disk.

use std::{collections::BTreeMap, path::Path};

use randlab_core::{Digest, RunId};
use randlab_store::{TensorData, TensorFile};
use serde::{Deserialize, Serialize};

use crate::{Architectures, NnError, Parameter, Parameters};

/// A net's weights at one step. Tensors are `LAYER.weight` (`[out, in]` or `[out, in, k, k]`) and `LAYER.bias` (`[out]`),
/// f32, named and laid out as in a `PyTorch` state dict. Intermediate checkpoints may hold the first layers only.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// What the weights belong to.
    pub header: Header,
    /// By tensor name.
    pub parameters: Parameters,
}

/// What a checkpoint belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The run.
    pub run: RunId,
    /// Its fingerprint.
    pub fingerprint: Digest,
    /// Optimiser steps done.
    pub step: u64,
    /// The net.
    pub model: Architectures,
    /// `[channels, height, width]` of its inputs.
    pub input: [usize; 3],
    /// Outputs of its head.
    pub classes: usize,
}

impl Checkpoint {
    /// File name of an intermediate checkpoint inside a run's folder.
    pub fn name(step: u64) -> String {
        format!("checkpoints/step-{step:09}.safetensors")
    }

    /// File name of the last checkpoint inside a run's folder.
    pub const FINAL: &'static str = "final.safetensors";

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), NnError> {
        let problem = |e: serde_json::Error| bad(path, e.to_string());
        let header = serde_json::to_value(&self.header).map_err(problem)?;
        let tensors = self.parameters.iter();
        let tensors =
            tensors.map(|(n, p)| (n.clone(), TensorData::f32(&p.shape, p.values.clone())));
        TensorFile { header, tensors: tensors.collect() }.write(path)?;
        Ok(())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`NnError::Store`] when the file is damaged, [`NnError::Checkpoint`] when it is something else.
    pub fn read(path: &Path) -> Result<Self, NnError> {
        let file = TensorFile::read(path)?;
        let header = serde_json::from_value(file.header)
            .map_err(|e| bad(path, format!("not a checkpoint: {e}")))?;
        let parameters = parameters(file.tensors).map_err(|problem| bad(path, problem))?;
        Ok(Self { header, parameters })
    }
}

/// Tensors of a file as parameters.
///
/// # Errors
/// A text naming a tensor that is not f32.
pub fn parameters(tensors: BTreeMap<String, TensorData>) -> Result<Parameters, String> {
    let convert = |(name, tensor): (String, TensorData)| {
        let shape = tensor.shape.clone();
        let values = tensor.into_f32().ok_or_else(|| format!("tensor {name} is not F32"))?;
        Ok((name, Parameter { shape, values }))
    };
    tensors.into_iter().map(convert).collect()
}

fn bad(path: &Path, problem: impl Into<String>) -> NnError {
    NnError::Checkpoint { path: path.display().to_string(), problem: problem.into() }
}
