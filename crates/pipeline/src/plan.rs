//! Runs that belong together, each with its configuration and the runs it reads.

use std::collections::BTreeMap;

use randlab_core::{Digest, RunId};
use serde_json::Value;

use crate::{AnyStage, Place, RunRef, Stage, stage::typed};

/// A run of a plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The run.
    pub run: RunRef,
    /// Where it stands in its experiment.
    pub place: Place,
    /// Its configuration, as JSON: unlike TOML it keeps empty options, which are part of digests.
    pub config: Value,
    /// Runs it reads.
    pub needs: Vec<RunRef>,
}

impl Planned {
    /// Digest of the canonical configuration.
    pub fn digest(&self) -> Digest {
        // A `Value` prints with sorted keys, shortest numbers and no spaces: canonically.
        Digest::of(self.config.to_string().as_bytes())
    }
}

/// All runs of a set of experiments, and the names under which make is asked for them.
#[derive(Clone)]
pub struct Plan {
    /// Every stage, in the order in which data flows through them.
    pub stages: &'static [&'static dyn AnyStage],
    /// By stage and name.
    pub runs: BTreeMap<RunRef, Planned>,
    /// Runs that each goal of make stands for, besides those named after stages.
    pub goals: BTreeMap<String, Vec<RunRef>>,
}

impl Plan {
    /// Without runs.
    pub const fn new(stages: &'static [&'static dyn AnyStage]) -> Self {
        Self { stages, runs: BTreeMap::new(), goals: BTreeMap::new() }
    }

    /// Adds a run, unless one of its stage and name is there.
    ///
    /// # Errors
    /// When the configuration cannot be JSON.
    pub fn add<T: Stage>(&mut self, config: &T) -> Result<(), serde_json::Error> {
        let run = RunRef::of::<T>(config.id());
        let planned = Planned {
            run: run.clone(),
            place: config.place(),
            config: serde_json::to_value(config)?,
            needs: config.needs(),
        };
        self.runs.entry(run).or_insert(planned);
        Ok(())
    }

    /// The runs of one stage, by name.
    pub fn of_stage(&self, stage: &str) -> impl Iterator<Item = &Planned> {
        self.runs.values().filter(move |planned| planned.run.stage == stage)
    }

    /// All runs with their stages, in the order of stages and names.
    pub fn in_order(&self) -> impl Iterator<Item = (&'static dyn AnyStage, &Planned)> {
        let of = |stage: &&'static dyn AnyStage| {
            let stage = *stage;
            self.of_stage(stage.name()).map(move |planned| (stage, planned))
        };
        self.stages.iter().flat_map(of)
    }

    /// The typed configurations of one stage, by name.
    ///
    /// # Errors
    /// When a configuration is of another stage.
    pub fn configs<T: Stage>(&self) -> anyhow::Result<BTreeMap<RunId, T>> {
        let typed = |planned: &Planned| Ok((planned.run.id.clone(), typed(&planned.config)?));
        self.of_stage(T::NAME).map(typed).collect()
    }
}
