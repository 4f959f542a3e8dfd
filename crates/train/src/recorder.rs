//! What a run measures and writes while it trains.

use std::collections::BTreeSet;

use randlab_core::{Digest, Split};
use randlab_data::{Dataset, labels::Real};
use randlab_nn::{Checkpoint, Net, RunsOn, StepNorms, checkpoint::Header};
use randlab_store::{RunDir, Status};

use crate::{
    TrainConfig, TrainError, activity,
    evaluate::evaluate,
    examples::Examples,
    learner::finite,
    log::{ActivityEntry, LayerEntry, Log, PassEntry, StepEntry, UnitsEntry},
    log_steps::steps_per_octave,
    rows,
};

/// The log of a run, the images it is measured on, and the folder its checkpoints go to.
pub(crate) struct Recorder<'a> {
    pub config: &'a TrainConfig,
    pub fingerprint: &'a Digest,
    pub dir: &'a RunDir,
    pub data: &'a Dataset,
    pub device: &'a RunsOn,
    pub log: Log,
    /// Images never trained on, with real labels; none where the net's outputs have nothing to do with those.
    holdout: Option<Examples>,
    /// Steps at which checkpoints are kept.
    kept: BTreeSet<u64>,
    /// Held-out images on which activity is measured, and when it is.
    watched: Option<(Examples, BTreeSet<u64>)>,
}

/// How a finished run is judged, and what it left.
pub(crate) struct Finished {
    pub status: Status,
    pub files: Vec<String>,
    /// On the training labels.
    pub accuracy: f64,
}

impl<'a> Recorder<'a> {
    /// An empty log of a run of at most `steps` steps.
    ///
    /// # Errors
    /// When activity is to be measured and no image is held out.
    pub fn new(
        config: &'a TrainConfig,
        fingerprint: &'a Digest,
        (data, device): (&'a Dataset, &'a RunsOn),
        dir: &'a RunDir,
        steps: u64,
    ) -> Result<Self, TrainError> {
        let kept = steps_per_octave(config.phase.checkpoints.per_octave, steps);
        let watched = match config.phase.activity {
            None => None,
            Some(per_octave) => {
                let images = activity::watched(data)?.ok_or_else(|| TrainError::Config {
                    run: config.run.id.to_string(),
                    problem: "activity needs held-out images".into(),
                })?;
                Some((images, steps_per_octave(per_octave, steps)))
            }
        };
        let holdout = held_out(config, data)?;
        let log = Log::default();
        Ok(Self { config, fingerprint, dir, data, device, log, holdout, kept, watched })
    }

    /// What is recorded before the first step.
    pub fn begin(&mut self, net: &Net, train: &Examples) -> Result<(), TrainError> {
        // Whatever an earlier configuration left is not part of this run.
        self.dir.clear_except::<&str>(&[])?;
        self.pass_holdout(net, 0)?;
        self.pass_train(net, train, 0)?;
        self.layers(net, 0, None)?;
        self.watch(net, 0, false)?;
        self.keep(net, 0)
    }

    /// A minibatch, measured before the update it led to.
    pub fn minibatch(&mut self, entry: StepEntry) {
        self.log.steps.push(entry);
    }

    /// What is due after `step` steps; `done` after the last one.
    pub fn after_step(
        &mut self,
        net: &Net,
        step: u64,
        done: bool,
        norms: &StepNorms,
    ) -> Result<(), TrainError> {
        if self.kept.contains(&step) || done {
            self.layers(net, step, Some(norms))?;
        }
        self.watch(net, step, done)?;
        self.keep(net, step)
    }

    /// What is due after an epoch that is not the last.
    pub fn after_epoch(&mut self, net: &Net, step: u64) -> Result<(), TrainError> {
        if self.config.phase.labels.as_ref().informative_midway() {
            self.pass_holdout(net, step)?;
        }
        Ok(())
    }

