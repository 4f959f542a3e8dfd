//! Drawings of training after transfer.

mod gains;
mod learning_curves;
mod map;
mod time_to_accuracy;

pub use gains::Gains;
pub use learning_curves::LearningCurves;
pub use map::{Map, MapCell};
pub use time_to_accuracy::TimeToAccuracy;

use std::rc::Rc;

use randlab_report::{ArmRef, Runs};

use super::Batches;
use crate::average::{Drawn, Head};

/// A panel and one of its downstream tasks.
#[derive(Clone, Copy)]
struct PanelTask<'a> {
    panel: &'a str,
    task: &'a str,
}

impl PanelTask<'_> {
    /// The runs of one variant.
    fn runs(self, runs: &Runs, variant: &str, drawn: &Drawn) -> Result<Vec<Rc<Batches>>, String> {
        let arm = ArmRef::variant(self.panel, self.task, variant);
        drawn.seeds.iter().map(|&seed| Batches::find(runs, &arm, seed)).collect()
    }

    fn head(self, drawn: &Drawn) -> Head {
        let Self { panel, task } = self;
        let title = format!("{panel}: {task} labels, {} seeds", drawn.seeds.len());
        Head { name: format!("{panel}.{task}"), title }
    }
}

/// Every variant of every task of a panel.
fn arms(panel: &str, tasks: &[String], variants: &[String]) -> Vec<ArmRef> {
    let of = |task: &String| {
        variants.iter().map(|v| ArmRef::variant(panel, task, v)).collect::<Vec<_>>()
    };
    tasks.iter().flat_map(of).collect()
}
