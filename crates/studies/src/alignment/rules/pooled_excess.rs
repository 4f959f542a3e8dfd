//! Misalignment of pooled filters.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs, StandardError, Units};
use serde::{Deserialize, Serialize};

use super::{Pool, Scores};
use crate::alignment::check;

/// Misalignment minus floor of pooled runs; the interval is the jackknife's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PooledExcess {
    /// Panel.
    pub panel: String,
}

impl Rule for PooledExcess {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::pool(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let Pool { run, nets } = Pool::clean(runs, &self.panel, seeds)?;
        let row = run.last()?;
        let Scores { own, floor, .. } = Scores::of(row)?;
        let error = row.misalignment_se.ok_or("the pool has no standard error: it is one run")?;
        let over = Units { n: nets, name: "pooled nets" };
        let test = "Student's t on the jackknife over pooled nets";
        Ok(Estimate::around(own - floor, StandardError { error, over }, nets, test))
    }
}
