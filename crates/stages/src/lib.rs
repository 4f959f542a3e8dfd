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

#[cfg(test)]
mod tests {
    use randlab_pipeline::{Stage, tables};
    use randlab_store::table::format_docs;

    use super::{Report, STAGES};

    #[test]
    fn the_committed_page_of_tables_is_what_the_schemas_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/formats.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == format_docs(&tables(STAGES.iter().copied())),
            "run randlab-plan --formats > docs/formats.md"
        );
    }

    #[test]
    fn every_table_of_runs_begins_with_stage_and_run() {
        let of_runs = STAGES.iter().copied().filter(|stage| stage.name() != Report::NAME);
        for table in tables(of_runs) {
            let fields = (table.fields)();
            let is_key = |name: &str, at: usize| {
                fields[at].name() == name && fields[at].metadata()["key"] == "true"
            };
            assert!(is_key("stage", 0) && is_key("run_id", 1), "{}", table.name);
        }
    }
}
