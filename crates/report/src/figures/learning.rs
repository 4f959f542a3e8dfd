//! Minibatch accuracy over downstream steps (paper, Figures 1 and 5).

use super::{
    Axis, Block, Body, Interval, Mark, Plot, Scale, Series, Tone,
    average::{Drawn, average, carried, thin},
};
use crate::input::{Batches, Experiment};

/// Points of a curve at most: about one per pixel.
const MOST_POINTS: usize = 300;

pub(super) fn block(
    experiment: &Experiment<'_>,
    (panel, task): (&str, &str),
    variants: &[String],
    with_held_out: bool,
) -> Block {
    let mut drawn = Drawn::of(experiment, panel);
    let horizon = experiment.horizon(panel, task);
    let (mut series, mut shortened) = (Vec::new(), false);
    for (i, variant) in variants.iter().enumerate() {
        match runs(experiment, (panel, task, variant), &drawn) {
            Ok(runs) => {
                shortened |= runs.iter().any(|r| r.len() < horizon);
                series.push(curve(&runs, horizon, (i, variant), drawn.dashed));
                // Dashes mark nets that prove nothing, too.
                if with_held_out && !drawn.dashed {
                    series.extend(held_out(&runs, (i, variant)));
                }
            }
            Err(why) => drawn.notes.push(why),
        }
    }
    if shortened {
        drawn
            .notes
            .push("runs that stopped early go on at the mean of their last epoch".to_owned());
    }
    let body = Body::Plot(Plot {
        x: Axis { title: "optimiser steps".to_owned(), scale: Scale::Linear },
        y: Axis {
            title: "minibatch accuracy, mean over one epoch".to_owned(),
            scale: Scale::Linear,
        },
        series,
    });
    let title = format!("{panel}: {task} labels, {} seeds", drawn.seeds.len());
    let dataset = experiment.dataset(panel).to_owned();
    Block { panel: format!("{panel}.{task}"), title, dataset, notes: drawn.notes, body }
}

/// The runs of one variant.
pub(super) fn runs<'e>(
    experiment: &'e Experiment<'_>,
    (panel, task, variant): (&str, &str, &str),
    drawn: &Drawn,
) -> Result<Vec<&'e Batches>, String> {
    let arm = format!("{task}.{variant}");
    drawn.seeds.iter().map(|&seed| experiment.batches(panel, &arm, seed)).collect()
}

/// Mean curve over seeds.
fn curve(runs: &[&Batches], horizon: usize, (i, variant): (usize, &str), dashed: bool) -> Series {
    let start = runs.iter().map(|r| r.steps_per_epoch()).max().unwrap_or(1);
    let steps: Vec<usize> = (start..=horizon).collect();
    let point = |&step: &usize| {
        let values: Option<Vec<_>> = runs.iter().map(|r| r.moving_average(step)).collect();
        Some(average(step as f64, &values?))
    };
    Series {
        name: variant.to_owned(),
        part: None,
        mark: if dashed { Mark::DashedLine } else { Mark::Line },
        tone: Tone::Colour(i),
        points: thin(&steps, MOST_POINTS).iter().filter_map(point).collect(),
        interval: Interval::MeanT95,
        n_seeds: runs.len(),
    }
}

/// Mean accuracy on held-out images; none where it was measured at the start and at the end alone, or not at all.
fn held_out(runs: &[&Batches], (i, variant): (usize, &str)) -> Option<Series> {
    const ENDS: usize = 2;
    let of = |r: &&Batches| -> Vec<_> { r.held_out().iter().map(|&(s, _, a)| (s, a)).collect() };
    let points = carried(&runs.iter().map(of).collect::<Vec<_>>());
    (points.len() > ENDS).then(|| Series {
        name: format!("{variant}, held out"),
        part: None,
        mark: Mark::DashedLine,
        tone: Tone::Colour(i),
        points: points.iter().map(|(step, values)| average(*step as f64, values)).collect(),
        interval: Interval::MeanT95,
        n_seeds: runs.len(),
    })
}
