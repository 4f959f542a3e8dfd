//! What the runs of an experiment left behind, in the shape figures and claims ask for.

mod activity;
mod align;
mod basis;
mod batches;
mod fit;
mod gains;
mod layers;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use randlab_core::{RunId, RunInfo, Seed};
use randlab_recipe::{ReportedExperiment, ReportedRun};
use randlab_store::{
    Manifest, Status,
    table::{RunRow, Table, read_table},
};

pub(crate) use activity::{Activity, BINS, Histogram};
pub(crate) use align::{AlignRun, Spectrum};
pub(crate) use basis::{Basis, Vectors};
pub(crate) use batches::Batches;
pub(crate) use fit::Fit;
pub(crate) use layers::{ACTIVE, Layers, OUTPUT_RMS};

use crate::ReportError;

/// One run's folder and the facts about it.
#[derive(Debug)]
pub(crate) struct Run {
    pub stage: String,
    pub info: RunInfo,
    pub dir: PathBuf,
    pub row: RunRow,
    pub status: Status,
    pub environment: BTreeMap<String, serde_json::Value>,
    /// Names of the files it wrote.
    outputs: BTreeSet<String>,
}

/// An experiment of the page and the numbers of its runs.
#[derive(Debug)]
pub(crate) struct Experiment<'a> {
    pub spec: &'a ReportedExperiment,
    pub runs: Vec<Run>,
    aligned: BTreeMap<RunId, AlignRun>,
    batches: BTreeMap<RunId, Batches>,
    /// By stage and run: a pretrain run and a finetune run may share a name.
    layers: BTreeMap<(String, RunId), Layers>,
}

impl<'a> Experiment<'a> {
    /// Reads all runs of `spec` below `root`.
    pub(crate) fn read(spec: &'a ReportedExperiment, root: &Path) -> Result<Self, ReportError> {
        let runs: Vec<_> =
            spec.runs.iter().map(|r| Run::read(r, root)).collect::<Result<_, _>>()?;
        let mut aligned = BTreeMap::new();
        let mut batches = BTreeMap::new();
        let mut layers = BTreeMap::new();
        for run in &runs {
            if ["pretrain", "finetune"].contains(&run.stage.as_str()) {
                let key = (run.stage.clone(), run.info.id.clone());
                layers.insert(key, Layers::read(&run.dir)?);
            }
            match run.stage.as_str() {
                "align" => drop(aligned.insert(run.info.id.clone(), AlignRun::read(&run.dir)?)),
                "finetune" => drop(batches.insert(run.info.id.clone(), Batches::read(&run.dir)?)),
                _ => {}
            }
        }
        Ok(Self { spec, runs, aligned, batches, layers })
    }

