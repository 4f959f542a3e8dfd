//! Activity lost by depth.

use randlab_report::{ArmRef, Converged, Estimate, Range, Rule, Runs, STUDENT, finite};
use serde::{Deserialize, Serialize};

use crate::{
    activity::view::{ACTIVE, Layers},
    correlation::spearman,
};

/// Spearman correlation of the depth of a hidden layer with the share of its active fraction that was lost between the start of
/// pre-training and the end of the downstream run, per seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthTrend {
    /// Panel.
    pub panel: String,
    /// Downstream task.
    pub downstream: String,
    /// Variant.
    pub variant: String,
}

impl Rule for DepthTrend {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::variant(&self.panel, &self.downstream, &self.variant)]
    }

    fn range(&self) -> Range {
        Range::Correlation
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let arm = ArmRef::variant(&self.panel, &self.downstream, &self.variant);
        let trend = |seed| {
            let before = Layers::upstream(runs, &self.panel, seed)?;
            let drops =
                drops(&before, &*Layers::downstream(runs, &arm, seed)?).ok_or_else(|| {
                    format!("panel {} does not measure all hidden layers", self.panel)
                })?;
            if drops.len() < 3 {
                return Err(format!("{} hidden layers; a trend needs at least 3", drops.len()));
            }
            let (depth, drop): (Vec<_>, Vec<_>) = drops.into_iter().unzip();
            finite(&drop)?;
            Ok(spearman(&depth, &drop))
        };
        Estimate::over_seeds(&seeds.each(trend)?, STUDENT)
    }
}

/// Depth and share of activity lost between the first step of one run and the last step of another.
fn drops(before: &Layers, after: &Layers) -> Option<Vec<(f64, f64)>> {
    let end = after.last_step();
    let drop = |depth: i32| {
        let kept = after.value(ACTIVE, depth, end)? / before.value(ACTIVE, depth, 0)?;
        Some((f64::from(depth), 1.0 - kept))
    };
    after.depths().into_iter().map(drop).collect()
}
