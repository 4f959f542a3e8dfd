//! Compare the first layer of pre-trained nets with the covariance of what it looked at.

use std::process::ExitCode;

use clap::Parser;
use randlab_stages::{EXIT_CODES, StageArgs, align, parse, run};

/// Compare the first layer of pre-trained nets with the covariance of what it looked at.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[command(flatten)]
    stage: StageArgs,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run("randlab-align", || align(&args.stage))
}
