//! Share of active units per layer, through both phases (paper, Figure 9).

use super::{
    Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone,
    average::{Drawn, carried},
};
use crate::{
    input::{ACTIVE, Experiment, Layers},
    stats::mean,
};

pub(super) fn block(
    experiment: &Experiment<'_>,
    panel: &str,
    (task, variant): (&str, &str),
) -> Block {
    let mut drawn = Drawn::of(experiment, panel);
    let arm = format!("{task}.{variant}");
    let layers = |stage, arm| -> Result<Vec<&Layers>, String> {
        drawn.seeds.iter().map(|&seed| experiment.layers(stage, panel, arm, seed)).collect()
    };
    let phases = layers("pretrain", "").and_then(|before| Ok((before, layers("finetune", &arm)?)));
    let body = match phases {
        Ok((before, after)) => {
            if [&before, &after].into_iter().any(|phase| stopped_early(phase)) {
                drawn.notes.push("runs that stopped early keep their last value".to_owned());
            }
            Body::Plot(plot(&before, &after, drawn.dashed))
        }
        Err(why) => {
            drawn.notes.push(why);
            Body::Nothing
        }
    };
    let title = format!("{panel}: {variant}, {task} labels, {} seeds", drawn.seeds.len());
    let dataset = experiment.dataset(panel).to_owned();
    Block { panel: panel.to_owned(), title, dataset, notes: drawn.notes, body }
}

fn plot(before: &[&Layers], after: &[&Layers], dashed: bool) -> Plot {
    let switch = last_step(before) as f64;
    let names = before.first().map_or_else(Vec::new, |l| l.names());
    let depths = before.first().map_or_else(Vec::new, |l| l.depths());
    let deepest = depths.len().saturating_sub(1).max(1) as f64;
    let series = |i: usize, phase: &[&Layers], (part, start): (Option<&str>, f64)| Series {
        name: names[i].to_owned(),
        part: part.map(str::to_owned),
        mark: if dashed { Mark::DashedLine } else { Mark::Line },
        tone: Tone::Shade(i as f64 / deepest),
        points: curve(phase, depths[i], start),
        interval: Interval::None,
        n_seeds: phase.len(),
    };
    let both = |i| [series(i, before, (None, 0.0)), series(i, after, (Some("downstream"), switch))];
    Plot {
        x: Axis {
            title: "optimiser steps, downstream ones counted on".to_owned(),
            scale: Scale::Phases { switch },
        },
        y: Axis {
            title: "share of units active on a held-out image".to_owned(),
            scale: Scale::Linear,
        },
        series: (0..depths.len()).flat_map(both).collect(),
    }
}

/// Mean over seeds of one layer's share of active units; step 0 stands at `start`. Intervals of a dozen layers would cover
/// each other.
fn curve(phase: &[&Layers], depth: i32, start: f64) -> Vec<Point> {
    let run = |layers: &&Layers| -> Vec<(i64, f64)> {
        let steps = layers.steps().into_iter();
        steps.filter_map(|step| Some((step, layers.value(ACTIVE, depth, step)?))).collect()
    };
    let runs: Vec<_> = phase.iter().map(run).collect();
    let point = |(step, values): (i64, Vec<f64>)| Point {
        x: start + step as f64,
        y: mean(&values),
        band: None,
    };
    carried(&runs).into_iter().map(point).collect()
}

/// Last step of the longest run.
fn last_step(phase: &[&Layers]) -> i64 {
    phase.iter().filter_map(|l| l.steps().last().copied()).max().unwrap_or(0)
}

fn stopped_early(phase: &[&Layers]) -> bool {
    let end = Some(last_step(phase));
    phase.iter().any(|l| l.steps().last().copied() != end)
}
