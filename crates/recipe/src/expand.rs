//! From experiments to runs: one complete configuration each, and which run needs which.

use std::collections::BTreeMap;

use randlab_core::{RunId, Seed, Split};

use crate::{
    AlignConfig, Dataset, Experiment, Panel, Phase, PrepareConfig, RecipeError, ReportConfig,
    ReportedExperiment, ReportedRun, RunInfo, Subject, TrainConfig, Transfer, check,
    experiment::{DataSpec, Variant},
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
    let mut reported = Vec::new();
    for experiment in experiments {
        check::experiment(experiment)?;
        let mut grid = Grid { experiment, dataset, scale, plan: &mut plan, runs: Vec::new() };
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
        let config = ReportConfig { id: id.clone(), scale: scale.to_owned(), dataset, experiments };
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
            let pretrain = self.info((name, ""), dataset, &[name, &seed_part], seed)?;
            self.prepare(&data, spec);
            self.pretrain(&pretrain, &data.id, panel);
            for (task, phase) in &panel.downstream {
                for (variant, start) in &panel.variants {
                    let parts = [name, task.as_str(), variant.as_str(), seed_part.as_str()];
                    let arm = format!("{task}.{variant}");
                    let run = self.info((name, &arm), dataset, &parts, seed)?;
                    self.finetune(&run, (&data.id, &pretrain.id), panel, (phase, *start));
                }
            }
            subjects.push(Subject { run: pretrain.id.clone(), data: data.id });
        }
        self.align(name, dataset, panel, &subjects, seeds)
    }

    fn prepare(&mut self, info: &RunInfo, spec: &DataSpec) {
        let source = spec.source.clone().unwrap_or_else(|| self.dataset.source.clone());
        let config = PrepareConfig { run: info.clone(), split: spec.split, source };
        self.plan.prepare.insert(info.id.clone(), config);
        self.report("prepare", info);
    }

    fn pretrain(&mut self, info: &RunInfo, data: &RunId, panel: &Panel) {
        let seed = phase_seed(info.seed, 0);
        let config = train(info, (seed, data, Split::Upstream), panel, &panel.pretrain, None);
        self.plan.pretrain.insert(info.id.clone(), config);
        self.report("pretrain", info);
    }

    fn finetune(
        &mut self,
        info: &RunInfo,
        (data, parent): (&RunId, &RunId),
        panel: &Panel,
        (phase, start): (&Phase, Variant),
    ) {
        let transfer = (!start.is_scratch()).then(|| Transfer {
            parent: parent.clone(),
            layers: start.layers,
            weights: start.weights,
            norm: start.norm,
        });
        let seed = phase_seed(info.seed, 1);
        let config = train(info, (seed, data, Split::Downstream), panel, phase, transfer);
        self.plan.finetune.insert(info.id.clone(), config);
        self.report("finetune", info);
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
        let pool = self.info((name, "pool"), dataset, &[name, "pool"], *first)?;
        runs.push((pool, subjects.to_vec()));
        for (run, subjects) in runs {
            self.report("align", &run);
            let config =
                AlignConfig { run: run.clone(), subjects, random_bases: spec.random_bases };
            self.plan.align.insert(run.id, config);
        }
        Ok(())
    }

    fn report(&mut self, stage: &str, info: &RunInfo) {
        let run = ReportedRun { stage: stage.to_owned(), info: info.clone() };
        if !self.runs.iter().any(|r| r.stage == run.stage && r.info.id == run.info.id) {
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
        labels: phase.labels,
        optimizer: phase.optimizer,
        schedule: phase.schedule.clone(),
        batch: phase.batch,
        epochs: phase.epochs,
        stop_at: phase.stop_at,
        target: phase.target,
        checkpoints: phase.checkpoints,
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
