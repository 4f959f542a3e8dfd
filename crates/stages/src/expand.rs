//! From experiments to runs: one complete configuration each, and which run needs which.

use std::collections::BTreeMap;

use randlab_core::{RunId, RunInfo, Seed, Split};
use randlab_data::PrepareConfig;
use randlab_pipeline::{Plan, RunRef, Stage, refused};
use randlab_recipe::{DataSpec, Dataset, Experiment, Panel, Task, Variant};
use randlab_report::{Arm, ReportedRun};
use randlab_studies::{ReportConfig, ReportedExperiment};
use randlab_train::{Norms, Starts, TrainConfig, Transfer};
use serde_json::Value;

use crate::{
    Align, AlignConfig, Finetune, Prepare, Pretrain, Report, STAGES, Subject, seeds::suffix,
};

/// Goal of make that stands for the pages of all experiments; last, the one that has them all.
pub const ALL: &str = "all";

/// Multiplies `experiments` out over panels, seeds, downstream tasks and variants.
///
/// A run that differs from one before it in nothing but its name is not made again: whatever asks for it gets the first
/// one. So experiments that look at the same nets from different sides share them without saying so.
///
/// `seeds`, when given, take the place of the seeds of every panel; pages and pools of them have names of their own.
///
/// # Errors
/// Naming the experiment file, when names do not fit together or a number makes no sense.
pub fn expand(
    experiments: &[Experiment],
    dataset: &Dataset,
    scale: &str,
    seeds: Option<&[Seed]>,
) -> anyhow::Result<Plan> {
    let mut plan = Plan::new(STAGES);
    let mut made = BTreeMap::new();
    let mut reported = Vec::new();
    for experiment in experiments {
        experiment.check()?;
        let (plan, made) = (&mut plan, &mut made);
        let runs = Vec::new();
        let mut grid = Grid { experiment, dataset, scale, seeds, plan, made, runs };
        for (name, panel) in &experiment.panels {
            grid.panel(name, panel)?;
        }
        reported.push(ReportedExperiment {
            name: experiment.name.clone(),
            title: experiment.title.clone(),
            summary: experiment.summary.clone(),
            runs: grid.runs,
            figures: experiment.figures.clone(),
            claims: experiment.claims.clone(),
        });
    }
    let mut page = |goal: &str, parts: &[&str], experiments: Vec<ReportedExperiment>| {
        let own = seeds.map(suffix);
        let parts: Vec<&str> = parts.iter().copied().chain(own.as_deref()).collect();
        let id = run_id(&parts.join("."))?;
        let dataset = dataset.name.clone();
        let (scale, seeds) = (scale.to_owned(), seeds.unwrap_or_default().to_vec());
        let config = ReportConfig { id: id.clone(), scale, dataset, seeds, experiments };
        plan.add(&Report(config))?;
        let page = RunRef::of::<Report>(&id);
        plan.goals.insert(goal.to_owned(), vec![page.clone()]);
        anyhow::Ok(page)
    };
    let mut pages = Vec::new();
    for one in &reported {
        pages.push(page(&one.name, &[&dataset.name, &one.name], vec![one.clone()])?);
    }
    pages.push(page(ALL, &[&dataset.name], reported)?);
    plan.goals.insert(ALL.to_owned(), pages);
    Ok(plan)
}

/// One experiment being multiplied out.
struct Grid<'a> {
    experiment: &'a Experiment,
    dataset: &'a Dataset,
    scale: &'a str,
    /// In place of those of every panel.
    seeds: Option<&'a [Seed]>,
    plan: &'a mut Plan,
    /// Name of each run by all else that is known of it.
    made: &'a mut BTreeMap<(&'static str, String), RunId>,
    runs: Vec<ReportedRun>,
}

