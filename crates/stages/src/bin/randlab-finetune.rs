//! Train a net on the downstream images, from scratch or from what a pre-trained net gives.

use std::process::ExitCode;

use clap::Parser;
use randlab_core::Split;
use randlab_kernels::LineAligned;
use randlab_stages::{EXIT_CODES, StageArgs, parse, run, train};

#[global_allocator]
static HEAP: LineAligned = LineAligned;

/// Train a net on the downstream images, from scratch or from what a pre-trained net gives.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[command(flatten)]
    stage: StageArgs,
    /// What the net runs on: cpu, cuda:N, metal:N, or auto for the first GPU if there is one
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
}

fn main() -> ExitCode {
    let args: Args = parse();
    run("randlab-finetune", || train(&args.stage, Split::Downstream, &args.device))
}
