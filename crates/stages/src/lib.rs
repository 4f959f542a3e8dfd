//! The stages, the list of them, and how experiments become runs of them.
//!
//! A stage is a type in a file of its own, a line in [`STAGES`] and a program in `bin/` that calls [`main`] with it. The
//! planner, the include file for make, the graph and all questions follow from the list.

mod align;
mod alignment;
mod compare;
mod errors;
mod expand;
mod prepare;
mod report;
mod rows;
mod seeds;
mod trace;
mod train;
mod verify;

use std::process::ExitCode;

use randlab_pipeline::{AnyStage, Of, Stage, program};

pub use align::Align;
pub use alignment::{AlignConfig, Subject};
pub use compare::{CompareArgs, compare};
pub use errors::HOST;
pub use expand::{ALL, expand};
pub use prepare::Prepare;
pub use report::Report;
pub use seeds::seeds;
pub use trace::trace;
pub use train::{Finetune, Pretrain};
pub use verify::{VerifyArgs, verify};

/// Every stage, in the order in which data flows through them.
pub const STAGES: &[&dyn AnyStage] = &[
    &Of::<Prepare>::stage(),
    &Of::<Pretrain>::stage(),
    &Of::<Finetune>::stage(),
    &Of::<Align>::stage(),
    &Of::<Report>::stage(),
];

/// The program of one stage.
pub fn main<T: Stage>() -> ExitCode {
    program::<T>(&HOST)
}
