//! The state a stopped run goes on from.

use std::{collections::BTreeMap, path::Path};

use randlab_core::Digest;
use randlab_nn::Parameters;
use randlab_store::{TensorData, TensorFile};
use serde::{Deserialize, Serialize};

use crate::{TrainError, checkpoint, log::Log};

/// File name inside a run's folder; removed when the run is done.
const NAME: &str = "resume.safetensors";

/// Weights, optimiser state and log after some step. Random streams need no state: they are functions of the step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub step: u64,
    /// Wall time spent so far.
    pub seconds: f64,
    pub parameters: Parameters,
    pub optimizer: Parameters,
    pub log: Log,
}

#[derive(Serialize, Deserialize)]
struct Header {
    fingerprint: Digest,
    step: u64,
    seconds: f64,
}

const WEIGHTS: &str = "net/";
const OPTIMIZER: &str = "optimizer/";

impl State {
    /// Writes the file for the run with `fingerprint`.
    pub fn write(&self, dir: &Path, fingerprint: &Digest) -> Result<(), TrainError> {
        let path = dir.join(NAME);
        let header =
            Header { fingerprint: fingerprint.clone(), step: self.step, seconds: self.seconds };
        let header = serde_json::to_value(header).map_err(|e| bad(&path, &e.to_string()))?;
        let mut tensors = self.log.tensors();
        for (prefix, set) in [(WEIGHTS, &self.parameters), (OPTIMIZER, &self.optimizer)] {
            for (name, p) in set {
                let data = TensorData::f32(&p.shape, p.values.clone());
                tensors.insert(format!("{prefix}{name}"), data);
            }
        }
        TensorFile { header, tensors }.write(&path)?;
        Ok(())
    }

    /// The state in `dir`, if there is one of the run with `fingerprint`. State of another configuration is as good as
    /// none: it is ignored and later overwritten.
    ///
    /// # Errors
    /// When the file is there but damaged.
    pub fn read(dir: &Path, fingerprint: &Digest) -> Result<Option<Self>, TrainError> {
        let path = dir.join(NAME);
        if !path.exists() {
            return Ok(None);
        }
        let file = TensorFile::read(&path)?;
        let damaged = |what: &str| bad(&path, &format!("{what}; delete the file to start again"));
        let header: Header =
            serde_json::from_value(file.header).map_err(|e| damaged(&e.to_string()))?;
        if header.fingerprint != *fingerprint {
            return Ok(None);
        }
        let log = Log::from_tensors(&file.tensors).ok_or_else(|| damaged("log not understood"))?;
        let part = |prefix: &str| {
            checkpoint::parameters(strip(&file.tensors, prefix)).map_err(|e| damaged(&e))
        };
        Ok(Some(Self {
            step: header.step,
            seconds: header.seconds,
            parameters: part(WEIGHTS)?,
            optimizer: part(OPTIMIZER)?,
            log,
        }))
    }
}

fn strip(tensors: &BTreeMap<String, TensorData>, prefix: &str) -> BTreeMap<String, TensorData> {
    let own = tensors.iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?, t)));
    own.map(|(name, t)| (name.to_owned(), t.clone())).collect()
}

fn bad(path: &Path, problem: &str) -> TrainError {
    TrainError::Checkpoint { path: path.display().to_string(), problem: problem.to_owned() }
}
