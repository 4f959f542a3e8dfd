//! Steps until a training accuracy is reached, one dot per seed.

use randlab_core::Seed;
use randlab_report::{
    ArmRef, Drawing, ReportError, Runs,
    figure::{Block, Body, Dot, DotRow, Dots, Span},
};
use serde::{Deserialize, Serialize};

use super::{PanelTask, arms};
use crate::{
    average::{Drawn, average},
    transfer::horizon,
};

/// First step at which the moving average over one epoch reaches `accuracy`, per seed and variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeToAccuracy {
    /// Panel.
    pub panel: String,
    /// Downstream tasks; each becomes one plot.
    pub downstream: Vec<String>,
    /// Variants, from top to bottom.
    pub variants: Vec<String>,
    /// Threshold.
    pub accuracy: f64,
}

impl Drawing for TimeToAccuracy {
    fn arms(&self) -> Vec<ArmRef> {
        arms(&self.panel, &self.downstream, &self.variants)
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        Ok(self.downstream.iter().map(|task| self.block(runs, task)).collect())
    }
}

impl TimeToAccuracy {
    fn block(&self, runs: &Runs, task: &str) -> Block {
        let place = PanelTask { panel: &self.panel, task };
        let mut drawn = Drawn::of(runs, &self.panel);
        let horizon = horizon(runs, &self.panel, task);
        let mut rows = Vec::new();
        for variant in &self.variants {
            match place.runs(runs, variant, &drawn) {
                Ok(found) => {
                    let steps: Vec<_> = found.iter().map(|r| r.steps_to(self.accuracy)).collect();
                    rows.push(row(variant, &drawn, &steps, horizon));
                }
                Err(why) => drawn.notes.push(why),
            }
        }
        if rows.iter().any(|r| r.dots.iter().any(|d| !d.reached)) {
            let note = format!("open dots never got there and count as {horizon} steps");
            drawn.notes.push(note);
        }
        let percent = (self.accuracy * 100.0).round();
        let x_title = format!("optimiser steps to {percent} % training accuracy");
        let body = Body::Dots(Dots { x_title, span: Span::Horizon(horizon as f64), rows });
        let head = place.head(&drawn);
        drawn.block(runs, &self.panel, head, body)
    }
}

fn row(variant: &str, drawn: &Drawn, steps: &[Option<usize>], horizon: usize) -> DotRow {
    let counted = |s: &Option<usize>| s.unwrap_or(horizon) as f64;
    let dot = |(seed, s): (&Seed, &Option<usize>)| Dot {
        seed: seed.get(),
        value: counted(s),
        reached: s.is_some(),
    };
    let dots = drawn.seeds.iter().zip(steps).map(dot).collect();
    let mean = average(0.0, &steps.iter().map(counted).collect::<Vec<_>>());
    DotRow { name: variant.to_owned(), dots, mean }
}
