//! Activity lost at the switch of tasks.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs, STUDENT};
use serde::{Deserialize, Serialize};

use super::{Late, Moment, some_layers};

/// Late active fraction lost in the first epoch of the downstream run, as a share of what was lost from before pre-training
/// until then, per seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchDrop {
    /// Panel.
    pub panel: String,
    /// Downstream task.
    pub downstream: String,
    /// Variant.
    pub variant: String,
    /// Hidden layers counted from the head.
    pub layers: u32,
}

impl Rule for SwitchDrop {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::variant(&self.panel, &self.downstream, &self.variant)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        some_layers(self.layers)?;
        layout.arms(&self.arms())
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let arm = ArmRef::variant(&self.panel, &self.downstream, &self.variant);
        let late = Late { runs, arm, layers: self.layers };
        let share = |seed| {
            let before = late.initial(seed)?;
            let switch = late.switched(seed)?;
            let after = late.active(Moment::FirstEpoch, seed)?;
            Ok((switch - after) / (before - after))
        };
        Estimate::over_seeds(&seeds.each(share)?, STUDENT)
    }
}
