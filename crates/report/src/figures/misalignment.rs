//! Misalignment over steps (paper, Figure 2).

use randlab_store::table::AlignmentRow;

use super::{
    Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone,
    average::{Drawn, average, common_steps},
};
use crate::{
    input::{AlignRun, Experiment},
    stats::mean,
};

pub(super) fn block(experiment: &Experiment<'_>, panel: &str) -> Block {
    let mut drawn = Drawn::of(experiment, panel);
    let runs = drawn.aligned(experiment, panel);
    let n = runs.len();
    let own = points(&runs, |r| r.misalignment, average);
    let random = random_bases(&runs);
    let floor = points(&runs, |r| r.floor, |x, v| Point { x, y: mean(v), band: None });
    let line = if drawn.dashed { Mark::DashedLine } else { Mark::LineAndDots };
    let series = |name: &str, mark, tone, points, interval| Series {
        name: name.to_owned(),
        part: None,
        mark,
        tone,
        points,
        interval,
        n_seeds: n,
    };
    let body = if own.is_empty() {
        drawn
            .notes
            .push("no misalignment: it needs more filters than inputs per filter".to_owned());
        Body::Nothing
    } else {
        let all = vec![
            series(
                "random bases, 10-90 %",
                line,
                Tone::Colour(1),
                random,
                Interval::Quantile10To90,
            ),
            series("data eigenbasis, 95 %", line, Tone::Colour(0), own, Interval::MeanT95),
            series("floor", Mark::DashedLine, Tone::Grey, floor, Interval::None),
        ];
        Body::Plot(Plot {
            x: Axis { title: "optimiser steps".to_owned(), scale: Scale::LogFromZero },
            y: Axis { title: "misalignment M".to_owned(), scale: Scale::Log },
            series: all,
        })
    };
    let dataset = experiment.dataset(panel).to_owned();
    let title = format!("{panel}, {n} seeds");
    Block { panel: panel.to_owned(), title, dataset, notes: drawn.notes, body }
}

/// One point per step all runs have; a step at which the score is not defined is left out.
fn points(
    runs: &[&AlignRun],
    score: fn(&AlignmentRow) -> Option<f64>,
    point: impl Fn(f64, &[f64]) -> Point,
) -> Vec<Point> {
    let at = |&step: &i64| {
        let values: Option<Vec<_>> = runs.iter().map(|r| score(r.row(step)?)).collect();
        Some(point(step as f64, &values?))
    };
    common_steps(runs).iter().filter_map(at).collect()
}

/// Mean over seeds of the bases' mean and of their 10 % and 90 % points.
fn random_bases(runs: &[&AlignRun]) -> Vec<Point> {
    let centre = points(runs, |r| r.random_mean, |x, v| Point { x, y: mean(v), band: None });
    let lo = points(runs, |r| r.random_lo, |x, v| Point { x, y: mean(v), band: None });
    let hi = points(runs, |r| r.random_hi, |x, v| Point { x, y: mean(v), band: None });
    let band = |p: &Point| {
        let at =
            |points: &[Point]| points.iter().find(|q| q.x.total_cmp(&p.x).is_eq()).map(|q| q.y);
        Some((at(&lo)?, at(&hi)?))
    };
    centre.iter().map(|p| Point { band: band(p), ..*p }).collect()
}
