//! Compare the files of finished runs with their manifests.

use std::process::ExitCode;

use clap::Parser;
use randlab_pipeline::{parse, run};
use randlab_stages::{HOST, VerifyArgs, verify};

/// Compare every file of every finished run with its manifest; damaged runs are made again by make.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 all as written, 1 damage found, 2 bad usage or no runs, 3 disk, permission or lock."
)]
struct Args {
    #[command(flatten)]
    verify: VerifyArgs,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run(&HOST, "randlab-verify", || verify(&args.verify))
}
