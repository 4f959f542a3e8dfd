//! Answers about a plan, as text.

use std::fmt::Write;

use crate::{Plan, State, Survey};

/// How many runs of each stage are in each state.
pub fn status(plan: &Plan, survey: &Survey) -> String {
    let line = |first: &str, cells: &[String]| {
        cells.iter().fold(format!("{first:<10}"), |line, cell| format!("{line}{cell:>9}")) + "\n"
    };
    let mut text = line("", &State::NAMES.map(str::to_owned));
    for stage in plan.stages {
        let states: Vec<&str> =
            plan.of_stage(stage.name()).map(|p| survey.state(&p.run).name()).collect();
        let count = |name: &str| states.iter().filter(|state| **state == name).count().to_string();
        if !states.is_empty() {
            text += &line(stage.name(), &State::NAMES.map(count));
        }
    }
    text
}

/// State, stage and name of the runs whose names begin with `prefix`, one a line; none if there are none.
pub fn list(plan: &Plan, survey: &Survey, prefix: &str) -> Option<String> {
    let mut text = String::new();
    for (stage, planned) in named(plan, prefix) {
        let state = survey.state(&planned.run).name();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{state:<8} {stage:<9} {}", planned.run.id);
    }
    (!text.is_empty()).then_some(text)
}

/// Why the runs whose names begin with `prefix` would be made; none if there are none.
pub fn why(plan: &Plan, survey: &Survey, prefix: &str) -> Option<String> {
    let mut text = String::new();
    for (stage, planned) in named(plan, prefix) {
        let state = survey.state(&planned.run);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{stage} {}: {}", planned.run.id, state.name());
        for reason in state.reasons() {
            let _ = writeln!(text, "  {reason}");
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The runs called `prefix`; where there are none, those whose names begin so.
fn named<'a>(plan: &'a Plan, prefix: &str) -> Vec<(&'static str, &'a crate::Planned)> {
    let all = || plan.in_order().map(|(stage, planned)| (stage.name(), planned));
    let exact: Vec<_> = all().filter(|(_, p)| p.run.id.as_str() == prefix).collect();
    if !exact.is_empty() {
        return exact;
    }
    all().filter(|(_, p)| p.run.id.as_str().starts_with(prefix)).collect()
}
