//! The plan as make reads it: what is to be made, in which order, and the goals. The rules are in `pipelines/rules.mk`.

use std::fmt::{Display, Write};

use crate::{Plan, RunRef, State, Survey};

/// Text of the included file. `$(R)` is the folder of the scale; run folders are `$(R)/STAGE/RUN`.
///
/// A run that is done has no rule, so make takes its manifest as it is. Every other run is in `AGAIN_STAGE`, whose members are
/// made whatever the times of files say, after the runs they read.
pub fn makefile(plan: &Plan, survey: &Survey) -> String {
    let mut text = String::from(
        "# Written by randlab-plan: the runs to be made, in which order, and goals.\n",
    );
    let to_make = |run: &RunRef| *survey.state(run) != State::Done;
    list(&mut text, "STAGES", plan.stages.iter().map(|stage| stage.name()));
    for stage in plan.stages {
        let runs = plan.of_stage(stage.name()).map(|planned| &planned.run);
        let again = runs.filter(|run| to_make(run)).map(|run| &run.id);
        list(&mut text, &format!("AGAIN_{}", stage.name()), again);
    }
    let stages = plan.stages.iter().map(|stage| stage.name());
    list(&mut text, "GOALS", stages.chain(plan.goals.keys().map(String::as_str)));
    for stage in plan.stages {
        let runs = plan.of_stage(stage.name()).map(|planned| &planned.run);
        list(&mut text, &format!("GOAL_{}", stage.name()), runs);
    }
    for (goal, runs) in &plan.goals {
        list(&mut text, &format!("GOAL_{goal}"), runs.iter());
    }
    for (_, planned) in plan.in_order().filter(|(_, planned)| to_make(&planned.run)) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}:", manifest(&planned.run));
        for need in planned.needs.iter().filter(|need| to_make(need)) {
            let _ = write!(text, " \\\n  {}", manifest(need));
        }
        text.push('\n');
    }
    text
}

fn manifest(run: &RunRef) -> String {
    format!("$(R)/{run}/run.json")
}

fn list<T: Display>(text: &mut String, name: &str, items: impl Iterator<Item = T>) {
    let _ = write!(text, "\n{name} :=");
    for item in items {
        let _ = write!(text, " \\\n  {item}");
    }
    text.push('\n');
}
