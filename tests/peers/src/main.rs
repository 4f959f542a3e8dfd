//! Training speed of randlab beside `PyTorch`, burn and candle, and how it scales. See docs/performance.md.

mod align;
mod burn;
mod candle;
mod chart;
mod compare;
mod nets;
mod ours;
mod peak;
mod process;
mod rounds;
mod scale;
mod tables;
mod worker;

use std::process::ExitCode;

use clap::Parser;
use randlab_kernels::LineAligned;

// For all peers that run in this process.
#[global_allocator]
static HEAP: LineAligned = LineAligned;

/// Time training steps
#[derive(Parser)]
enum Program {
    Compare(compare::Compare),
    Scale(scale::Scale),
    /// Repeat one piece of work as often as stdin says
    #[command(subcommand, hide = true)]
    Worker(worker::Work),
}

fn main() -> ExitCode {
    let program = match Program::try_parse() {
        Ok(program) => program,
        // Help is asked for.
        Err(e) if !e.use_stderr() => e.exit(),
        Err(e) => {
            let text = e.to_string();
            let words = text.split("\n\n").next().unwrap_or_default().split_whitespace();
            eprintln!("randlab-peers: {}", words.collect::<Vec<_>>().join(" "));
            return ExitCode::from(2);
        }
    };
    let done = match program {
        Program::Compare(compare) => compare.run(),
        Program::Scale(scale) => scale.run(),
        Program::Worker(work) => worker::serve(&work),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("randlab-peers: error: {e:#}");
            ExitCode::from(2)
        }
    }
}
