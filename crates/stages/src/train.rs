//! `randlab-pretrain` and `randlab-finetune`: one loop, told apart by the split they train on.

use std::{collections::BTreeMap, fmt::Write, path::Path, time::Duration};

use anyhow::anyhow;
use randlab_core::{RunId, Split};
use randlab_data::Dataset;
use randlab_nn::RunsOn;
use randlab_recipe::TrainConfig;
use randlab_store::{Manifest, Status};
use randlab_train::{Checkpoint, Hooks, Inputs, Outcome, Progress};
use serde_json::json;

use crate::{
    StageArgs,
    console::Console,
    execute,
    job::{Done, Job, Stage, Work, read_config},
    stop::Stop,
};

/// Time between saved states: what a `kill -9` costs at most.
const SAVE_EVERY: Duration = Duration::from_secs(30);

impl Stage for TrainConfig {
    fn stage(&self) -> &'static str {
        if self.split == Split::Upstream { "pretrain" } else { "finetune" }
    }

    fn version(&self) -> u32 {
        randlab_train::STAGE_VERSION
    }

    fn id(&self) -> &RunId {
        &self.run.id
    }

    fn reads(&self) -> Vec<(&'static str, RunId)> {
        let parent = self.parent().map(|parent| ("pretrain", parent.clone()));
        std::iter::once(("prepare", self.data.clone())).chain(parent).collect()
    }
}

/// Trains the run `args` names on the device of that name; `split` is the one the program stands for.
///
/// # Errors
/// What went wrong, naming the file.
pub fn train(args: &StageArgs, split: Split, device: &str) -> anyhow::Result<u8> {
    let device: RunsOn =
        device.parse().map_err(|problem| anyhow!("--device {device}: {problem}"))?;
    let config: TrainConfig = read_config(&args.plan)?;
    if config.split != split {
        return Err(anyhow!(
            "{}: trains on the {} images; use randlab-{}",
            args.plan.display(),
            config.split.name(),
            config.stage()
        ));
    }
    randlab_kernels::prepare_process().map_err(|error| {
        let message = format!("no threads to compute with: {error}");
        anyhow::Error::new(error).context(message)
    })?;
    let stop = Stop::listen();
    execute(args, |config| describe(config, &args.out), |job| work(job, &device, &stop))
}

fn work(job: &mut Job<'_, TrainConfig>, device: &RunsOn, stop: &Stop) -> anyhow::Result<Work> {
    let data = Dataset::open(&job.input("prepare", &job.config.data, is_data)?)?;
    let parent = match job.config.parent() {
        Some(parent) => {
            let dir = job.input("pretrain", parent, |name| name == Checkpoint::FINAL)?;
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
        device,
    };
    let mut hooks = Surroundings { console: &mut job.console, stop };
    match randlab_train::train(job.config, job.fingerprint, &inputs, job.dir, &mut hooks)? {
        Outcome::Stopped { step } => Ok(Work::Stopped {
            signal: stop.signal().unwrap_or(15),
            message: format!("stopped at step {step}; the same command goes on from there"),
        }),
        Outcome::Finished { status, files, accuracy, seconds, images } => {
            let target = job.config.target.unwrap_or(0.0);
            let message = match status {
                Status::Ok => format!("accuracy {accuracy:.3} on its training labels"),
                Status::NotConverged => {
                    format!(
                        "NOT CONVERGED: accuracy {accuracy:.3} on its training labels, below {target}"
                    )
                }
            };
            let mut notes = BTreeMap::from([
                ("train_accuracy".to_owned(), json!(accuracy)),
                ("device".to_owned(), json!(device.name())),
            ]);
            if let Some((_, _, status)) = parent {
                notes.insert("parent_status".to_owned(), json!(status));
            }
            Ok(Work::Done(Done { files, status, notes, trained: Some((seconds, images)), message }))
        }
    }
}

/// What training reads of a prepared dataset.
fn is_data(name: &str) -> bool {
    ["images.safetensors", "stats.safetensors", "labels.parquet"].contains(&name)
}

struct Surroundings<'a> {
    console: &'a mut Console,
    stop: &'a Stop,
}

impl Hooks for Surroundings<'_> {
    fn stop(&self) -> bool {
        self.stop.signal().is_some()
    }

    fn progress(&mut self, at: &Progress) {
        self.console.progress(at.step, at.steps, || {
            format!("steps, loss {:.3}, accuracy {:.2}", at.loss, at.accuracy)
        });
    }

    fn warn(&mut self, line: &str) {
        self.console.warn(line);
    }

    fn save_every(&self) -> Duration {
        SAVE_EVERY
    }
}

/// Layers, sizes and steps; needs the prepared dataset, whose shape and classes the net is made for.
fn describe(config: &TrainConfig, out: &Path) -> anyhow::Result<String> {
    let root = out.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let data = Dataset::open(&root.join("prepare").join(config.data.as_str()))?;
    let classes = config.labels.head_classes(data.classes()) as usize;
    let layers = randlab_nn::layers(&config.model, data.shape(), classes)?;
    let images = data.ids(config.split).len();
    let per_epoch = images / config.batch.max(1) as usize;
    let mut text = format!("{} {}: {} net\n", config.stage(), config.run.id, config.model.name());
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
        config.labels.name(),
        config.split.name(),
        data.source(),
        config.epochs,
        config.batch,
    );
    Ok(text)
}
