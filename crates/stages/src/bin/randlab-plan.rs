//! Expands experiments into one configuration file per run and a file for make; answers questions about them.

use std::{fs, path::Path, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use randlab_core::{ImageId, RunId};
use randlab_pipeline::{
    DONE, Plan, Survey, dag, list, makefile, nearest, parse, print, refused, run, status, tables,
    why,
};
use randlab_recipe::{Dataset, Experiment, RecipeError};
use randlab_stages::{ALL, HOST, STAGES, expand, seeds, trace};
use randlab_store::{RunDir, publish_if_changed, table::format_docs};

/// Expand experiments into one configuration file per run, and write the make include that lists what is to be made.
///
/// Files are written only when their content changes. With one of the questions below nothing is written, and the answer goes
/// to stdout.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 2 bad usage or experiment, 3 disk or permission."
)]
struct Args {
    /// Table [scale.NAME] of the experiment files: smoke, laptop or paper
    #[arg(long, default_value = "laptop")]
    scale: String,
    /// Name of a file in pipelines/datasets, or path of your own .toml
    #[arg(long, default_value = "photos")]
    dataset: String,
    /// Root seeds that take the place of those of every panel: numbers and ranges, as in 0-3 7
    #[arg(long, num_args = 1.., value_name = "SEED")]
    seeds: Vec<String>,
    /// An experiment that is planned only when asked for (alone = true in its file)
    #[arg(long, value_name = "EXPERIMENT")]
    with: Option<String>,
    /// What make is asked for: a stage, an experiment or `all`
    #[arg(long, value_name = "NAME")]
    goal: Option<String>,
    /// Further goals of the Makefile, to be suggested when --goal is none
    #[arg(long, value_name = "NAMES", requires = "goal")]
    goals: Option<String>,
    /// Folder with experiments and datasets
    #[arg(long, default_value = "pipelines")]
    pipelines: PathBuf,
    /// Folder of the scale [default: runs/SCALE]; configurations go to OUT/plan/STAGE/RUN.toml
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    question: Question,
}

#[derive(clap::Args)]
#[group(multiple = false)]
#[command(next_help_heading = "Questions")]
struct Question {
    /// How many runs are done, running, partial, stale and missing
    #[arg(long)]
    status: bool,
    /// Every run with its state, or those whose names begin with PREFIX
    #[arg(long, value_name = "PREFIX", num_args = 0..=1, default_missing_value = "")]
    list: Option<String>,
    /// Why the run of this name would be made, or those whose names begin with it
    #[arg(long, value_name = "PREFIX")]
    why: Option<String>,
    /// The stages and what flows between them, or panels and arms of one experiment, as a Mermaid graph
    #[arg(long, value_name = "EXPERIMENT", num_args = 0..=1, default_missing_value = "")]
    dag: Option<String>,
    /// The way of one image through a training run: RUN IMAGE
    #[arg(long, num_args = 2, value_names = ["RUN", "IMAGE"], allow_negative_numbers = true)]
    trace: Vec<String>,
    /// The columns of every table, as Markdown
    #[arg(long)]
    formats: bool,
    /// The names of the stages, in the order in which data flows through them
    #[arg(long)]
    stages: bool,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run(&HOST, "randlab-plan", || answer(&args).map(|()| DONE))
}

fn answer(args: &Args) -> anyhow::Result<()> {
    let question = &args.question;
    if question.formats {
        return print(&format_docs(&tables(STAGES.iter().copied())));
    }
    if question.stages {
        let names: Vec<String> = STAGES.iter().map(|stage| format!("{}\n", stage.name())).collect();
        return print(&names.concat());
    }
    let default = || Path::new("runs").join(&args.scale);
    let root = args.out.clone().unwrap_or_else(default);
    let dataset = dataset(&args.dataset, &args.pipelines.join("datasets"))?;
    let experiments = experiments(args, &root)?;
    let asked = seeds(&args.seeds)?;
    let plan = expand(&experiments, &dataset, &args.scale, asked.as_deref())?;
    let survey = || Survey::of(&plan, &root);
    if question.status {
        print(&status(&plan, &survey()))
    } else if let Some(experiment) = &question.dag {
        let goal = Some(experiment.as_str()).filter(|name| !name.is_empty());
        let none = || unknown(&plan, "--dag", experiment);
        print(&dag(&plan, goal).ok_or_else(none)?)
    } else if let Some(prefix) = &question.list {
        print(&list(&plan, &survey(), prefix).ok_or_else(|| unknown(&plan, "--list", prefix))?)
    } else if let Some(prefix) = &question.why {
        print(&why(&plan, &survey(), prefix).ok_or_else(|| unknown(&plan, "--why", prefix))?)
    } else if let [name, image] = &question.trace[..] {
        let bad = |_| refused!("--trace {name} {image}: want the number of an image");
        let image: ImageId = image.parse().map_err(bad)?;
        let run = RunId::try_from(name.clone()).map_err(|e| refused!("--trace: {e}"))?;
        print(&trace(&plan, &root, &run, image)?)
    } else {
        write(&plan, &survey(), &dataset, &experiments, &root)
    }
}

