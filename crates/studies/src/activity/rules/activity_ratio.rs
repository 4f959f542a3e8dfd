//! Activity kept, compared between panels.

use randlab_report::{ArmRef, Converged, Estimate, Layout, PAIRED, Rule, Runs};
use serde::{Deserialize, Serialize};

use super::{Late, some_layers};

/// Late active fraction at the end of the downstream run divided by that before pre-training; this ratio of `panel` divided by
/// that of `other`, paired by seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityRatio {
    /// Panel.
    pub panel: String,
    /// The other panel.
    pub other: String,
    /// Downstream task, in both.
    pub downstream: String,
    /// Variant, in both.
    pub variant: String,
    /// Hidden layers counted from the head.
    pub layers: u32,
}

impl Rule for ActivityRatio {
    fn arms(&self) -> Vec<ArmRef> {
        let arm = |panel| ArmRef::variant(panel, &self.downstream, &self.variant);
        vec![arm(&self.panel), arm(&self.other)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        some_layers(self.layers)?;
        layout.arms(&self.arms())
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let late = |panel| {
            let arm = ArmRef::variant(panel, &self.downstream, &self.variant);
            Late { runs, arm, layers: self.layers }
        };
        let (ours, theirs) = (late(&self.panel), late(&self.other));
        let ratio = |seed| Ok(ours.kept(seed)? / theirs.kept(seed)?);
        Estimate::over_seeds(&seeds.each(ratio)?, PAIRED)
    }
}
