//! Expands experiments into one configuration file per run, and lists and edges for make.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Parser;
use randlab_core::Seed;
use randlab_recipe::{Dataset, Experiment, expand, makefile};
use randlab_store::publish_if_changed;
use serde::Serialize;

/// Expand experiments into one configuration file per run, and lists and edges for make.
///
/// Files are written only when their content changes, so that make redoes nothing else.
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
    /// Folder with experiments and datasets
    #[arg(long, default_value = "pipelines")]
    pipelines: PathBuf,
    /// Folder of the scale; configurations go to OUT/plan/STAGE/RUN.toml
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    randlab_stages::run("randlab-plan", || plan(&args))
}

fn plan(args: &Args) -> anyhow::Result<()> {
    let own = Path::new(&args.dataset).extension().is_some_and(|e| e == "toml");
    let dataset = if own {
        Dataset::read(Path::new(&args.dataset))?
    } else {
        Dataset::read(&args.pipelines.join(format!("datasets/{}.toml", args.dataset)))?
    };
    let experiments = experiments(&args.pipelines.join("experiments"), &args.scale)?;
    let seeds: Vec<Seed> = args.seeds.iter().copied().map(Seed::new).collect();
    let seeds = (!seeds.is_empty()).then_some(&seeds[..]);
    let plan = expand(&experiments, &dataset, &args.scale, seeds)?;
    let write = |stage: &str, run: &dyn std::fmt::Display, text: String| {
        let path = args.out.join(format!("plan/{stage}/{run}.toml"));
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
    let path = args.out.join(format!("plan/{}.mk", dataset.name));
    publish_if_changed(&path, makefile(&plan).as_bytes())?;
    Ok(())
}

fn experiments(dir: &Path, scale: &str) -> anyhow::Result<Vec<Experiment>> {
    let entries = fs::read_dir(dir).with_context(|| format!("{}: cannot list", dir.display()))?;
    let mut paths = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    Ok(paths.iter().map(|path| Experiment::read(path, scale)).collect::<Result<_, _>>()?)
}

fn toml(config: &impl Serialize) -> anyhow::Result<String> {
    Ok(toml::to_string(config)?)
}
