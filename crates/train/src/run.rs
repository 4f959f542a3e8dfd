//! A run from its first to its last step: the loop, and how it goes on after a stop.

use std::time::Instant;

use randlab_core::Digest;
use randlab_data::Dataset;
use randlab_nn::{Checkpoint, Parameters, RunsOn};
use randlab_store::{RunDir, Status};

use crate::{
    TrainConfig, TrainError,
    batches::Batches,
    examples::Examples,
    hooks::{Hooks, Progress},
    learner::Learner,
    log::StepEntry,
    recorder::{Finished, Recorder},
    resume::{State, restore},
    transfer,
};

/// What a run reads.
pub struct Inputs<'a> {
    /// The prepared dataset.
    pub data: &'a Dataset,
    /// Last checkpoint of the parent run with its path, where the configuration names a parent.
    pub parent: Option<(&'a str, &'a Checkpoint)>,
    /// What the net runs on.
    pub device: &'a RunsOn,
}

/// How [`train`] ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The run is complete.
    Finished {
        /// Whether it reached its target.
        status: Status,
        /// Files written, besides the manifest.
        files: Vec<String>,
        /// Accuracy on the training labels, full pass at the end.
        accuracy: f64,
        /// Wall time of the steps, summed over resumed pieces.
        seconds: f64,
        /// Images trained on in all steps together.
        images: u64,
    },
    /// It was asked to stop and left a state to go on from.
    Stopped {
        /// Optimiser steps done.
        step: u64,
    },
}

/// Trains as `config` says and writes the run's files into `dir`, all but the manifest. Resumes from a saved state of the same
/// `fingerprint`, if there is one.
///
/// # Errors
/// [`TrainError::NotFinite`] as soon as a loss, gradient or weight is no number; the others when inputs do not fit.
pub fn train(
    config: &TrainConfig,
    fingerprint: &Digest,
    inputs: &Inputs<'_>,
    dir: &RunDir,
    hooks: &mut dyn Hooks,
) -> Result<Outcome, TrainError> {
    let mut run = Run::start(config, fingerprint, inputs, dir, hooks)?;
    let begun = Instant::now();
    let before = run.seconds;
    let mut saved = Instant::now();
    while !run.done {
        let at = run.step()?;
        run.seconds = before + begun.elapsed().as_secs_f64();
        hooks.progress(&at);
        let stop = hooks.stop() && !run.done;
        if stop || saved.elapsed() >= hooks.save_every() {
            run.state()?.write(dir.root(), fingerprint)?;
            saved = Instant::now();
        }
        if stop {
            return Ok(Outcome::Stopped { step: run.step });
        }
    }
    run.finish()
}

struct Run<'a> {
    config: &'a TrainConfig,
    learner: Learner,
    batches: Batches,
    recorder: Recorder<'a>,
    step: u64,
    /// Steps of the longest possible run.
    steps: u64,
    done: bool,
    seconds: f64,
}

impl<'a> Run<'a> {
    fn start(
        config: &'a TrainConfig,
        fingerprint: &'a Digest,
        inputs: &Inputs<'a>,
        dir: &'a RunDir,
        hooks: &mut dyn Hooks,
    ) -> Result<Self, TrainError> {
        let (data, device) = (inputs.data, inputs.device);
        let wrong =
            |problem: String| TrainError::Config { run: config.run.id.to_string(), problem };
        let scheme = config.phase.labels.as_ref();
        let train = Examples::new(data, config.split, scheme, config.seed)?
            .ok_or_else(|| wrong(format!("{} has no real labels", data.source())))?;
        let batches = Batches::new(train, config.phase.batch, config.seed).map_err(wrong)?;
        let steps = batches.per_epoch() * u64::from(config.phase.epochs);
        let build = |parameters: &Parameters| Learner::new(config, data, parameters, device);
        let saved = restore(dir.root(), fingerprint, steps, &build, hooks)?;
        let (saved, learner) = match saved {
            Some((state, learner)) => (Some(state), learner),
            None => (None, build(&transfer::first_weights(config, inputs)?)?),
        };
        let recorder = Recorder::new(config, fingerprint, (data, device), dir, steps)?;
        let mut run =
            Self { config, learner, batches, recorder, step: 0, steps, done: false, seconds: 0.0 };
        match saved {
            Some(state) => run.resume(state),
            None => run.recorder.begin(run.learner.net(), run.batches.examples())?,
        }
        run.batches.shuffle(run.step);
        Ok(run)
    }

    fn resume(&mut self, state: State) {
        self.step = state.step;
        self.seconds = state.seconds;
        self.recorder.log = state.log;
        self.done = self.ends_here();
    }

    /// One optimiser step with everything that is due after it.
    fn step(&mut self) -> Result<Progress, TrainError> {
        let (x, y) = self.batches.at(self.step, self.recorder.device.device())?;
        let lr = self.config.phase.schedule.as_ref().at(self.step, self.steps);
        let stepped =
            self.learner.step((&x, &y), self.config.phase.loss.as_ref(), lr, self.step)?;
        let images = self.batches.size() as f64;
        self.recorder.minibatch(StepEntry {
            loss_sum: stepped.loss * images,
            correct: stepped.correct as f64,
            lr,
            grad_norm: stepped.norms.grad_total(),
            update_norm: stepped.norms.update_total(),
        });
        self.step += 1;
        self.done = self.ends_here();
        let net = self.learner.net();
        self.recorder.after_step(net, self.step, self.done, &stepped.norms)?;
        if self.step.is_multiple_of(self.batches.per_epoch()) {
            if !self.done {
                self.recorder.after_epoch(net, self.step)?;
            }
            self.batches.shuffle(self.step);
        }
        let accuracy = stepped.correct as f64 / images;
        Ok(Progress { step: self.step, steps: self.steps, loss: stepped.loss, accuracy })
    }

    /// After the last possible step, or after an epoch whose mean minibatch accuracy is high enough.
    fn ends_here(&self) -> bool {
        let per_epoch = self.batches.per_epoch();
        let epoch_ends = self.step > 0 && self.step.is_multiple_of(per_epoch);
        let reached = |goal: f64| {
            let entries = &self.recorder.log.steps;
            let n = usize::try_from(per_epoch).unwrap_or(usize::MAX);
            let images = per_epoch as f64 * self.batches.size() as f64;
            entries[entries.len() - n..].iter().map(|s| s.correct).sum::<f64>() / images >= goal
        };
        self.step >= self.steps || (epoch_ends && self.config.phase.stop_at.is_some_and(reached))
    }

    fn state(&self) -> Result<State, TrainError> {
        let (parameters, optimizer) = self.learner.export()?;
        let (step, seconds) = (self.step, self.seconds);
        Ok(State { step, seconds, parameters, optimizer, log: self.recorder.log.clone() })
    }

    fn finish(mut self) -> Result<Outcome, TrainError> {
        let (net, train) = (self.learner.net(), self.batches.examples());
        let per_epoch = self.batches.per_epoch();
        let Finished { status, files, accuracy } =
            self.recorder.finish(net, train, self.step, per_epoch)?;
        let images = self.step * self.batches.size() as u64;
        Ok(Outcome::Finished { status, files, accuracy, seconds: self.seconds, images })
    }
}
