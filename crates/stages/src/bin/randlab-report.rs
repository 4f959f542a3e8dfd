//! Turn tables into figures, verdicts and a page.

use std::process::ExitCode;

use clap::Parser;
use randlab_stages::{EXIT_CODES, StageArgs, parse, report, run};

/// Turn tables into figures, verdicts and a page.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[command(flatten)]
    stage: StageArgs,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run("randlab-report", || report(&args.stage))
}
