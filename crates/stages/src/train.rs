//! The stages `pretrain` and `finetune`: one loop, told apart by the split they train on.

use std::{collections::BTreeMap, fmt::Write, path::Path, time::Duration};

use randlab_core::{RunId, Split};
use randlab_data::{Dataset, LabelRow};
use randlab_nn::{Checkpoint, RunsOn};
use randlab_pipeline::{Choice, Done, Job, Place, RunRef, Stage, Work, refused};
use randlab_store::{
    Manifest, Status,
    table::{ActivityRow, LayerRow, MetricRow, RunRow, TableInfo},
};
use randlab_train::{Hooks, Inputs, Outcome, Progress, TrainConfig};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Prepare, rows::place};

/// Time between saved states: what a `kill -9` costs at most.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// The option `--device`.
const DEVICE: Choice = Choice {
    name: "device",
    value_name: "DEVICE",
    default: "cpu",
    help: "What the net runs on: cpu, cuda:N, metal:N, or auto for the first GPU if there is one",
};

/// Configuration of a first training phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pretrain(pub TrainConfig);

/// Configuration of a second training phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Finetune(pub TrainConfig);

/// The tables of both; `activity` where it is measured.
const TABLES: &[TableInfo] = &[
    TableInfo::of::<RunRow>(),
    TableInfo::of::<LabelRow>(),
    TableInfo::of::<MetricRow>(),
    TableInfo::of::<LayerRow>(),
    TableInfo::of::<ActivityRow>(),
];

/// The two stages differ in names and in the split that is theirs.
macro_rules! training {
    ($stage:ident, $name:literal, $about:literal, $split:expr, $other:ident) => {
        impl Stage for $stage {
            const NAME: &'static str = $name;
            const VERSION: u32 = randlab_train::STAGE_VERSION;
            const ABOUT: &'static str = $about;
            const TABLES: &'static [TableInfo] = TABLES;
            const OPTIONS: &'static [Choice] = &[DEVICE];
            const STOPS: bool = true;

            fn id(&self) -> &RunId {
                &self.0.run.id
            }

            fn place(&self) -> Place {
                place(&self.0.run)
            }

            fn needs(&self) -> Vec<RunRef> {
                let parent = self.0.parent().map(RunRef::of::<Pretrain>);
                std::iter::once(RunRef::of::<Prepare>(&self.0.data)).chain(parent).collect()
            }

            fn check(&self) -> Result<(), String> {
                if self.0.split == $split {
                    return Ok(());
                }
                let (split, other) = (self.0.split.name(), $other::NAME);
                Err(format!("trains on the {split} images; use randlab-{other}"))
            }

            fn prepare_process(option: &dyn Fn(&str) -> String) -> anyhow::Result<()> {
                prepare_process(&option(DEVICE.name))
            }

            fn describe(&self, root: &Path) -> anyhow::Result<String> {
                describe::<Self>(&self.0, root)
            }

            fn work(&self, job: &mut Job<'_>) -> anyhow::Result<Work> {
                train(&self.0, job)
            }
        }
    };
}

training!(
    Pretrain,
    "pretrain",
    "Train a net on the upstream images, as a rule with random labels",
    Split::Upstream,
    Finetune
);
training!(
    Finetune,
    "finetune",
    "Train a net on the downstream images, from weights of a pre-trained one or from scratch",
    Split::Downstream,
    Pretrain
);

fn prepare_process(device: &str) -> anyhow::Result<()> {
    runs_on(device)?;
    randlab_kernels::prepare_process().map_err(|error| {
        let message = format!("no threads to compute with: {error}");
        anyhow::Error::new(error).context(message)
    })
}

fn runs_on(device: &str) -> anyhow::Result<RunsOn> {
    device.parse().map_err(|problem| refused!("--device {device}: {problem}"))
}

