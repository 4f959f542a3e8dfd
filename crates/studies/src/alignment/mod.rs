//! What the first layer learns: misalignment, transfer function, energy profile, and filters as images.

mod basis;
pub mod figures;
mod reference;
pub mod rules;
mod view;

pub use reference::Reference;

use randlab_core::Seed;
use randlab_report::{ArmRef, Layout, Run, Runs, panels};

/// Refuses panels that are not aligned.
fn check(arms: &[ArmRef], layout: &dyn Layout) -> Result<(), String> {
    panels(arms).into_iter().try_for_each(|panel| layout.aligned(panel))
}

/// The pooled align run of a panel.
fn pool_run<'r>(runs: &'r Runs, panel: &str) -> Result<&'r Run, String> {
    // The pool is one run over all seeds.
    let pool = runs.find("align", &ArmRef::pool(panel), Seed::new(0));
    pool.ok_or_else(|| format!("panel {panel} has no pooled alignment"))
}