impl Grid<'_> {
    fn panel(&mut self, name: &str, panel: &Panel) -> anyhow::Result<()> {
        let seeds = self.seeds.unwrap_or(&panel.seeds);
        let spec = self.experiment.data.get(&panel.data);
        let spec =
            spec.ok_or_else(|| self.invalid(&format!("panel.{name}: no [data.{}]", panel.data)))?;
        let dataset = if spec.source.is_some() { "own" } else { self.dataset.name.as_str() };
        let mut subjects = Vec::new();
        for &seed in seeds {
            let seed_part = format!("s{seed}");
            let data_parts = ["data", &panel.data, &seed_part];
            let data = self.info((&panel.data, ""), dataset, &data_parts, seed)?;
            let data = self.prepare(data, spec)?;
            let pretrain = self.info((name, ""), dataset, &[name, &seed_part], seed)?;
            let mut nets = vec![self.pretrain(pretrain, &data, panel, None)?];
            for drawn in 1..panel.chain() {
                let arm = Arm::Drawn(drawn).to_string();
                let run = self.info((name, &arm), dataset, &[name, &arm, &seed_part], seed)?;
                let below = Transfer {
                    parent: nets.last().cloned(),
                    layers: drawn,
                    weights: Starts::Covariance,
                    norm: Norms::Fresh,
                };
                nets.push(self.pretrain(run, &data, panel, Some(below))?);
            }
            for (task, spec) in &panel.downstream {
                for (variant, start) in
                    panel.variants.iter().filter(|v| spec.variants.contains(v.0))
                {
                    let parts = [name, task.as_str(), variant.as_str(), seed_part.as_str()];
                    let arm = Arm::Variant { task: task.clone(), variant: variant.clone() };
                    let arm = arm.to_string();
                    let run = self.info((name, &arm), dataset, &parts, seed)?;
                    self.finetune(run, (&data, &nets), panel, (spec, *start))?;
                }
            }
            subjects.push(Subject { run: nets.swap_remove(0), data });
        }
        self.align(name, dataset, panel, &subjects, seeds)
    }

    fn prepare(&mut self, info: RunInfo, spec: &DataSpec) -> anyhow::Result<RunId> {
        let source = spec.source.clone().unwrap_or_else(|| self.dataset.source.clone());
        self.once(&Prepare(PrepareConfig { run: info.clone(), split: spec.split, source }), info)
    }

    /// The panel's net, or one on top of the frozen layers `below`.
    fn pretrain(
        &mut self,
        info: RunInfo,
        data: &RunId,
        panel: &Panel,
        below: Option<Transfer>,
    ) -> anyhow::Result<RunId> {
        let config = TrainConfig {
            run: info.clone(),
            seed: phase_seed(info.seed, 0),
            data: data.clone(),
            split: Split::Upstream,
            model: panel.model.clone(),
            init: panel.init.clone(),
            frozen: below.as_ref().map_or(0, |t| t.layers),
            transfer: below,
            phase: panel.pretrain.clone(),
        };
        self.once(&Pretrain(config), info)
    }

    /// `nets[i]` was trained on top of `i` drawn layers.
    fn finetune(
        &mut self,
        info: RunInfo,
        (data, nets): (&RunId, &[RunId]),
        panel: &Panel,
        (task, start): (&Task, Variant),
    ) -> anyhow::Result<()> {
        let drawn = if start.weights.as_ref().on_drawn() { start.layers - 1 } else { 0 };
        let parent = nets.get(drawn as usize).filter(|_| start.needs_parent());
        let transfer = (!start.is_scratch()).then(|| Transfer {
            parent: parent.cloned(),
            layers: start.layers,
            weights: start.weights,
            norm: start.norm,
        });
        let config = TrainConfig {
            run: info.clone(),
            seed: phase_seed(info.seed, 1),
            data: data.clone(),
            split: Split::Downstream,
            model: panel.model.clone(),
            init: panel.init.clone(),
            transfer,
            frozen: 0,
            phase: task.phase.clone(),
        };
        self.once(&Finetune(config), info).map(|_| ())
    }

    /// One align run per pretrain run, and one over all of them.
    fn align(
        &mut self,
        name: &str,
        dataset: &str,
        panel: &Panel,
        subjects: &[Subject],
        seeds: &[Seed],
    ) -> anyhow::Result<()> {
        let (Some(spec), Some(first)) = (panel.align, seeds.first()) else { return Ok(()) };
        let mut runs = Vec::new();
        for (subject, &seed) in subjects.iter().zip(seeds) {
            let info = self.info((name, ""), dataset, &[name, &format!("s{seed}")], seed)?;
            runs.push((info, vec![subject.clone()]));
        }
        let own = self.seeds.map(suffix);
        let arm = Arm::Pool.to_string();
        let parts: Vec<&str> = [name, &arm].into_iter().chain(own.as_deref()).collect();
        let pool = self.info((name, &arm), dataset, &parts, *first)?;
        runs.push((pool, subjects.to_vec()));
        for (info, subjects) in runs {
            let config =
                AlignConfig { run: info.clone(), subjects, random_bases: spec.random_bases };
            self.once(&Align(config), info)?;
        }
        Ok(())
    }

    /// Adds a run to the plan and to the page, unless one was added before that is the same but for who asks; gives the name of
    /// the one that is there then. Panels may share a run; each lists it under its own name.
    fn once<T: Stage>(&mut self, config: &T, info: RunInfo) -> anyhow::Result<RunId> {
        let key = (T::NAME, content(config)?);
        let id = self.made.entry(key).or_insert_with(|| info.id.clone()).clone();
        if id == info.id {
            self.plan.add(config)?;
        }
        let run =
            ReportedRun { stage: T::NAME.to_owned(), info: RunInfo { id: id.clone(), ..info } };
        if !self.runs.contains(&run) {
            self.runs.push(run);
        }
        Ok(id)
    }

    fn info(
        &self,
        (panel, arm): (&str, &str),
        dataset: &str,
        parts: &[&str],
        seed: Seed,
    ) -> anyhow::Result<RunInfo> {
        let id = format!("{}.{dataset}.{}", self.experiment.name, parts.join("."));
        Ok(RunInfo {
            id: run_id(&id)?,
            experiment: self.experiment.name.clone(),
            panel: panel.to_owned(),
            arm: arm.to_owned(),
            scale: self.scale.to_owned(),
            seed,
        })
    }

    fn invalid(&self, problem: &str) -> anyhow::Error {
        refused!("{}.toml: {problem}", self.experiment.name)
    }
}

/// All of a configuration but its name and who asks for it; scale and seed are part of it.
fn content<T: Stage>(config: &T) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(config)?;
    if let Some(Value::Object(run)) = value.get_mut("run") {
        run.retain(|key, _| !["id", "experiment", "panel", "arm"].contains(&key.as_str()));
    }
    Ok(value.to_string())
}

/// Each phase draws from its own seed, so that the head and the fresh weights downstream owe nothing to those upstream.
fn phase_seed(root: Seed, phase: i64) -> Seed {
    // Cannot be negative, so the conversion cannot fail.
    Seed::try_from(root.get().saturating_mul(2).saturating_add(phase)).unwrap_or(root)
}

fn run_id(text: &str) -> anyhow::Result<RunId> {
    RunId::try_from(text.to_owned()).map_err(|e| refused!("{e}"))
}
