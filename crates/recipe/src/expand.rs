//! From experiments to runs: one complete configuration each, and which run needs which.

use std::{collections::BTreeMap, fmt::Debug};

use randlab_core::{RunId, Seed, Split};
use randlab_report::{Arm, ReportedRun};
use randlab_studies::{ReportConfig, ReportedExperiment};

use crate::{
    AlignConfig, Dataset, Experiment, Panel, Phase, PrepareConfig, RecipeError, RunInfo, Subject,
    TrainConfig, Transfer, TransferNorm, TransferWeights, check,
    experiment::{DataSpec, Task, Variant},
};

/// Every run of a set of experiments on one dataset at one scale.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// By run.
    pub prepare: BTreeMap<RunId, PrepareConfig>,
    /// By run.
    pub pretrain: BTreeMap<RunId, TrainConfig>,
    /// By run.
    pub finetune: BTreeMap<RunId, TrainConfig>,
    /// By run.
    pub align: BTreeMap<RunId, AlignConfig>,
    /// By page: one with all experiments, and one for each of them.
    pub report: BTreeMap<RunId, ReportConfig>,
}

/// Multiplies `experiments` out over panels, seeds, downstream tasks and variants.
///
/// A run that differs from one before it in nothing but its name is not made again: whatever asks for it gets the first
/// one. So experiments that look at the same nets from different sides share them without saying so.
///
/// `seeds`, when given, take the place of the seeds of every panel.
///
/// # Errors
/// [`RecipeError::Invalid`], naming the experiment file, when names do not fit together or a number makes no sense.
pub fn expand(
    experiments: &[Experiment],
    dataset: &Dataset,
    scale: &str,
    seeds: Option<&[Seed]>,
) -> Result<Plan, RecipeError> {
    let mut plan = Plan::default();
    let mut made = BTreeMap::new();
    let mut reported = Vec::new();
    for experiment in experiments {
        check::experiment(experiment)?;
        let (plan, made) = (&mut plan, &mut made);
        let mut grid = Grid { experiment, dataset, scale, plan, made, runs: Vec::new() };
        for (name, panel) in &experiment.panels {
            grid.panel(name, panel, seeds.unwrap_or(&panel.seeds))?;
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
    let mut page = |id: String, experiments: Vec<ReportedExperiment>| {
        let id = run_id(&id)?;
        let dataset = dataset.name.clone();
        let (scale, seeds) = (scale.to_owned(), seeds.unwrap_or_default().to_vec());
        let config = ReportConfig { id: id.clone(), scale, dataset, seeds, experiments };
        plan.report.insert(id, config);
        Ok::<_, RecipeError>(())
    };
    for one in &reported {
        page(format!("{}.{}", dataset.name, one.name), vec![one.clone()])?;
    }
    page(dataset.name.clone(), reported)?;
    Ok(plan)
}

/// One experiment being multiplied out.
struct Grid<'a> {
    experiment: &'a Experiment,
    dataset: &'a Dataset,
    scale: &'a str,
    plan: &'a mut Plan,
    /// Name of each run by all else that is known of it.
    made: &'a mut BTreeMap<String, RunId>,
    runs: Vec<ReportedRun>,
}

impl Grid<'_> {
    fn panel(&mut self, name: &str, panel: &Panel, seeds: &[Seed]) -> Result<(), RecipeError> {
        let spec = self.experiment.data.get(&panel.data);
        let spec =
            spec.ok_or_else(|| self.invalid(&format!("panel.{name}: no [data.{}]", panel.data)))?;
        let dataset = if spec.source.is_some() { "own" } else { self.dataset.name.as_str() };
        let mut subjects = Vec::new();
        for &seed in seeds {
            let seed_part = format!("s{seed}");
            let data_parts = ["data", &panel.data, &seed_part];
            let data = self.info((&panel.data, ""), dataset, &data_parts, seed)?;
            let data = self.prepare(data, spec);
            let pretrain = self.info((name, ""), dataset, &[name, &seed_part], seed)?;
            let mut nets = vec![self.pretrain(pretrain, &data, panel, None)];
            for drawn in 1..chain(panel) {
                let arm = Arm::Drawn(drawn).to_string();
                let run = self.info((name, &arm), dataset, &[name, &arm, &seed_part], seed)?;
                let below = Transfer {
                    parent: nets.last().cloned(),
                    layers: drawn,
                    weights: TransferWeights::Covariance,
                    norm: TransferNorm::Fresh,
                };
                nets.push(self.pretrain(run, &data, panel, Some(below)));
            }
            for (task, spec) in &panel.downstream {
                for (variant, start) in
                    panel.variants.iter().filter(|v| spec.variants.contains(v.0))
                {
                    let parts = [name, task.as_str(), variant.as_str(), seed_part.as_str()];
                    let arm = Arm::Variant { task: task.clone(), variant: variant.clone() };
                    let arm = arm.to_string();
                    let run = self.info((name, &arm), dataset, &parts, seed)?;
                    self.finetune(run, (&data, &nets), panel, (spec, *start));
                }
            }
            subjects.push(Subject { run: nets.swap_remove(0), data });
        }
        self.align(name, dataset, panel, &subjects, seeds)
    }

    fn prepare(&mut self, info: RunInfo, spec: &DataSpec) -> RunId {
        let source = spec.source.clone().unwrap_or_else(|| self.dataset.source.clone());
        let config = PrepareConfig { run: info.clone(), split: spec.split, source };
        let id = once(&mut self.plan.prepare, self.made, config, |c| &mut c.run);
        self.report("prepare", RunInfo { id: id.clone(), ..info });
        id
    }

    /// The panel's net, or one on top of the frozen layers `below`.
    fn pretrain(
        &mut self,
        info: RunInfo,
        data: &RunId,
        panel: &Panel,
        below: Option<Transfer>,
    ) -> RunId {
        let seed = phase_seed(info.seed, 0);
        let frozen = below.as_ref().map_or(0, |t| t.layers);
        let config = train(&info, (seed, data, Split::Upstream), panel, &panel.pretrain, below);
        let config = TrainConfig { frozen, ..config };
        let id = once(&mut self.plan.pretrain, self.made, config, |c| &mut c.run);
        self.report("pretrain", RunInfo { id: id.clone(), ..info });
        id
    }

    /// `nets[i]` was trained on top of `i` drawn layers.
    fn finetune(
        &mut self,
        info: RunInfo,
        (data, nets): (&RunId, &[RunId]),
        panel: &Panel,
        (task, start): (&Task, Variant),
    ) {
        let drawn = if start.weights.on_drawn() { start.layers - 1 } else { 0 };
        let parent = nets.get(drawn as usize).filter(|_| start.needs_parent());
        let transfer = (!start.is_scratch()).then(|| Transfer {
            parent: parent.cloned(),
            layers: start.layers,
            weights: start.weights,
            norm: start.norm,
        });
        let seed = phase_seed(info.seed, 1);
        let config = train(&info, (seed, data, Split::Downstream), panel, &task.phase, transfer);
        let id = once(&mut self.plan.finetune, self.made, config, |c| &mut c.run);
        self.report("finetune", RunInfo { id, ..info });
    }

    /// One align run per pretrain run, and one over all of them.
    fn align(
        &mut self,
        name: &str,
        dataset: &str,
        panel: &Panel,
        subjects: &[Subject],
        seeds: &[Seed],
    ) -> Result<(), RecipeError> {
        let (Some(spec), Some(first)) = (panel.align, seeds.first()) else { return Ok(()) };
        let mut runs = Vec::new();
        for (subject, &seed) in subjects.iter().zip(seeds) {
            let info = self.info((name, ""), dataset, &[name, &format!("s{seed}")], seed)?;
            runs.push((info, vec![subject.clone()]));
        }
        let arm = Arm::Pool.to_string();
        let pool = self.info((name, &arm), dataset, &[name, &arm], *first)?;
        runs.push((pool, subjects.to_vec()));
        for (info, subjects) in runs {
            let config =
                AlignConfig { run: info.clone(), subjects, random_bases: spec.random_bases };
            let id = once(&mut self.plan.align, self.made, config, |c| &mut c.run);
            self.report("align", RunInfo { id, ..info });
        }
        Ok(())
    }

    /// Panels may share a run; each lists it under its own name.
    fn report(&mut self, stage: &str, info: RunInfo) {
        let run = ReportedRun { stage: stage.to_owned(), info };
        if !self.runs.contains(&run) {
            self.runs.push(run);
        }
    }

    fn info(
        &self,
        (panel, arm): (&str, &str),
        dataset: &str,
        parts: &[&str],
        seed: Seed,
    ) -> Result<RunInfo, RecipeError> {
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

    fn invalid(&self, problem: &str) -> RecipeError {
        RecipeError::invalid(&format!("{}.toml", self.experiment.name), problem)
    }
}

/// Adds a run to `runs`, unless one was made before that is the same but for who it is; gives the name of the one that
/// is there then.
fn once<C: Debug>(
    runs: &mut BTreeMap<RunId, C>,
    made: &mut BTreeMap<String, RunId>,
    mut config: C,
    run: impl Fn(&mut C) -> &mut RunInfo,
) -> RunId {
    let info = run(&mut config).clone();
    let nobody = RunInfo {
        experiment: String::new(),
        panel: String::new(),
        arm: String::new(),
        ..info.clone()
    };
    *run(&mut config) = nobody;
    // All of a configuration but its name; the seed is part of it.
    let what = format!("{config:?}").replacen(info.id.as_str(), "", 1);
    *run(&mut config) = info.clone();
    let id = made.entry(what).or_insert_with(|| info.id.clone()).clone();
    runs.entry(id.clone()).or_insert(config);
    id
}

/// Nets in the chain that draws one layer after the other: as many as the deepest variant drawn in this way has layers.
pub(crate) fn chain(panel: &Panel) -> u32 {
    let drawn = panel.variants.values().filter(|v| v.weights.on_drawn());
    drawn.map(|v| v.layers).max().unwrap_or(1)
}

fn train(
    info: &RunInfo,
    (seed, data, split): (Seed, &RunId, Split),
    panel: &Panel,
    phase: &Phase,
    transfer: Option<Transfer>,
) -> TrainConfig {
    TrainConfig {
        run: info.clone(),
        seed,
        data: data.clone(),
        split,
        model: panel.model.clone(),
        init: panel.init.clone(),
        transfer,
        frozen: 0,
        labels: phase.labels,
        optimizer: phase.optimizer,
        schedule: phase.schedule.clone(),
        batch: phase.batch,
        epochs: phase.epochs,
        stop_at: phase.stop_at,
        target: phase.target,
        checkpoints: phase.checkpoints,
        activity: phase.activity,
    }
}

/// Each phase draws from its own seed, so that the head and the fresh weights downstream owe nothing to those upstream.
fn phase_seed(root: Seed, phase: i64) -> Seed {
    // Cannot be negative, so the conversion cannot fail.
    Seed::try_from(root.get().saturating_mul(2).saturating_add(phase)).unwrap_or(root)
}

fn run_id(text: &str) -> Result<RunId, RecipeError> {
    RunId::try_from(text.to_owned()).map_err(|e| RecipeError::invalid(text, e.to_string()))
}
