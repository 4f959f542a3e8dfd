//! Rules on specialisation.
//!
//! The late active fraction is the share of positive units of the last `layers` hidden layers on held-out images, each layer
//! with equal weight.

mod activity_ratio;
mod activity_share;
mod depth_trend;
mod signal_rank;
mod switch_drop;

pub use activity_ratio::ActivityRatio;
pub use activity_share::ActivityShare;
pub use depth_trend::DepthTrend;
pub use signal_rank::SignalRank;
pub use switch_drop::SwitchDrop;

use randlab_core::Seed;
use randlab_report::{ArmRef, Runs};
use serde::{Deserialize, Serialize};

use super::view::{ACTIVE, Layers};
use crate::transfer::Batches;

/// A moment of a downstream run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// The first step, at or after the end of the first epoch, at which activity was measured.
    FirstEpoch,
    /// The last step.
    Last,
}

/// The late active fraction of the runs of an arm.
struct Late<'a> {
    runs: &'a Runs,
    arm: ArmRef,
    /// Hidden layers counted from the head.
    layers: u32,
}

impl Late<'_> {
    /// In a run of this arm or its parent, at `step`.
    fn at(&self, layers: &Layers, step: i64) -> Result<f64, String> {
        let n = self.layers;
        let count = usize::try_from(n).unwrap_or(usize::MAX);
        layers.late_mean(ACTIVE, count, step).ok_or_else(|| {
            let (panel, names) = (&self.arm.panel, layers.names().join(", "));
            format!("panel {panel} lacks {ACTIVE} at step {step} in the last {n} of {names}")
        })
    }

    /// Before the first training.
    fn initial(&self, seed: Seed) -> Result<f64, String> {
        self.at(&*Layers::upstream(self.runs, &self.arm.panel, seed)?, 0)
    }

    /// Before the first downstream step.
    fn switched(&self, seed: Seed) -> Result<f64, String> {
        self.at(&*Layers::downstream(self.runs, &self.arm, seed)?, 0)
    }

    /// At a moment of the downstream run.
    fn active(&self, at: Moment, seed: Seed) -> Result<f64, String> {
        let layers = Layers::downstream(self.runs, &self.arm, seed)?;
        let step = match at {
            Moment::Last => layers.last_step(),
            Moment::FirstEpoch => {
                let run = Batches::find(self.runs, &self.arm, seed)?;
                let epoch = i64::try_from(run.steps_per_epoch()).unwrap_or(i64::MAX);
                let step = layers.steps().into_iter().find(|&step| step >= epoch);
                step.ok_or_else(|| {
                    format!("{} measures no activity after one epoch", self.arm.arm)
                })?
            }
        };
        self.at(&layers, step)
    }

    /// At the end of the downstream run, as a share of before the first training.
    fn kept(&self, seed: Seed) -> Result<f64, String> {
        let initial = Layers::upstream(self.runs, &self.arm.panel, seed)?;
        let end = self.active(Moment::Last, seed)?;
        Ok(end / self.at(&initial, 0)?)
    }
}

/// Refuses 0 layers.
fn some_layers(layers: u32) -> Result<(), String> {
    if layers == 0 { Err("layers must be at least 1".into()) } else { Ok(()) }
}
