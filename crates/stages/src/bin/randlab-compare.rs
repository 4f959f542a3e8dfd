//! Say which values differ between two folders of runs.

use std::process::ExitCode;

use clap::Parser;
use randlab_pipeline::{parse, run};
use randlab_stages::{CompareArgs, HOST, compare};

/// Say which runs, tensors and tables differ between two folders of runs, which may be of different versions.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 all values agree, 1 values differ, 2 bad usage or no runs, 3 disk or permission."
)]
struct Args {
    #[command(flatten)]
    compare: CompareArgs,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run(&HOST, "randlab-compare", || compare(&args.compare))
}
