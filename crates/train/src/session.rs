//! The training loop.

use std::{collections::BTreeSet, time::Instant};

use candle_core::DType;
use randlab_core::{Digest, Split};
use randlab_data::{Dataset, labels::Real};
use randlab_kernels::correct;
use randlab_nn::{Net, Optim, Parameters, Pass, RunsOn, lr_at};
use randlab_recipe::TrainConfig;
use randlab_store::{RunDir, Status};

use crate::{
    Checkpoint, TrainError, activity,
    checkpoint::Header,
    evaluate::evaluate,
    examples::Examples,
    hooks::{Hooks, Progress},
    kept::steps_per_octave,
    log::{ActivityEntry, LayerEntry, Log, PassEntry, StepEntry, UnitsEntry},
    resume::{State, restore},
    rows, transfer,
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

/// Trains as `config` says and writes the run's files into `dir`, all but the manifest. Goes on from a saved state of
/// the same `fingerprint`, if there is one.
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
    let mut session = Session::start(config, fingerprint, inputs, dir, hooks)?;
    let begun = Instant::now();
    let before = session.seconds;
    let mut saved = Instant::now();
    while !session.is_done() {
        let at = session.step()?;
        session.seconds = before + begun.elapsed().as_secs_f64();
        hooks.progress(&at);
        let stop = hooks.stop() && !session.is_done();
        if stop || saved.elapsed() >= hooks.save_every() {
            session.state()?.write(dir.root(), fingerprint)?;
            saved = Instant::now();
        }
        if stop {
            return Ok(Outcome::Stopped { step: session.step });
        }
    }
    session.finish()
}

/// A net of `parameters` and its optimiser.
fn network(
    config: &TrainConfig,
    inputs: &Inputs<'_>,
    classes: usize,
    parameters: &Parameters,
) -> Result<(Net, Optim), TrainError> {
    let net = Net::new(&config.model, inputs.data.shape(), classes, parameters, DType::F32)?;
    let net = net.on(inputs.device.device())?.freeze(config.frozen as usize);
    let optim = Optim::new(&config.optimizer, &net)?;
    Ok((net, optim))
}

struct Session<'a> {
    config: &'a TrainConfig,
    fingerprint: &'a Digest,
    dir: &'a RunDir,
    data: &'a Dataset,
    train: Examples,
    /// Images never trained on, with real labels; none where the net's outputs have nothing to do with those.
    holdout: Option<Examples>,
    device: &'a RunsOn,
    net: Net,
    optim: Optim,
    log: Log,
    step: u64,
    steps_per_epoch: u64,
    steps: u64,
    kept: BTreeSet<u64>,
    /// Held-out images on which activity is measured, and when it is.
    watched: Option<(Examples, BTreeSet<u64>)>,
    order: Vec<usize>,
    done: bool,
    seconds: f64,
}

impl<'a> Session<'a> {
    #[expect(clippy::too_many_lines, reason = "a list of fields")]
    fn start(
        config: &'a TrainConfig,
        fingerprint: &'a Digest,
        inputs: &Inputs<'a>,
        dir: &'a RunDir,
        hooks: &mut dyn Hooks,
    ) -> Result<Self, TrainError> {
        let data = inputs.data;
        let wrong =
            |problem: String| TrainError::Config { run: config.run.id.to_string(), problem };
        let scheme = config.labels.as_ref();
        let train = Examples::new(data, config.split, scheme, config.seed)?
            .ok_or_else(|| wrong(format!("{} has no real labels", data.source())))?;
        let steps_per_epoch = train.len() as u64 / u64::from(config.batch.max(1));
        if steps_per_epoch == 0 {
            let problem =
                format!("batch {} is larger than the {} images", config.batch, train.len());
            return Err(wrong(problem));
        }
        let classes = scheme.outputs(data.classes()) as usize;
        let holdout = if scheme.real_classes(data.classes()) {
            Examples::new(data, Split::Holdout, &Real {}, config.seed)?.filter(|e| e.len() > 0)
        } else {
            None
        };
        let layers = randlab_nn::layers(&config.model, data.shape(), classes)?;
        let steps = steps_per_epoch * u64::from(config.epochs);
        let build = |parameters: &Parameters| network(config, inputs, classes, parameters);
        let saved = restore(dir.root(), fingerprint, (steps, layers.len()), &build, hooks)?;
        let (saved, net, optim) = match saved {
            Some((state, net, optim)) => (Some(state), net, optim),
            None => {
                let (net, optim) =
                    build(&transfer::first_weights(config, inputs, &layers, classes)?)?;
                (None, net, optim)
            }
        };
        let watched = match config.activity {
            None => None,
            Some(per_octave) => {
                let images = activity::watched(data)?;
                let images =
                    images.ok_or_else(|| wrong("activity needs held-out images".into()))?;
                Some((images, steps_per_octave(per_octave, steps)))
            }
        };
        let mut session = Self {
            config,
            fingerprint,
            dir,
            data,
            train,
            holdout,
            device: inputs.device,
            net,
            log: Log::default(),
            step: 0,
            steps_per_epoch,
            steps,
            kept: steps_per_octave(config.checkpoints.per_octave, steps),
            watched,
            order: Vec::new(),
            done: false,
            seconds: 0.0,
            optim,
        };
        match saved {
            Some(state) => {
                session.step = state.step;
                session.seconds = state.seconds;
                session.log = state.log;
                session.order = session.train.order(config.seed, session.epoch());
                session.done = session.ends_here();
            }
            None => session.begin()?,
        }
        Ok(session)
    }

