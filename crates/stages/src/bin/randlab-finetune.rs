//! Train a net on the downstream images, from scratch or from what a pre-trained net gives.

use std::process::ExitCode;

use clap::Parser;
use randlab_core::Split;
use randlab_stages::{EXIT_CODES, StageArgs, parse, run, train};

/// Train a net on the downstream images, from scratch or from what a pre-trained net gives.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[command(flatten)]
    stage: StageArgs,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run("randlab-finetune", || train(&args.stage, Split::Downstream))
}
