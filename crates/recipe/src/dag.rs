//! The plan as a picture: one node for all seeds of a stage, panel and arm.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use randlab_core::{RunId, RunInfo};

use crate::Plan;

/// A Mermaid graph of `plan`.
pub fn dag(plan: &Plan) -> String {
    let mut graph = Graph::default();
    for (id, run) in &plan.prepare {
        graph.run("prepare", id, &run.run);
    }
    let trained = [("pretrain", &plan.pretrain), ("finetune", &plan.finetune)];
    for (stage, runs) in trained {
        for (id, run) in runs {
            graph.run(stage, id, &run.run);
        }
    }
    for (stage, runs) in trained {
        for (id, run) in runs {
            graph.edge(("prepare", &run.data), (stage, id));
            if let Some(parent) = run.parent() {
                graph.edge(("pretrain", parent), (stage, id));
            }
        }
    }
    for (id, run) in &plan.align {
        graph.run("align", id, &run.run);
        for subject in &run.subjects {
            graph.edge(("prepare", &subject.data), ("align", id));
            graph.edge(("pretrain", &subject.run), ("align", id));
        }
    }
    graph.text()
}

#[derive(Default)]
struct Graph {
    /// Node of each run.
    node: BTreeMap<(String, RunId), String>,
    /// Runs behind each node.
    runs: BTreeMap<String, usize>,
    /// Edges between nodes.
    edges: BTreeSet<(String, String)>,
}

impl Graph {
    fn run(&mut self, stage: &str, id: &RunId, info: &RunInfo) {
        let parts = [stage, &info.experiment, &info.panel, &info.arm];
        let label = parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ");
        *self.runs.entry(label.clone()).or_default() += 1;
        self.node.insert((stage.to_owned(), id.clone()), label);
    }

    fn edge(&mut self, from: (&str, &RunId), to: (&str, &RunId)) {
        let node = |(stage, id): (&str, &RunId)| {
            self.node.get(&(stage.to_owned(), id.clone())).cloned().unwrap_or_default()
        };
        self.edges.insert((node(from), node(to)));
    }

    fn text(&self) -> String {
        let number: BTreeMap<&String, usize> = self.runs.keys().zip(0..).collect();
        let mut text = String::from("graph LR\n");
        for (label, runs) in &self.runs {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  n{}[\"{label} ({runs})\"]", number[label]);
        }
        for (from, to) in &self.edges {
            let _ = writeln!(text, "  n{} --> n{}", number[from], number[to]);
        }
        for label in self.runs.keys() {
            let _ = writeln!(text, "  n{} --> report", number[label]);
        }
        text
    }
}
