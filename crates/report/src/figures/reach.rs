//! Steps until a training accuracy is reached, one dot per seed.

use super::{
    Block, Body, DotRow, Dots, Span,
    average::{Drawn, average},
    learning::runs,
};
use crate::input::Experiment;

pub(super) fn block(
    experiment: &Experiment<'_>,
    (panel, task): (&str, &str),
    variants: &[String],
    accuracy: f64,
) -> Block {
    let mut drawn = Drawn::of(experiment, panel);
    let horizon = experiment.horizon(panel, task);
    let mut rows = Vec::new();
    for variant in variants {
        match runs(experiment, (panel, task, variant), &drawn) {
            Ok(runs) => {
                let steps: Vec<_> = runs.iter().map(|r| r.steps_to(accuracy)).collect();
                rows.push(row(variant, &drawn, &steps, horizon));
            }
            Err(why) => drawn.notes.push(why),
        }
    }
    if rows.iter().any(|r| r.dots.iter().any(|d| !d.2)) {
        let note = format!("open dots never got there and count as {horizon} steps");
        drawn.notes.push(note);
    }
    let percent = (accuracy * 100.0).round();
    let x_title = format!("optimiser steps to {percent} % training accuracy");
    let title = format!("{panel}: {task} labels, {} seeds", drawn.seeds.len());
    let dataset = experiment.dataset(panel).to_owned();
    let body = Body::Dots(Dots { x_title, span: Span::Horizon(horizon as f64), rows });
    Block { panel: format!("{panel}.{task}"), title, dataset, notes: drawn.notes, body }
}

fn row(variant: &str, drawn: &Drawn, steps: &[Option<usize>], horizon: usize) -> DotRow {
    let counted = |s: &Option<usize>| s.unwrap_or(horizon) as f64;
    let dots = drawn.seeds.iter().zip(steps).map(|(seed, s)| (seed.get(), counted(s), s.is_some()));
    let mean = average(0.0, &steps.iter().map(counted).collect::<Vec<_>>());
    DotRow { name: variant.to_owned(), dots: dots.collect(), mean }
}