/// That no run or goal bears a name.
fn unknown(plan: &Plan, flag: &str, name: &str) -> anyhow::Error {
    let runs = plan.runs.keys().map(|run| run.id.as_str());
    let near = nearest(name, runs.chain(plan.goals.keys().map(String::as_str)));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    refused!("{flag} {name}: no run of that name at this scale and dataset{hint}")
}

/// The dataset of that name among `stock`, or that of a file ending in `.toml`, whose name must not be one of theirs: runs are
/// called by it.
fn dataset(asked: &str, stock: &Path) -> anyhow::Result<Dataset> {
    let path = Path::new(asked);
    let known = tomls(stock)?;
    let same = known.iter().find(|stock| stock.file_stem() == path.file_stem());
    if path.extension().is_none_or(|e| e != "toml") {
        let known: Vec<_> = known.iter().filter_map(|p| p.file_stem()?.to_str()).collect();
        if !known.contains(&asked) {
            let known = known.join(", ");
            return Err(refused!(
                "--dataset {asked}: want one of {known}, or a file ending in .toml"
            ));
        }
        return Ok(Dataset::read(&stock.join(format!("{asked}.toml")))?);
    }
    match same {
        Some(same) if fs::canonicalize(same).ok() != fs::canonicalize(path).ok() => Err(refused!(
            "{asked}: its runs would replace those of {}; give it another name",
            same.display()
        )),
        Some(_) | None => {
            let dataset = Dataset::read(path)?;
            RunId::try_from(dataset.name.clone()).map_err(|_| {
                refused!(
                    "{asked}: runs are named after the file; use lower-case letters, digits and '-'"
                )
            })?;
            Ok(dataset)
        }
    }
}

fn write(
    plan: &Plan,
    survey: &Survey,
    dataset: &Dataset,
    experiments: &[Experiment],
    root: &Path,
) -> anyhow::Result<()> {
    // One planner at a time, and none trips over what a killed one left.
    let _locked = RunDir::open(&root.join("plan"))?;
    for (stage, planned) in plan.in_order() {
        let path = root.join(format!("plan/{}.toml", planned.run));
        publish_if_changed(&path, stage.to_toml(&planned.config)?.as_bytes())?;
    }
    let mut order = order(root);
    let new = experiments.iter().map(|e| &e.name).filter(|name| !order.contains(name));
    let new: Vec<String> = new.cloned().collect();
    order.extend(new);
    publish_if_changed(&root.join(ORDER), format!("{}\n", order.join("\n")).as_bytes())?;
    let path = root.join(format!("plan/{}.mk", dataset.name));
    publish_if_changed(&path, makefile(plan, survey).as_bytes())?;
    Ok(())
}

/// Names of the experiments in the order in which they were first planned, one a line.
const ORDER: &str = "plan/order";

fn order(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join(ORDER)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The experiments to plan. Shared runs have the name of the first that asks for them: rather a base than what extends it, and
/// rather one that was planned here before than a copy of it, whatever their names.
fn experiments(args: &Args, root: &Path) -> anyhow::Result<Vec<Experiment>> {
    let asked = [args.with.as_ref(), args.goal.as_ref(), args.question.dag.as_ref()];
    let is_asked = |name: &str| asked.iter().flatten().any(|asked| *asked == name);
    let mut experiments = Vec::new();
    let mut left_out = Vec::new();
    let mut names = Vec::new();
    for path in tomls(&args.pipelines.join("experiments"))? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match Experiment::read(&path, &args.scale) {
            Err(error @ RecipeError::NoScale { .. }) if !is_asked(&name) => left_out.push(error),
            experiment => experiments.push(experiment?),
        }
        names.push(name);
    }
    known(args, &names)?;
    if experiments.is_empty() {
        if let Some(error) = left_out.into_iter().next() {
            return Err(error.into());
        }
    } else {
        for error in left_out {
            eprintln!("randlab-plan: left out: {error}");
        }
    }
    experiments.retain(|e| !e.alone || is_asked(&e.name));
    let order = order(root);
    let place = |e: &Experiment| order.iter().position(|n| *n == e.name).unwrap_or(order.len());
    experiments.sort_by_key(|e| (e.base.is_some(), place(e)));
    Ok(experiments)
}

/// Refuses names on the command line that are those of no experiment or goal.
fn known(args: &Args, experiments: &[String]) -> anyhow::Result<()> {
    let goals = args.goals.as_deref().unwrap_or_default().split_whitespace();
    let stages = STAGES.iter().map(|stage| stage.name()).chain([ALL]);
    let experiments = || experiments.iter().map(String::as_str);
    let goals: Vec<&str> = stages.chain(goals).chain(experiments()).collect();
    let refuse = |flag: &str, name: &str, what: &str, names: Vec<&str>| {
        let near = nearest(name, names);
        let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Err(refused!("{flag}{name}: no {what} of that name{hint}"))
    };
    match (&args.with, &args.goal) {
        (Some(name), _) if experiments().all(|e| e != name) => {
            refuse("--with ", name, "experiment", experiments().collect())
        }
        (_, Some(goal)) if !goals.contains(&goal.as_str()) => refuse("", goal, "goal", goals),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// Files ending in `.toml` in a folder, in the order of their names.
fn tomls(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("{}: cannot list", dir.display()))?;
    let mut paths = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    Ok(paths)
}
