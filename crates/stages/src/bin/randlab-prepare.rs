//! Turn raw files into a dataset: images, labels, statistics, and three disjoint splits.

use std::process::ExitCode;

use clap::Parser;
use randlab_stages::{EXIT_CODES, StageArgs, parse, prepare, run};

/// Turn raw files into a dataset: images, labels, statistics, and three disjoint splits.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[command(flatten)]
    stage: StageArgs,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run("randlab-prepare", || prepare(&args.stage))
}
