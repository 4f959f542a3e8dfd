//! Train a net on the upstream images, as a rule with random labels.

use std::process::ExitCode;

use clap::Parser;
use randlab_core::Split;
use randlab_stages::{EXIT_CODES, StageArgs, parse, run, train};

/// Train a net on the upstream images, as a rule with random labels.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[command(flatten)]
    stage: StageArgs,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run("randlab-pretrain", || train(&args.stage, Split::Upstream))
}
