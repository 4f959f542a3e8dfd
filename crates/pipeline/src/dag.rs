//! The plan as a Mermaid graph.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use crate::{Plan, Planned, RunRef};

/// A Mermaid graph: of all runs with one node per stage, or of what a goal stands for and all that it reads, with one node for
/// all seeds of a stage, panel and arm. None for an unknown goal.
pub fn dag(plan: &Plan, goal: Option<&str>) -> Option<String> {
    let Some(goal) = goal else {
        return Some(graph(plan, plan.runs.keys(), |planned| planned.run.stage.clone()));
    };
    let mut reached = BTreeSet::new();
    let mut open: Vec<&RunRef> = plan.goals.get(goal)?.iter().collect();
    while let Some(run) = open.pop() {
        if let Some(planned) = plan.runs.get(run).filter(|_| reached.insert(run)) {
            open.extend(&planned.needs);
        }
    }
    Some(graph(plan, reached, |planned| {
        let place = &planned.place;
        let parts = [&planned.run.stage, &place.experiment, &place.panel, &place.arm];
        let parts = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str);
        parts.collect::<Vec<_>>().join(" ")
    }))
}

/// Nodes are the labels of `runs`, with how many share each.
fn graph<'a>(
    plan: &Plan,
    runs: impl IntoIterator<Item = &'a RunRef>,
    label: impl Fn(&Planned) -> String,
) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut edges = BTreeSet::new();
    for planned in runs.into_iter().filter_map(|run| plan.runs.get(run)) {
        let to = label(planned);
        let needs = planned.needs.iter().filter_map(|need| plan.runs.get(need));
        edges.extend(needs.map(|need| (label(need), to.clone())));
        *counts.entry(to).or_default() += 1;
    }
    let number: BTreeMap<&String, usize> = counts.keys().zip(0..).collect();
    let mut text = String::from("graph LR\n");
    for (label, runs) in &counts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  n{}[\"{label} ({runs})\"]", number[label]);
    }
    for (from, to) in &edges {
        let _ = writeln!(text, "  n{} --> n{}", number[from], number[to]);
    }
    text
}
