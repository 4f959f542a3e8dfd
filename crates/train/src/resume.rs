//! The state a stopped run goes on from.

use std::{collections::BTreeMap, fmt::Display, path::Path, time::Duration};

use randlab_core::Digest;
use randlab_nn::Parameters;
use randlab_store::{StoreError, TensorData, TensorFile};
use serde::{Deserialize, Serialize};

use crate::{TrainError, checkpoint, hooks::Hooks, learner::Learner, log::Log};

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

/// Next to it in the file stands the digest of header and tensors, under [`DIGEST`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    fingerprint: Digest,
    step: u64,
    /// In whole numbers, which survive as text.
    time: Duration,
}

const DIGEST: &str = "digest";
const WEIGHTS: &str = "net/";
const OPTIMIZER: &str = "optimizer/";

impl State {
    /// Writes the file for the run with `fingerprint`.
    pub fn write(&self, dir: &Path, fingerprint: &Digest) -> Result<(), TrainError> {
        let path = dir.join(NAME);
        let time = Duration::try_from_secs_f64(self.seconds).unwrap_or_default();
        let header = Header { fingerprint: fingerprint.clone(), step: self.step, time };
        let header = serde_json::to_value(header).map_err(|e| bad(dir, e))?;
        let mut tensors = self.log.tensors();
        for (prefix, set) in [(WEIGHTS, &self.parameters), (OPTIMIZER, &self.optimizer)] {
            for (name, p) in set {
                let data = TensorData::f32(&p.shape, p.values.clone());
                tensors.insert(format!("{prefix}{name}"), data);
            }
        }
        let mut file = TensorFile { header, tensors };
        file.header[DIGEST] = file.digest().as_str().into();
        file.write(&path)?;
        Ok(())
    }

    /// The state in `dir`, if there is one of the run with `fingerprint`. State of another configuration is as good as
    /// none: it is ignored and later overwritten.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when the file is damaged, [`TrainError::Store`] when it cannot be read.
    pub fn read(dir: &Path, fingerprint: &Digest) -> Result<Option<Self>, TrainError> {
        let path = dir.join(NAME);
        if !path.exists() {
            return Ok(None);
        }
        let mut file = match TensorFile::read(&path) {
            Err(StoreError::Corrupt { problem, .. }) => return Err(bad(dir, problem)),
            file => file?,
        };
        let stated = file.header.as_object_mut().and_then(|header| header.remove(DIGEST));
        if stated != Some(file.digest().as_str().into()) {
            return Err(bad(dir, "its digest is not that of its content"));
        }
        let header: Header = serde_json::from_value(file.header).map_err(|e| bad(dir, e))?;
        if header.fingerprint != *fingerprint {
            return Ok(None);
        }
        let log = Log::from_tensors(&file.tensors);
        let part = |prefix: &str| {
            checkpoint::parameters(strip(&file.tensors, prefix)).map_err(|e| bad(dir, e))
        };
        Ok(Some(Self {
            step: header.step,
            seconds: header.time.as_secs_f64(),
            parameters: part(WEIGHTS)?,
            optimizer: part(OPTIMIZER)?,
            log: log.ok_or_else(|| bad(dir, "log not understood"))?,
        }))
    }

    /// Compares the parts of a state with each other and with a run of at most `steps` steps of a net of `layers` layers.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] saying which do not agree.
    pub fn check(&self, dir: &Path, steps: u64, layers: usize) -> Result<(), TrainError> {
        let step = self.step;
        let logged = self.log.steps.len();
        let rows = || self.log.places();
        let problem = if logged as u64 != step {
            format!("at step {step} with {logged} steps in its log")
        } else if step > steps {
            format!("at step {step} of a run of {steps}")
        } else if let Some((late, _)) = rows().find(|(at, _)| *at > step) {
            format!("at step {step} with rows of step {late} in its log")
        } else if let Some((_, layer)) = rows().find(|(_, layer)| *layer >= layers) {
            format!("rows of layer {layer} in its log, of a net of {layers}")
        } else {
            return Ok(());
        };
        Err(bad(dir, problem))
    }
}

/// The saved state with the learner made of it. One that is damaged or does not fit is reported and left: the
/// run then starts from the beginning.
pub(crate) fn restore(
    dir: &Path,
    fingerprint: &Digest,
    steps: u64,
    build: &dyn Fn(&Parameters) -> Result<Learner, TrainError>,
    hooks: &mut dyn Hooks,
) -> Result<Option<(State, Learner)>, TrainError> {
    let read = || {
        let Some(state) = State::read(dir, fingerprint)? else { return Ok(None) };
        let mut learner = build(&state.parameters).map_err(|e| bad(dir, e))?;
        state.check(dir, steps, learner.net().layers().len())?;
        learner.import(&state.optimizer).map_err(|e| bad(dir, e))?;
        Ok(Some((state, learner)))
    };
    match read() {
        Err(problem @ TrainError::Checkpoint { .. }) => {
            hooks.warn(&format!("{problem}; the run starts from the beginning"));
            Ok(None)
        }
        other => other,
    }
}

/// An error about the state in `dir`.
fn bad(dir: &Path, problem: impl Display) -> TrainError {
    let path = dir.join(NAME).display().to_string();
    TrainError::Checkpoint { path, problem: problem.to_string() }
}

fn strip(tensors: &BTreeMap<String, TensorData>, prefix: &str) -> BTreeMap<String, TensorData> {
    let own = tensors.iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?, t)));
    own.map(|(name, t)| (name.to_owned(), t.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LayerEntry, StepEntry};

    fn state(step: u64, logged: usize) -> State {
        let entry =
            StepEntry { loss_sum: 1.0, correct: 1.0, lr: 0.1, grad_norm: 1.0, update_norm: 0.1 };
        let log = Log { steps: vec![entry; logged], ..Log::default() };
        let (parameters, optimizer) = (Parameters::default(), Parameters::default());
        State { step, seconds: 1.25, parameters, optimizer, log }
    }

    #[test]
    fn parts_that_disagree_are_named() {
        let dir = Path::new("run");
        let problem = |state: &State| state.check(dir, 100, 2).unwrap_err().to_string();
        assert!(state(13, 13).check(dir, 100, 2).is_ok());
        let text = problem(&state(200, 13));
        assert_eq!(text, "run/resume.safetensors: at step 200 with 13 steps in its log");
        assert!(problem(&state(101, 101)).contains("of a run of 100"));
        let mut with_layers = state(13, 13);
        let entry = LayerEntry { step: 14, layer: 0, weight: 1.0, grad: None, update: None };
        with_layers.log.layers = vec![entry];
        assert!(problem(&with_layers).contains("rows of step 14"));
        with_layers.log.layers = vec![LayerEntry { step: 13, layer: 2, ..entry }];
        assert!(problem(&with_layers).contains("rows of layer 2"));
    }

    #[test]
    fn a_state_survives_the_round_trip_and_one_of_another_run_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let fingerprint = Digest::of(b"a");
        state(13, 13).write(dir.path(), &fingerprint).unwrap();
        assert_eq!(State::read(dir.path(), &fingerprint).unwrap(), Some(state(13, 13)));
        assert_eq!(State::read(dir.path(), &Digest::of(b"b")).unwrap(), None);
    }
}
