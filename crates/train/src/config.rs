//! The resolved configuration of one training run: complete, with nothing left to a default in code.
//!
//! `randlab-plan` writes one such file per run, the training stages read it, and its digest is part of the run's
//! fingerprint. Unknown keys are errors everywhere.

use randlab_core::{RunId, RunInfo, Seed, Split};
use randlab_data::Labels;
use randlab_nn::{Architectures, InitSpec, Losses, Optimizers, Schedules};
use serde::{Deserialize, Serialize};

use crate::{Norms, Starts};

/// Resolved configuration of `randlab-pretrain` and `randlab-finetune`: one loop, told apart by its inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Who the run is.
    pub run: RunInfo,
    /// Draws labels, initial weights and order. Its own for each phase: a fresh head owes nothing to the upstream one.
    pub seed: Seed,
    /// The prepared dataset.
    pub data: RunId,
    /// Split trained on: `upstream` for pretrain, `downstream` for finetune.
    pub split: Split,
    /// The net.
    pub model: Architectures,
    /// Its initial weights.
    pub init: InitSpec,
    /// What takes their place; none for training from scratch.
    pub transfer: Option<Transfer>,
    /// Weight layers that keep their first weights, counted from the input.
    pub frozen: u32,
    /// How it is trained.
    #[serde(flatten)]
    pub phase: Phase,
}

impl TrainConfig {
    /// The pretrain run whose weights it begins with, if there is one.
    pub fn parent(&self) -> Option<&RunId> {
        self.transfer.as_ref().and_then(|transfer| transfer.parent.as_ref())
    }
}

/// How a net is trained: what experiment files say of a phase. In a [`TrainConfig`] its keys stand beside the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Labels trained on.
    pub labels: Labels,
    /// What is made small; cross-entropy when left out.
    #[serde(default, skip_serializing_if = "Losses::is_default")]
    pub loss: Losses,
    /// Optimiser.
    pub optimizer: Optimizers,
    /// Learning rate over the run.
    pub schedule: Schedules,
    /// Images per step; the last partial batch of an epoch is dropped.
    pub batch: u32,
    /// Passes over the images at most.
    pub epochs: u32,
    /// Stop after the first epoch whose mean minibatch accuracy reaches this.
    pub stop_at: Option<f64>,
    /// Accuracy on the training labels, full pass at the end, below which the run is marked `not_converged`.
    pub target: Option<f64>,
    /// Intermediate checkpoints.
    pub checkpoints: Checkpoints,
    /// How often per doubling of the step the activity of the hidden layers on held-out images is measured, besides the
    /// first and the last step; never when left out.
    pub activity: Option<u32>,
}

/// When checkpoints are kept, besides the last one, which always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoints {
    /// Checkpoints per doubling of the step, from step 0 on; 0 keeps only the last.
    pub per_octave: u32,
    /// Weight layers kept in intermediate checkpoints, counted from the input; the last checkpoint has all.
    pub layers: u32,
}

/// What takes the place of initial weights (paper, Figures 1, 5 and 6). The head is always fresh, biases restart at 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Pretrain run whose final checkpoint is the source; none for filters made from the data alone.
    pub parent: Option<RunId>,
    /// Weight layers concerned, counted from the input; at most all but the head.
    pub layers: u32,
    /// Where the weights come from.
    pub weights: Starts,
    /// How large each weight tensor ends up.
    pub norm: Norms,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::TrainConfig;

    fn written() -> Value {
        let run = json!({ "id": "run", "experiment": "e", "panel": "p", "arm": "", "scale": "smoke", "seed": 1 });
        json!({
            "run": run,
            "seed": 2,
            "data": "data",
            "split": "upstream",
            "model": { "kind": "mlp", "hidden": [4] },
            "init": { "law": "he", "scale": {}, "odd_inputs": 1.0 },
            "transfer": null,
            "frozen": 0,
            "labels": { "kind": "random", "classes": 3 },
            "optimizer": { "kind": "sgd", "momentum": 0.9, "weight_decay": 0.0 },
            "schedule": { "kind": "constant", "lr": 0.1 },
            "batch": 16,
            "epochs": 2,
            "stop_at": null,
            "target": 0.95,
            "checkpoints": { "per_octave": 1, "layers": 1 },
            "activity": null,
        })
    }

    #[test]
    fn the_keys_of_the_phase_stand_beside_the_others() {
        let config: TrainConfig = serde_json::from_value(written()).unwrap();
        assert_eq!(config.phase.epochs, 2);
        assert_eq!(serde_json::to_value(&config).unwrap(), written());
    }

    #[test]
    fn keys_nobody_knows_are_refused_wherever_they_stand() {
        let problem = |place: &str| {
            let mut value = written();
            value.pointer_mut(place).unwrap()["temperature"] = json!(1);
            serde_json::from_value::<TrainConfig>(value).unwrap_err().to_string()
        };
        for place in ["", "/run", "/checkpoints", "/labels", "/schedule"] {
            assert!(problem(place).contains("unknown field `temperature`"), "{place}");
        }
        let mut value = written();
        value.as_object_mut().unwrap().remove("epochs");
        let problem = serde_json::from_value::<TrainConfig>(value).unwrap_err().to_string();
        assert!(problem.contains("missing field `epochs`"), "{problem}");
    }
}
