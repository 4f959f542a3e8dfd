//! What tests of sources share.

use randlab_core::{RunId, RunInfo, Seed};
use randlab_data::{PrepareConfig, Sources, SplitSizes};

/// Draws `[upstream, downstream, holdout]` images from a source.
pub fn config(source: impl Into<Sources>, sizes: [u32; 3]) -> PrepareConfig {
    let [upstream, downstream, holdout] = sizes;
    let run = RunInfo {
        id: RunId::try_from("data".to_owned()).unwrap(),
        experiment: "test".into(),
        panel: "p".into(),
        arm: String::new(),
        scale: "smoke".into(),
        seed: Seed::new(4),
    };
    PrepareConfig {
        run,
        split: SplitSizes { upstream, downstream, holdout },
        source: source.into(),
    }
}
