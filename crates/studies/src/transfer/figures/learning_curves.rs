//! Minibatch accuracy over downstream steps (paper, Figures 1 and 5).

use std::rc::Rc;

use randlab_report::{
    ArmRef, Drawing, ReportError, Runs,
    figure::{Axis, Block, Body, Interval, Mark, Plot, Scale, Series, Tone},
};
use serde::{Deserialize, Serialize};

use super::{PanelTask, arms};
use crate::{
    average::{Drawn, average, carried, thin},
    transfer::{Batches, horizon},
};

/// Points of a curve at most: about one per pixel.
const MOST_POINTS: usize = 300;

/// Minibatch training accuracy over downstream steps, mean and interval over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningCurves {
    /// Panel.
    pub panel: String,
    /// Downstream tasks; each becomes one plot.
    pub downstream: Vec<String>,
    /// Variants drawn.
    pub variants: Vec<String>,
    /// Also the accuracy on held-out images against their real labels, dashed, where it was measured on the way.
    #[serde(default)]
    pub held_out: bool,
}

impl Drawing for LearningCurves {
    fn arms(&self) -> Vec<ArmRef> {
        arms(&self.panel, &self.downstream, &self.variants)
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        Ok(self.downstream.iter().map(|task| self.block(runs, task)).collect())
    }
}

/// How the curves of a variant look.
struct Look<'a> {
    variant: &'a str,
    /// Number of its colour.
    colour: usize,
    dashed: bool,
}

impl LearningCurves {
    fn block(&self, runs: &Runs, task: &str) -> Block {
        let place = PanelTask { panel: &self.panel, task };
        let mut drawn = Drawn::of(runs, &self.panel);
        let horizon = horizon(runs, &self.panel, task);
        let (mut series, mut shortened) = (Vec::new(), false);
        for (colour, variant) in self.variants.iter().enumerate() {
            match place.runs(runs, variant, &drawn) {
                Ok(found) => {
                    shortened |= found.iter().any(|r| r.len() < horizon);
                    let look = Look { variant, colour, dashed: drawn.dashed };
                    series.push(curve(&found, horizon, &look));
                    // Dashes already mark nets that did not fit their labels.
                    if self.held_out && !drawn.dashed {
                        series.extend(held_out(&found, &look));
                    }
                }
                Err(why) => drawn.notes.push(why),
            }
        }
        if shortened {
            let note = "runs that stopped early go on at the mean of their last epoch";
            drawn.notes.push(note.to_owned());
        }
        let y = "minibatch accuracy, mean over one epoch".to_owned();
        let body = Body::Plot(Plot {
            x: Axis { title: "optimiser steps".to_owned(), scale: Scale::Linear },
            y: Axis { title: y, scale: Scale::Linear },
            series,
        });
        let head = place.head(&drawn);
        drawn.block(runs, &self.panel, head, body)
    }
}

/// Mean curve over seeds.
fn curve(runs: &[Rc<Batches>], horizon: usize, look: &Look<'_>) -> Series {
    let start = runs.iter().map(|r| r.steps_per_epoch()).max().unwrap_or(1);
    let steps: Vec<usize> = (start..=horizon).collect();
    let point = |&step: &usize| {
        let values: Option<Vec<_>> = runs.iter().map(|r| r.moving_average(step)).collect();
        Some(average(step as f64, &values?))
    };
    Series {
        name: look.variant.to_owned(),
        part: None,
        mark: if look.dashed { Mark::DashedLine } else { Mark::Line },
        tone: Tone::Colour(look.colour),
        points: thin(&steps, MOST_POINTS).iter().filter_map(point).collect(),
        interval: Interval::MeanT95,
        n_seeds: runs.len(),
    }
}

/// Mean accuracy on held-out images; none where it was measured at the start and at the end alone, or not at all.
fn held_out(runs: &[Rc<Batches>], look: &Look<'_>) -> Option<Series> {
    const ENDS: usize = 2;
    let of = |r: &Rc<Batches>| -> Vec<_> {
        r.held_out().iter().map(|point| (point.step, point.accuracy)).collect()
    };
    let points = carried(&runs.iter().map(of).collect::<Vec<_>>());
    (points.len() > ENDS).then(|| Series {
        name: format!("{}, held out", look.variant),
        part: None,
        mark: Mark::DashedLine,
        tone: Tone::Colour(look.colour),
        points: points.iter().map(|(step, values)| average(*step as f64, values)).collect(),
        interval: Interval::MeanT95,
        n_seeds: runs.len(),
    })
}
