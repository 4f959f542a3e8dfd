//! Gain in area under the training curve over the strength of the signal before the first step.

use randlab_core::Seed;
use randlab_report::{
    ArmRef, Converged, Drawing, ReportError, Runs,
    figure::{Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone},
};
use serde::{Deserialize, Serialize};

use crate::{
    Pair,
    activity::view::signal,
    average::Head,
    pair::arms,
    pairs::{self, distinct},
    transfer::auc_gains,
};

/// Gain in area under the training curve over the strength of the signal that reaches the last hidden layer before the first
/// downstream step, as a share of the baseline's; one mark per seed. Each panel and variant has a colour; tasks but the first
/// have open marks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// What is compared.
    pub pairs: Vec<Pair>,
}

impl Drawing for Signal {
    fn arms(&self) -> Vec<ArmRef> {
        arms(&self.pairs)
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        let colours = distinct(self.pairs.iter().map(|p| (&p.panel, &p.variant)));
        let first = self.pairs.first().map(|p| &p.downstream);
        let (mut series, mut notes) = (Vec::new(), Vec::new());
        for pair in &self.pairs {
            let of = (&pair.panel, &pair.variant);
            let colour = colours.iter().position(|&c| c == of).unwrap_or(0);
            let open = first != Some(&pair.downstream);
            let mark = if open { Mark::OpenCircles } else { Mark::Dots };
            for mark in marks(runs, pair, Tone::Colour(colour), mark) {
                match mark {
                    Ok(mark) => series.push(mark),
                    Err(why) => notes.push(why),
                }
            }
        }
        let xs = || series.iter().flat_map(|s| &s.points).map(|p| p.x);
        let body = match (xs().reduce(f64::min), xs().reduce(f64::max)) {
            (Some(least), Some(most)) => Body::Plot(plot(zero(least, most), series)),
            (None, _) | (_, None) => Body::Nothing,
        };
        let head = Head { name: "signal".to_owned(), title: "one mark per seed".to_owned() };
        let pairs: Vec<_> = self.pairs.iter().collect();
        Ok(vec![pairs::block(runs, &pairs, head, notes, body)])
    }
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
fn marks(runs: &Runs, pair: &Pair, tone: Tone, mark: Mark) -> Vec<Result<Series, String>> {
    let seeds = Converged::of(runs, &[&pair.panel]).kept;
    let gains = match auc_gains(runs, pair, &seeds) {
        Ok(gains) => gains,
        Err(why) => return vec![Err(why)],
    };
    let of = |(&seed, &y): (&Seed, &f64)| {
        let point = Point { x: signal(runs, pair, seed)?, y, band: None };
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
