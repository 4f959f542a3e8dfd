//! Misalignment of pooled filters with random bases.

use randlab_report::{ArmRef, Converged, Estimate, Layout, Rule, Runs, StandardError, Units};
use serde::{Deserialize, Serialize};

use super::{Pool, Scores};
use crate::alignment::check;

/// Mean over random bases minus floor of pooled runs; the interval is the one over the bases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PooledRandomExcess {
    /// Panel.
    pub panel: String,
}

impl Rule for PooledRandomExcess {
    fn arms(&self) -> Vec<ArmRef> {
        vec![ArmRef::pool(&self.panel)]
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn estimate(&self, runs: &Runs, seeds: &Converged) -> Result<Estimate, String> {
        let Pool { run, nets } = Pool::clean(runs, &self.panel, seeds)?;
        let row = run.last()?;
        let Scores { floor, random, .. } = Scores::of(row)?;
        let sd = row.random_sd.ok_or("the scatter over random bases is not known")?;
        let bases = usize::try_from(row.n_random_bases).unwrap_or(0);
        let error = sd / (bases as f64).sqrt();
        let over = Units { n: bases, name: "random bases" };
        let test = "Student's t over random bases";
        Ok(Estimate::around(random - floor, StandardError { error, over }, nets, test))
    }
}
