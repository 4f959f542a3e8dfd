//! The stage programs: what they share, and what each of them does between its inputs and its outputs.
//!
//! A stage program reads one resolved configuration, asks [`execute`] whether the run is done already, does its work and
//! leaves a run folder whose manifest comes last. The programs themselves are a few lines each.

mod align;
mod args;
mod compare;
mod console;
mod exit;
mod job;
mod prepare;
mod report;
mod rows;
mod state;
mod stop;
mod trace;
mod train;
mod verify;

pub use align::align;
pub use args::{ProgressMode, StageArgs, parse};
pub use compare::{CompareArgs, compare};
pub use exit::{BAD_INPUT, DONE, ENVIRONMENT, FAILED, code, print, run};
pub use job::{Done, Job, Stage, Work, execute};
pub use prepare::prepare;
pub use report::report;
pub use state::{State, outdated, state, status, why};
pub use trace::trace;
pub use train::train;
pub use verify::{VerifyArgs, verify};

/// What `--help` of every stage says at its end.
pub const EXIT_CODES: &str = "Exit codes: 0 done or already done, 1 the run failed, 2 bad usage, configuration or \
input data, 3 disk, permission, lock or threads, 128 and the number of a signal that stopped it: the same command goes on from there.";
