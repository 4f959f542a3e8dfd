//! The plan as make reads it: lists of runs and the edges between them. The rules themselves stand in the Makefile.

use std::fmt::Write;

use randlab_core::RunId;

use crate::Plan;

/// Text of the included file. `$(R)` is the folder of the scale; run folders are `$(R)/STAGE/RUN`. The runs `again`, by stage and
/// name, are made whatever the times of files say.
pub fn makefile(plan: &Plan, again: &[(&str, RunId)]) -> String {
    let mut text = String::from("# Written by randlab-plan: lists of runs and what each needs.\n");
    list(&mut text, "PREPARE", plan.prepare.keys());
    list(&mut text, "PRETRAIN", plan.pretrain.keys());
    list(&mut text, "FINETUNE", plan.finetune.keys());
    list(&mut text, "ALIGN", plan.align.keys());
    list(&mut text, "REPORT", plan.report.keys());
    for (id, run) in &plan.prepare {
        edges(&mut text, "prepare", id, run.source.as_ref().path().map(raw));
    }
    for (stage, runs) in [("pretrain", &plan.pretrain), ("finetune", &plan.finetune)] {
        for (id, run) in runs {
            let parent = run.parent().map(|parent| manifest("pretrain", parent));
            let needs = [manifest("prepare", &run.data)].into_iter().chain(parent);
            edges(&mut text, stage, id, needs);
        }
    }
    for (id, run) in &plan.align {
        let needs = run.subjects.iter();
        let needs =
            needs.flat_map(|s| [manifest("prepare", &s.data), manifest("pretrain", &s.run)]);
        edges(&mut text, "align", id, needs);
    }
    for (id, page) in &plan.report {
        let runs = page.experiments.iter().flat_map(|e| &e.runs);
        edges(&mut text, "report", id, runs.map(|r| manifest(&r.stage, &r.info.id)));
    }
    for (stage, run) in again {
        edges(&mut text, stage, run, ["again".to_owned()]);
    }
    text
}

/// The raw file, or the folder with what lies in it. Make takes no notice of what is not there, and the stage then says so.
fn raw(path: &str) -> String {
    let path = path.replace('$', "$$").replace(' ', "\\ ");
    format!("$(wildcard {path} {path}/* {path}/*/*)")
}

fn manifest(stage: &str, run: impl std::fmt::Display) -> String {
    format!("$(R)/{stage}/{run}/run.json")
}

fn list<T: std::fmt::Display>(text: &mut String, name: &str, runs: impl Iterator<Item = T>) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\n{name} :=");
    for run in runs {
        let _ = write!(text, " \\\n  {run}");
    }
    text.push('\n');
}

fn edges(
    text: &mut String,
    stage: &str,
    run: impl std::fmt::Display,
    needs: impl IntoIterator<Item = String>,
) {
    let _ = write!(text, "\n{}:", manifest(stage, run));
    for need in needs {
        let _ = write!(text, " \\\n  {need}");
    }
    text.push('\n');
}
