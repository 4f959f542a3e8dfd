//! Gain in area under the training curve over the strength of the signal before the first step.

use randlab_core::Seed;
use randlab_recipe::Pair;

use super::{
    Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone,
    pairs::{self, distinct},
};
use crate::input::{Experiment, Fit};

/// A colour per panel and variant; tasks but the first have open marks.
pub(super) fn block(experiment: &Experiment<'_>, pairs: &[Pair]) -> Block {
    let arms = distinct(pairs.iter().map(|p| (&p.panel, &p.variant)));
    let tasks = distinct(pairs.iter().map(|p| &p.downstream));
    let (mut series, mut notes) = (Vec::new(), Vec::new());
    for pair in pairs {
        let arm = arms.iter().position(|&a| a == (&pair.panel, &pair.variant)).unwrap_or(0);
        let first = tasks.first().is_some_and(|&task| *task == pair.downstream);
        let look = (Tone::Colour(arm), if first { Mark::Dots } else { Mark::OpenCircles });
        for mark in marks(experiment, pair, look) {
            match mark {
                Ok(mark) => series.push(mark),
                Err(why) => notes.push(why),
            }
        }
    }
    let xs = || series.iter().flat_map(|s| &s.points).map(|p| p.x);
    let body = match (xs().reduce(f64::min), xs().reduce(f64::max)) {
        (Some(least), Some(most)) => Body::Plot(plot(zero(least, most), series)),
        _ => Body::Nothing,
    };
    let pairs: Vec<_> = pairs.iter().collect();
    pairs::block(experiment, &pairs, ("signal", "one mark per seed"), (notes, body))
}

fn plot(zero: Series, marks: Vec<Series>) -> Plot {
    let x = "last hidden layer's output over the baseline's";
    Plot {
        x: Axis { title: x.to_owned(), scale: Scale::Log },
        y: Axis { title: "gain in area under the training curve".to_owned(), scale: Scale::Linear },
        series: [zero].into_iter().chain(marks).collect(),
    }
}

/// One mark per seed, or why there is none. Each is a series of its own, as two seeds may have equal abscissae.
fn marks(
    experiment: &Experiment<'_>,
    pair: &Pair,
    (tone, mark): (Tone, Mark),
) -> Vec<Result<Series, String>> {
    let seeds = Fit::of(experiment, &[&pair.panel]).kept;
    let gains = match experiment.auc_gains(pair, &seeds) {
        Ok(gains) => gains,
        Err(why) => return vec![Err(why)],
    };
    let of = |(&seed, &y): (&Seed, &f64)| {
        let point = Point { x: experiment.signal(pair, seed)?, y, band: None };
        Ok(Series {
            name: format!("{} {}, {}", pair.panel, pair.variant, pair.downstream),
            part: Some(format!("seed {seed}")),
            mark,
            tone,
            points: vec![point],
            interval: Interval::None,
            n_seeds: 1,
        })
    };
    seeds.iter().zip(&gains).map(of).collect()
}

/// The line between gain and loss.
fn zero(least: f64, most: f64) -> Series {
    Series {
        name: "no gain".to_owned(),
        part: None,
        mark: Mark::DashedLine,
        tone: Tone::Grey,
        points: [least, most].map(|x| Point { x, y: 0.0, band: None }).into(),
        interval: Interval::None,
        n_seeds: 0,
    }
}