    /// Runs of a stage and panel, in the order of the page.
    pub(crate) fn of(&self, stage: &str, panel: &str) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |r| r.stage == stage && r.info.panel == panel)
    }

    /// The pretrain runs of a panel, without those on top of drawn layers.
    fn nets(&self, panel: &str) -> impl Iterator<Item = &Run> {
        self.of("pretrain", panel).filter(|r| r.info.arm.is_empty())
    }

    /// The pretrain run of a seed.
    pub(crate) fn pretrain(&self, panel: &str, seed: Seed) -> Option<&Run> {
        self.nets(panel).find(|r| r.info.seed == seed)
    }

    /// The alignment of one seed's run; the text says why there is none.
    pub(crate) fn alignment(&self, panel: &str, seed: Seed) -> Result<&AlignRun, String> {
        let run = self.of("align", panel).find(|r| r.info.arm != "pool" && r.info.seed == seed);
        run.and_then(|r| self.aligned.get(&r.info.id))
            .ok_or_else(|| format!("panel {panel} has no alignment for seed {seed}"))
    }

    /// The pooled align run.
    pub(crate) fn pool_run(&self, panel: &str) -> Result<&Run, String> {
        let pool = self.of("align", panel).find(|r| r.info.arm == "pool");
        pool.ok_or_else(|| format!("panel {panel} has no pooled alignment"))
    }

    /// The alignment of the pooled runs; the text says why there is none.
    pub(crate) fn pool(&self, panel: &str) -> Result<&AlignRun, String> {
        let run = self.pool_run(panel)?;
        self.aligned.get(&run.info.id).ok_or_else(|| format!("panel {panel} has no pool"))
    }

    /// The minibatch accuracies of one finetune run; `arm` is `TASK.VARIANT`.
    pub(crate) fn batches(&self, panel: &str, arm: &str, seed: Seed) -> Result<&Batches, String> {
        let run = self.of("finetune", panel).find(|r| r.info.arm == arm && r.info.seed == seed);
        run.and_then(|r| self.batches.get(&r.info.id))
            .ok_or_else(|| format!("panel {panel} has no run {arm} of seed {seed}"))
    }

    /// The numbers per layer of a training run in which activity was measured; the text says why there are none. `arm` is
    /// `TASK.VARIANT` for finetune runs and empty for pretrain runs.
    pub(crate) fn layers(
        &self,
        stage: &str,
        panel: &str,
        arm: &str,
        seed: Seed,
    ) -> Result<&Layers, String> {
        let mut runs = self.of(stage, panel);
        let run = runs.find(|r| r.info.arm == arm && r.info.seed == seed);
        let layers = run.and_then(|r| self.layers.get(&(r.stage.clone(), r.info.id.clone())));
        match layers {
            None if arm.is_empty() => {
                Err(format!("panel {panel} has no {stage} run of seed {seed}"))
            }
            None => Err(format!("panel {panel} has no run {arm} of seed {seed}")),
            Some(layers) if layers.steps().is_empty() => {
                Err(format!("panel {panel} measures no activity"))
            }
            Some(layers) => Ok(layers),
        }
    }

    /// Steps of the longest run of a panel and downstream task: the horizon all its runs are compared over.
    pub(crate) fn horizon(&self, panel: &str, task: &str) -> usize {
        let of_task = |r: &&Run| r.info.arm.split_once('.').is_some_and(|(t, _)| t == task);
        let runs = self.of("finetune", panel).filter(of_task);
        runs.filter_map(|r| self.batches.get(&r.info.id)).map(Batches::len).max().unwrap_or(0)
    }

    /// Source of the panel's images or vectors, as the tables call it.
    pub(crate) fn dataset(&self, panel: &str) -> &str {
        self.of("pretrain", panel).next().map_or("unknown", |r| r.row.dataset.as_str())
    }

    /// Root seeds of a panel, rising.
    pub(crate) fn seeds(&self, panel: &str) -> Vec<Seed> {
        let mut seeds: Vec<_> = self.nets(panel).map(|r| r.info.seed).collect();
        seeds.sort();
        seeds
    }
}

impl Run {
    fn read(run: &ReportedRun, root: &Path) -> Result<Self, ReportError> {
        let dir = root.join(&run.stage).join(run.info.id.to_string());
        let manifest = Manifest::read(&dir)?;
        let path = dir.join("runs.parquet");
        let mut rows = read_table::<RunRow>(&path)?;
        let (Some(row), true) = (rows.pop(), rows.is_empty()) else {
            return Err(ReportError::content(path, "expected one row"));
        };
        Ok(Self {
            stage: run.stage.clone(),
            info: run.info.clone(),
            dir,
            row,
            status: manifest.status,
            environment: manifest.environment,
            outputs: manifest.outputs.into_iter().map(|file| file.name).collect(),
        })
    }

    /// Whether the run wrote a table that not every run of its stage writes.
    pub(crate) fn wrote<T: Table>(&self) -> bool {
        self.outputs.contains(&format!("{}.parquet", T::NAME))
    }

    /// False when the run ended below the accuracy it had to reach.
    pub(crate) fn fits(&self) -> bool {
        self.status == Status::Ok && self.row.status == Status::Ok.name()
    }
}