    /// Last measurements, checkpoint and tables.
    pub fn finish(
        &mut self,
        net: &Net,
        train: &Examples,
        step: u64,
        steps_per_epoch: u64,
    ) -> Result<Finished, TrainError> {
        self.pass_holdout(net, step)?;
        self.pass_train(net, train, step)?;
        let last = self.log.passes.last();
        let accuracy = last.map_or(0.0, |p| p.correct / p.count as f64);
        let reached = self.config.phase.target.is_none_or(|target| accuracy >= target);
        let status = if reached { Status::Ok } else { Status::NotConverged };
        self.checkpoint(net, step)?.write(&self.dir.path(Checkpoint::FINAL))?;
        let mut files: Vec<String> = self.kept.iter().map(|&s| Checkpoint::name(s)).collect();
        // A run that stopped early kept fewer.
        files.retain(|name| self.dir.path(name).exists());
        files.push(Checkpoint::FINAL.to_owned());
        let facts = rows::Facts {
            config: self.config,
            fingerprint: self.fingerprint,
            data: self.data,
            train,
            layers: net.layers(),
            log: &self.log,
            steps_per_epoch,
            step,
            status,
            accuracy,
        };
        files.extend(rows::write(&facts, self.dir)?);
        files.sort();
        Ok(Finished { status, files, accuracy })
    }

    fn pass_holdout(&mut self, net: &Net, step: u64) -> Result<(), TrainError> {
        let Some(examples) = &self.holdout else { return Ok(()) };
        let entry = self.pass(net, examples, step, (Split::Holdout, false))?;
        self.log.passes.push(entry);
        Ok(())
    }

    fn pass_train(&mut self, net: &Net, train: &Examples, step: u64) -> Result<(), TrainError> {
        let entry = self.pass(net, train, step, (self.config.split, true))?;
        self.log.passes.push(entry);
        Ok(())
    }

    /// Measures a whole split.
    fn pass(
        &self,
        net: &Net,
        examples: &Examples,
        step: u64,
        (split, assigned): (Split, bool),
    ) -> Result<PassEntry, TrainError> {
        let loss = self.config.phase.loss.as_ref();
        let (loss_sum, correct) = evaluate(net, examples, loss, self.device.device())?;
        Ok(PassEntry { step, split, assigned, loss_sum, correct, count: examples.len() as u64 })
    }

    fn layers(
        &mut self,
        net: &Net,
        step: u64,
        norms: Option<&StepNorms>,
    ) -> Result<(), TrainError> {
        let parameters = net.export()?;
        for (layer, spec) in net.layers().iter().enumerate() {
            let name = format!("{}.weight", spec.name);
            let values = parameters.get(&name).map_or(&[][..], |p| &p.values);
            let weight = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            finite(&name, weight, step)?;
            let (grad, update) = match norms {
                Some(n) => (n.grad.get(&name).copied(), n.update.get(&name).copied()),
                None => (None, None),
            };
            self.log.layers.push(LayerEntry { step, layer, weight, grad, update });
        }
        Ok(())
    }

    /// Measures activity where it is due; how it is distributed over units, at the first and the last step only.
    fn watch(&mut self, net: &Net, step: u64, done: bool) -> Result<(), TrainError> {
        let Some((images, steps)) = &self.watched else { return Ok(()) };
        let end = step == 0 || done;
        if !end && !steps.contains(&step) {
            return Ok(());
        }
        for a in activity::measure(net, images, self.device.device())? {
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

    /// Writes an intermediate checkpoint with the first layers, where one is kept.
    fn keep(&self, net: &Net, step: u64) -> Result<(), TrainError> {
        if !self.kept.contains(&step) {
            return Ok(());
        }
        let depth = self.config.phase.checkpoints.layers as usize;
        let layers = &net.layers()[..depth.min(net.layers().len())];
        let mut checkpoint = self.checkpoint(net, step)?;
        checkpoint.parameters.retain(|tensor, _| layers.iter().any(|layer| layer.owns(tensor)));
        Ok(checkpoint.write(&self.dir.path(&Checkpoint::name(step)))?)
    }

    fn checkpoint(&self, net: &Net, step: u64) -> Result<Checkpoint, TrainError> {
        let header = Header {
            run: self.config.run.id.clone(),
            fingerprint: self.fingerprint.clone(),
            step,
            model: self.config.model.clone(),
            input: self.data.shape(),
            classes: self.config.phase.labels.as_ref().outputs(self.data.classes()) as usize,
        };
        Ok(Checkpoint { header, parameters: net.export()? })
    }
}

/// Images never trained on with their real labels, if the net's outputs can be compared with those.
fn held_out(config: &TrainConfig, data: &Dataset) -> Result<Option<Examples>, TrainError> {
    if !config.phase.labels.as_ref().real_classes(data.classes()) {
        return Ok(None);
    }
    Ok(Examples::new(data, Split::Holdout, &Real {}, config.seed)?.filter(|e| e.len() > 0))
}
