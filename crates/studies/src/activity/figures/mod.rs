//! Drawings of specialisation.

mod activity;
mod activity_histogram;
mod signal;

pub use activity::Activity;
pub use activity_histogram::ActivityHistogram;
pub use signal::Signal;

use randlab_report::ArmRef;

/// The nets of `panels` and one variant of each.
fn arms(panels: &[String], task: &str, variant: &str) -> Vec<ArmRef> {
    let both = |p: &String| [ArmRef::net(p), ArmRef::variant(p, task, variant)];
    panels.iter().flat_map(both).collect()
}