fn train(config: &TrainConfig, job: &mut Job<'_>) -> anyhow::Result<Work> {
    let device = runs_on(job.option(DEVICE.name))?;
    let data = Dataset::open(&job.input(&RunRef::of::<Prepare>(&config.data), is_data)?)?;
    let parent = match config.parent() {
        Some(parent) => {
            let run = RunRef::of::<Pretrain>(parent);
            let dir = job.input(&run, |name| name == Checkpoint::FINAL)?;
            let path = dir.join(Checkpoint::FINAL);
            let checkpoint = Checkpoint::read(&path)?;
            Some((
                path.display().to_string(),
                checkpoint,
                Manifest::read_as(&dir, "pretrain", parent)?.status,
            ))
        }
        None => None,
    };
    let inputs = Inputs {
        data: &data,
        parent: parent.as_ref().map(|(path, checkpoint, _)| (path.as_str(), checkpoint)),
        device: &device,
    };
    let (fingerprint, dir) = (job.fingerprint, job.dir);
    let mut hooks = Surroundings(job);
    match randlab_train::train(config, fingerprint, &inputs, dir, &mut hooks)? {
        Outcome::Stopped { step } => Ok(Work::Stopped {
            signal: job.signal().unwrap_or(15),
            message: format!("stopped at step {step}; the same command resumes the run"),
        }),
        Outcome::Finished { status, files, accuracy, seconds, images } => {
            let mut notes = BTreeMap::from([
                ("train_accuracy".to_owned(), json!(accuracy)),
                ("device".to_owned(), json!(device.name())),
            ]);
            if let Some((_, _, status)) = parent {
                notes.insert("parent_status".to_owned(), json!(status));
            }
            let message = outcome(status, accuracy, config.phase.target.unwrap_or(0.0));
            Ok(Work::Done(Done { files, status, notes, trained: Some((seconds, images)), message }))
        }
    }
}

fn outcome(status: Status, accuracy: f64, target: f64) -> String {
    match status {
        Status::Ok => format!("accuracy {accuracy:.3} on its training labels"),
        Status::NotConverged => {
            format!("NOT CONVERGED: accuracy {accuracy:.3} on its training labels, below {target}")
        }
    }
}

/// What training reads of a prepared dataset.
fn is_data(name: &str) -> bool {
    ["images.safetensors", "stats.safetensors", "labels.parquet"].contains(&name)
}

/// What training asks of the process around it.
struct Surroundings<'a, 'b>(&'a mut Job<'b>);

impl Hooks for Surroundings<'_, '_> {
    fn stop(&self) -> bool {
        self.0.signal().is_some()
    }

    fn progress(&mut self, at: &Progress) {
        self.0.progress(at.step, at.steps, || {
            format!("steps, loss {:.3}, accuracy {:.2}", at.loss, at.accuracy)
        });
    }

    fn warn(&mut self, line: &str) {
        self.0.warn(line);
    }

    fn save_every(&self) -> Duration {
        SAVE_EVERY
    }
}

/// Layers, sizes and steps; needs the prepared dataset, whose shape and classes the net is made for.
fn describe<T: Stage>(config: &TrainConfig, root: &Path) -> anyhow::Result<String> {
    let data = Dataset::open(&root.join(Prepare::NAME).join(config.data.as_str()))?;
    let classes = config.phase.labels.as_ref().outputs(data.classes()) as usize;
    let layers = randlab_nn::layers(&config.model, data.shape(), classes)?;
    let images = data.ids(config.split).len();
    let per_epoch = images / config.phase.batch.max(1) as usize;
    let mut text = format!("{} {}: {} net\n", T::NAME, config.run.id, config.model.kind());
    let width = layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0);
    let mut parameters = 0;
    for layer in &layers {
        parameters += layer.parameters();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<width$} {:?}", layer.name, layer.shape);
    }
    let _ = writeln!(
        text,
        "  {parameters} parameters ({:.1} MB a checkpoint)\n  {} labels on {images} {} images of {}\n  at most {} epochs of \
         {per_epoch} steps, {} images each",
        parameters as f64 * 4.0 / 1e6,
        config.phase.labels.as_ref().name(),
        config.split.name(),
        data.source(),
        config.phase.epochs,
        config.phase.batch,
    );
    Ok(text)
}