    /// What is recorded before the first step.
    fn begin(&mut self) -> Result<(), TrainError> {
        // Whatever an earlier configuration left is not part of this run.
        self.dir.clear_except::<&str>(&[])?;
        self.order = self.train.order(self.config.seed, 0);
        self.pass(Split::Holdout)?;
        self.pass(self.config.split)?;
        self.record_layers(None)?;
        self.watch()?;
        self.keep()
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn epoch(&self) -> u64 {
        self.step / self.steps_per_epoch
    }

    /// One optimiser step with everything that is due after it.
    fn step(&mut self) -> Result<Progress, TrainError> {
        let batch = self.config.batch as usize;
        let first = usize::try_from(self.step % self.steps_per_epoch).unwrap_or(0) * batch;
        let (x, y) = self.train.batch(&self.order[first..first + batch], self.device.device())?;
        let Pass { logits, loss, grads } = self.net.pass(&x, &y)?;
        let right = correct(&logits, &y)?;
        let mean_loss = f64::from(loss.to_scalar::<f32>()?);
        self.finite("loss", mean_loss)?;
        let lr = lr_at(&self.config.schedule, self.step, self.steps);
        let norms = self.optim.step(&self.net, &grads, lr)?;
        for (name, norm) in &norms.grad {
            self.finite(&format!("gradient of {name}"), *norm)?;
        }
        for (name, norm) in &norms.update {
            self.finite(&format!("update of {name}"), *norm)?;
        }
        self.log.steps.push(StepEntry {
            loss_sum: mean_loss * batch as f64,
            correct: right as f64,
            lr,
            grad_norm: norms.grad_total(),
            update_norm: norms.update_total(),
        });
        self.step += 1;
        self.after_step(&norms)?;
        let accuracy = right as f64 / batch as f64;
        Ok(Progress { step: self.step, steps: self.steps, loss: mean_loss, accuracy })
    }

    fn after_step(&mut self, norms: &randlab_nn::StepNorms) -> Result<(), TrainError> {
        self.done = self.ends_here();
        if self.kept.contains(&self.step) || self.done {
            self.record_layers(Some(norms))?;
        }
        self.watch()?;
        if self.kept.contains(&self.step) {
            self.keep()?;
        }
        if self.step.is_multiple_of(self.steps_per_epoch) {
            if self.config.labels.as_ref().informative_midway() && !self.done {
                self.pass(Split::Holdout)?;
            }
            self.order = self.train.order(self.config.seed, self.epoch());
        }
        Ok(())
    }

    /// After the last possible step, or after an epoch whose mean minibatch accuracy is high enough.
    fn ends_here(&self) -> bool {
        let n = usize::try_from(self.steps_per_epoch).unwrap_or(usize::MAX);
        let epoch_ends = self.step > 0 && self.step.is_multiple_of(self.steps_per_epoch);
        let reached = |goal: f64| {
            let last = &self.log.steps[self.log.steps.len() - n..];
            let images = self.steps_per_epoch as f64 * f64::from(self.config.batch);
            last.iter().map(|s| s.correct).sum::<f64>() / images >= goal
        };
        self.step >= self.steps || (epoch_ends && self.config.stop_at.is_some_and(reached))
    }

    fn finite(&self, what: &str, value: f64) -> Result<(), TrainError> {
        if value.is_finite() {
            return Ok(());
        }
        Err(TrainError::NotFinite { tensor: what.to_owned(), value, step: self.step })
    }

    /// Measures a whole split and logs the sums.
    fn pass(&mut self, split: Split) -> Result<(), TrainError> {
        let assigned = split == self.config.split;
        let examples = if assigned { Some(&self.train) } else { self.holdout.as_ref() };
        let Some(examples) = examples else { return Ok(()) };
        let (loss_sum, correct) = evaluate(&self.net, examples, self.device.device())?;
        let count = examples.len() as u64;
        self.log.passes.push(PassEntry {
            step: self.step,
            split,
            assigned,
            loss_sum,
            correct,
            count,
        });
        Ok(())
    }

    fn record_layers(&mut self, norms: Option<&randlab_nn::StepNorms>) -> Result<(), TrainError> {
        let parameters = self.net.export()?;
        for (layer, spec) in self.net.layers().iter().enumerate() {
            let name = format!("{}.weight", spec.name);
            let values = parameters.get(&name).map_or(&[][..], |p| &p.values);
            let weight = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            self.finite(&name, weight)?;
            let (grad, update) = match norms {
                Some(n) => (n.grad.get(&name).copied(), n.update.get(&name).copied()),
                None => (None, None),
            };
            self.log.layers.push(LayerEntry { step: self.step, layer, weight, grad, update });
        }
        Ok(())
    }

    /// Measures activity where it is due; how it is distributed over units, at the first and the last step only.
    fn watch(&mut self) -> Result<(), TrainError> {
        let step = self.step;
        let Some((images, steps)) = &self.watched else { return Ok(()) };
        let end = step == 0 || self.done;
        if !end && !steps.contains(&step) {
            return Ok(());
        }
        for a in activity::measure(&self.net, images, self.device.device())? {
            let (active, dead) = (a.active_fraction(), a.dead_fraction());
            let entry = ActivityEntry { step, layer: a.layer, active, dead, rms: a.rms };
            self.log.activity.push(entry);
            if end {
                let entry =
                    |(active_on, units)| UnitsEntry { step, layer: a.layer, active_on, units };
                self.log.units.extend(a.units.into_iter().map(entry));
            }
        }
        Ok(())
    }

    /// Writes an intermediate checkpoint with the first layers.
    fn keep(&self) -> Result<(), TrainError> {
        if !self.kept.contains(&self.step) {
            return Ok(());
        }
        let depth = self.config.checkpoints.layers as usize;
        let layers = &self.net.layers()[..depth.min(self.net.layers().len())];
        let mut checkpoint = self.checkpoint()?;
        checkpoint.parameters.retain(|tensor, _| layers.iter().any(|layer| layer.owns(tensor)));
        checkpoint.write(&self.dir.path(&Checkpoint::name(self.step)))
    }

    fn checkpoint(&self) -> Result<Checkpoint, TrainError> {
        let header = Header {
            run: self.config.run.id.clone(),
            fingerprint: self.fingerprint.clone(),
            step: self.step,
            model: self.config.model.clone(),
            input: self.data.shape(),
            classes: self.config.labels.as_ref().outputs(self.data.classes()) as usize,
        };
        Ok(Checkpoint { header, parameters: self.net.export()? })
    }

    fn state(&self) -> Result<State, TrainError> {
        Ok(State {
            step: self.step,
            seconds: self.seconds,
            parameters: self.net.export()?,
            optimizer: self.optim.export()?,
            log: self.log.clone(),
        })
    }

    fn finish(mut self) -> Result<Outcome, TrainError> {
        self.pass(Split::Holdout)?;
        self.pass(self.config.split)?;
        let last = self.log.passes.last();
        let accuracy = last.map_or(0.0, |p| p.correct / p.count as f64);
        let reached = self.config.target.is_none_or(|target| accuracy >= target);
        let status = if reached { Status::Ok } else { Status::NotConverged };
        self.checkpoint()?.write(&self.dir.path(Checkpoint::FINAL))?;
        let mut files: Vec<String> = self.kept.iter().map(|&s| Checkpoint::name(s)).collect();
        // A run that stopped early kept fewer.
        files.retain(|name| self.dir.path(name).exists());
        files.push(Checkpoint::FINAL.to_owned());
        let facts = rows::Facts {
            config: self.config,
            fingerprint: self.fingerprint,
            data: self.data,
            train: &self.train,
            layers: self.net.layers(),
            log: &self.log,
            steps_per_epoch: self.steps_per_epoch,
            step: self.step,
            status,
            accuracy,
        };
        files.extend(rows::write(&facts, self.dir)?);
        files.sort();
        let images = self.step * u64::from(self.config.batch);
        Ok(Outcome::Finished { status, files, accuracy, seconds: self.seconds, images })
    }
}
