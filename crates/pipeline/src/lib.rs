//! Runs and what they depend on.
//!
//! A [`Stage`] is one kind of run: its configuration, what it reads, and its work. Everything else follows from a list of
//! stages and a [`Plan`] of runs: the include file for make ([`makefile`]), the graph ([`dag`]), where each run stands
//! ([`Survey`]), and the program that executes a run ([`program`]). This crate knows no stage by name.

mod answers;
mod args;
mod console;
mod dag;
mod exit;
mod job;
mod makefile;
mod nearest;
mod plan;
mod stage;
mod state;
mod stop;
#[cfg(test)]
mod tests;

pub use answers::{list, status, why};
pub use args::{StageArgs, parse};
pub use dag::dag;
pub use exit::{BAD_INPUT, DONE, ENVIRONMENT, FAILED, Host, Known, Refused, print, run};
pub use job::{Done, Job, Work, program};
pub use makefile::makefile;
pub use nearest::nearest;
pub use plan::{Plan, Planned};
pub use stage::{AnyStage, Choice, Of, Place, RunRef, Stage, tables};
pub use state::{State, Survey};
