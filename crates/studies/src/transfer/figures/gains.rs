//! Gain in area under the training curve, one dot per seed.

use randlab_core::Seed;
use randlab_report::{
    ArmRef, Drawing, ReportError, Runs,
    figure::{Block, Body, Dot, DotRow, Dots, Span},
};
use serde::{Deserialize, Serialize};

use super::{PanelTask, arms};
use crate::{
    Pair,
    average::{Drawn, average},
    transfer::auc_gains,
};

/// Area under the training curve of variants minus that of the baseline, per seed, with mean and interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gains {
    /// Panels.
    pub panels: Vec<String>,
    /// Downstream tasks; each panel and task becomes one plot.
    pub downstream: Vec<String>,
    /// Variants, from top to bottom.
    pub variants: Vec<String>,
    /// Variant they are compared with.
    pub baseline: String,
}

impl Drawing for Gains {
    fn arms(&self) -> Vec<ArmRef> {
        let all = [self.variants.as_slice(), std::slice::from_ref(&self.baseline)].concat();
        self.panels.iter().flat_map(|panel| arms(panel, &self.downstream, &all)).collect()
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        let of_panel = |panel: &String| {
            let of_task = |task: &String| self.block(runs, PanelTask { panel, task });
            self.downstream.iter().map(of_task).collect::<Vec<_>>()
        };
        Ok(self.panels.iter().flat_map(of_panel).collect())
    }
}

impl Gains {
    fn block(&self, runs: &Runs, place: PanelTask<'_>) -> Block {
        let PanelTask { panel, task } = place;
        let mut drawn = Drawn::of(runs, panel);
        let mut rows = Vec::new();
        for variant in &self.variants {
            let pair = Pair {
                panel: panel.to_owned(),
                downstream: task.to_owned(),
                variant: variant.clone(),
                baseline: self.baseline.clone(),
            };
            match auc_gains(runs, &pair, &drawn.seeds) {
                Ok(gains) => rows.push(row(variant, &drawn.seeds, &gains)),
                Err(why) => drawn.notes.push(why),
            }
        }
        let x_title = format!("area under training curve minus that of {}", self.baseline);
        let body = Body::Dots(Dots { x_title, span: Span::Differences, rows });
        let head = place.head(&drawn);
        drawn.block(runs, panel, head, body)
    }
}

fn row(variant: &str, seeds: &[Seed], gains: &[f64]) -> DotRow {
    let dot = |(seed, &value): (&Seed, &f64)| Dot { seed: seed.get(), value, reached: true };
    let dots = seeds.iter().zip(gains).map(dot).collect();
    DotRow { name: variant.to_owned(), dots, mean: average(0.0, gains) }
}
