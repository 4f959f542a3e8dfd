//! Misalignment over steps (paper, Figure 2).

use std::rc::Rc;

use randlab_report::{
    ArmRef, Drawing, Layout, ReportError, Runs,
    figure::{Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone},
    stats::mean,
};
use randlab_store::table::AlignmentRow;
use serde::{Deserialize, Serialize};

use crate::{
    alignment::{
        check,
        view::{AlignRun, common_steps},
    },
    average::{Drawn, Head, average},
};

/// Misalignment over steps in the data eigenbasis, with the band of random bases and the finite-sample floor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Misalignment {
    /// Panels.
    pub panels: Vec<String>,
}

impl Drawing for Misalignment {
    fn arms(&self) -> Vec<ArmRef> {
        self.panels.iter().map(|p| ArmRef::net(p)).collect()
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        Ok(self.panels.iter().map(|panel| block(runs, panel)).collect())
    }
}

fn block(runs: &Runs, panel: &str) -> Block {
    let mut drawn = Drawn::of(runs, panel);
    let aligned = drawn.found(|seed| AlignRun::net(runs, panel, seed));
    let head = Head { name: panel.to_owned(), title: format!("{panel}, {} seeds", aligned.len()) };
    let body = if let Some(plot) = plot(&aligned, drawn.dashed) {
        Body::Plot(plot)
    } else {
        let why = "no misalignment: it needs more filters than inputs per filter";
        drawn.notes.push(why.to_owned());
        Body::Nothing
    };
    drawn.block(runs, panel, head, body)
}

/// Curves over the steps all of `runs` have; none where the score is not defined.
fn plot(runs: &[Rc<AlignRun>], dashed: bool) -> Option<Plot> {
    let own = points(runs, |r| r.misalignment, average);
    if own.is_empty() {
        return None;
    }
    let random = random_bases(runs);
    let floor = points(runs, |r| r.floor, |x, v| Point { x, y: mean(v), band: None });
    let line = if dashed { Mark::DashedLine } else { Mark::LineAndDots };
    let series = |name: &str, mark, tone, points, interval| Series {
        name: name.to_owned(),
        part: None,
        mark,
        tone,
        points,
        interval,
        n_seeds: runs.len(),
    };
    let bases = Interval::Quantile10To90;
    Some(Plot {
        x: Axis { title: "optimiser steps".to_owned(), scale: Scale::LogFromZero },
        y: Axis { title: "misalignment M".to_owned(), scale: Scale::Log },
        series: vec![
            series("random bases, 10-90 %", line, Tone::Colour(1), random, bases),
            series("data eigenbasis, 95 %", line, Tone::Colour(0), own, Interval::MeanT95),
            series("floor", Mark::DashedLine, Tone::Grey, floor, Interval::None),
        ],
    })
}

/// One point per step all runs have; a step at which the score is not defined is left out.
fn points(
    runs: &[Rc<AlignRun>],
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
fn random_bases(runs: &[Rc<AlignRun>]) -> Vec<Point> {
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
