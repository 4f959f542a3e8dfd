//! Expands experiments into one configuration file per run, and lists and edges for make; answers questions about them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow};
use clap::Parser;
use randlab_core::{ImageId, RunId, Seed};
use randlab_recipe::{Dataset, Experiment, Plan, dag, expand, makefile};
use randlab_stages::{DONE, outdated, parse, print, run, status, trace, why};
use randlab_store::{RunDir, publish_if_changed, table::format_docs};
use serde::Serialize;

/// Expand experiments into one configuration file per run, and lists and edges for make.
///
/// Files are written only when their content changes, so that make redoes nothing else. With one of the questions below
/// nothing is written, and the answer goes to stdout.
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
    /// Root seeds that take the place of those of every panel
    #[arg(long, num_args = 1.., value_name = "SEED")]
    seeds: Vec<u32>,
    /// An experiment that is planned only when asked for (alone = true in its file)
    #[arg(long, value_name = "EXPERIMENT")]
    with: Option<String>,
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
    /// How many runs are done, partial, stale and missing
    #[arg(long)]
    status: bool,
    /// Why the runs of this name would be made
    #[arg(long, value_name = "RUN")]
    why: Option<String>,
    /// The stages and what flows between them, as a Mermaid graph
    #[arg(long)]
    dag: bool,
    /// The way of one image through a training run: RUN IMAGE
    #[arg(long, num_args = 2, value_names = ["RUN", "IMAGE"], allow_negative_numbers = true)]
    trace: Vec<String>,
    /// The columns of every table, as Markdown
    #[arg(long)]
    formats: bool,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run("randlab-plan", || answer(&args).map(|()| DONE))
}

fn answer(args: &Args) -> anyhow::Result<()> {
    let question = &args.question;
    if question.formats {
        print(&format_docs())?;
        return Ok(());
    }
    let default = || Path::new("runs").join(&args.scale);
    let root = args.out.clone().unwrap_or_else(default);
    let (plan, dataset) = plan(args)?;
    if question.status {
        print(&status(&plan, &root))?;
    } else if question.dag {
        print(&dag(&plan))?;
    } else if let Some(name) = &question.why {
        let none = || anyhow!("--why {name}: no run of that name at this scale and dataset");
        print(&why(&plan, &root, &run_id("--why", name)?).ok_or_else(none)?)?;
    } else if let [name, image] = &question.trace[..] {
        let bad = |_| anyhow!("--trace {name} {image}: want the number of an image");
        let image: ImageId = image.parse().map_err(bad)?;
        print(&trace(&plan, &root, &run_id("--trace", name)?, image)?)?;
    } else {
        write(&plan, &dataset, &root)?;
    }
    Ok(())
}

fn run_id(flag: &str, name: &str) -> anyhow::Result<RunId> {
    RunId::try_from(name.to_owned()).map_err(|e| anyhow!("{flag}: {e}"))
}

fn plan(args: &Args) -> anyhow::Result<(Plan, Dataset)> {
    let dataset = dataset(&args.dataset, &args.pipelines.join("datasets"))?;
    let mut experiments = experiments(&args.pipelines.join("experiments"), &args.scale)?;
    if let Some(name) = args.with.as_ref().filter(|n| experiments.iter().all(|e| e.name != **n)) {
        return Err(anyhow!("--with {name}: no experiment of that name"));
    }
    experiments.retain(|e| !e.alone || args.with.as_ref() == Some(&e.name));
    let twice = args.seeds.iter().enumerate().find(|&(i, seed)| args.seeds[..i].contains(seed));
    if let Some((_, seed)) = twice {
        return Err(anyhow!("--seeds: {seed} stands twice"));
    }
    let seeds: Vec<Seed> = args.seeds.iter().copied().map(Seed::new).collect();
    let seeds = (!seeds.is_empty()).then_some(&seeds[..]);
    Ok((expand(&experiments, &dataset, &args.scale, seeds)?, dataset))
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
            return Err(anyhow!(
                "--dataset {asked}: want one of {known}, or a file ending in .toml"
            ));
        }
        return Ok(Dataset::read(&stock.join(format!("{asked}.toml")))?);
    }
    match same {
        Some(same) if fs::canonicalize(same).ok() != fs::canonicalize(path).ok() => Err(anyhow!(
            "{asked}: its runs would take the place of those of {}; give it another name",
            same.display()
        )),
        _ => Ok(Dataset::read(path)?),
    }
}

fn write(plan: &Plan, dataset: &Dataset, root: &Path) -> anyhow::Result<()> {
    // One planner at a time, and none trips over what a killed one left.
    let _locked = RunDir::open(&root.join("plan"))?;
    let write = |stage: &str, run: &RunId, text: String| {
        let path = root.join(format!("plan/{stage}/{run}.toml"));
        publish_if_changed(&path, text.as_bytes()).map(|_| ())
    };
    for (run, config) in &plan.prepare {
        write("prepare", run, toml(config)?)?;
    }
    for (run, config) in &plan.pretrain {
        write("pretrain", run, toml(config)?)?;
    }
    for (run, config) in &plan.finetune {
        write("finetune", run, toml(config)?)?;
    }
    for (run, config) in &plan.align {
        write("align", run, toml(config)?)?;
    }
    for (run, config) in &plan.report {
        write("report", run, toml(config)?)?;
    }
    let path = root.join(format!("plan/{}.mk", dataset.name));
    publish_if_changed(&path, makefile(plan, &outdated(plan, root)).as_bytes())?;
    Ok(())
}

fn experiments(dir: &Path, scale: &str) -> anyhow::Result<Vec<Experiment>> {
    let paths = tomls(dir)?;
    let read = paths.iter().map(|path| Experiment::read(path, scale));
    let mut experiments = read.collect::<Result<Vec<_>, _>>()?;
    // Shared runs have the name of the first who asks: rather a base than what lies over it.
    experiments.sort_by_key(|e| e.base.is_some());
    Ok(experiments)
}

/// Files ending in `.toml` in a folder, in the order of their names.
fn tomls(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("{}: cannot list", dir.display()))?;
    let mut paths = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    Ok(paths)
}

fn toml(config: &impl Serialize) -> anyhow::Result<String> {
    Ok(toml::to_string(config)?)
}
