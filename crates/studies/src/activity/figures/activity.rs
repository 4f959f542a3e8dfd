//! Share of active units per layer, through both phases (paper, Figure 9).

use std::rc::Rc;

use randlab_report::{
    ArmRef, Drawing, ReportError, Runs,
    figure::{Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone},
    stats::mean,
};
use serde::{Deserialize, Serialize};

use super::arms;
use crate::{
    activity::view::{ACTIVE, Layers},
    average::{Drawn, Head, carried},
};

/// Share of active units of each hidden layer over the steps of pre-training and then of the downstream task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Panels.
    pub panels: Vec<String>,
    /// Downstream task.
    pub downstream: String,
    /// Variant trained on it.
    pub variant: String,
}

impl Drawing for Activity {
    fn arms(&self) -> Vec<ArmRef> {
        arms(&self.panels, &self.downstream, &self.variant)
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        Ok(self.panels.iter().map(|panel| self.block(runs, panel)).collect())
    }
}

/// Both phases, a run per seed in each.
struct Phases {
    before: Vec<Rc<Layers>>,
    after: Vec<Rc<Layers>>,
}

impl Activity {
    fn block(&self, runs: &Runs, panel: &str) -> Block {
        let Self { downstream: task, variant, .. } = self;
        let mut drawn = Drawn::of(runs, panel);
        let body = match self.phases(runs, panel, &drawn) {
            Ok(Phases { before, after }) => {
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
        drawn.block(runs, panel, Head { name: panel.to_owned(), title }, body)
    }

    fn phases(&self, runs: &Runs, panel: &str, drawn: &Drawn) -> Result<Phases, String> {
        let arm = ArmRef::variant(panel, &self.downstream, &self.variant);
        let seeds = || drawn.seeds.iter();
        let before = seeds().map(|&seed| Layers::upstream(runs, panel, seed));
        let before = before.collect::<Result<_, _>>()?;
        let after = seeds().map(|&seed| Layers::downstream(runs, &arm, seed));
        Ok(Phases { before, after: after.collect::<Result<_, _>>()? })
    }
}

fn plot(before: &[Rc<Layers>], after: &[Rc<Layers>], dashed: bool) -> Plot {
    let switch = last_step(before) as f64;
    let names = before.first().map_or_else(Vec::new, |l| l.names());
    let depths = before.first().map_or_else(Vec::new, |l| l.depths());
    let deepest = depths.len().saturating_sub(1).max(1) as f64;
    let series = |i: usize, phase: &[Rc<Layers>], part: Option<&str>, start: f64| Series {
        name: names[i].to_owned(),
        part: part.map(str::to_owned),
        mark: if dashed { Mark::DashedLine } else { Mark::Line },
        tone: Tone::Shade(i as f64 / deepest),
        points: curve(phase, depths[i], start),
        interval: Interval::None,
        n_seeds: phase.len(),
    };
    let both = |i| [series(i, before, None, 0.0), series(i, after, Some("downstream"), switch)];
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
fn curve(phase: &[Rc<Layers>], depth: i32, start: f64) -> Vec<Point> {
    let run = |layers: &Rc<Layers>| -> Vec<(i64, f64)> {
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
fn last_step(phase: &[Rc<Layers>]) -> i64 {
    phase.iter().filter_map(|l| l.steps().last().copied()).max().unwrap_or(0)
}

fn stopped_early(phase: &[Rc<Layers>]) -> bool {
    let end = Some(last_step(phase));
    phase.iter().any(|l| l.steps().last().copied() != end)
}
