//! Numbers per layer of one training run.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use randlab_core::Seed;
use randlab_report::{ArmRef, ReportError, Run, Runs, View};
use randlab_store::table::LayerRow;

use crate::Pair;

/// Share of units that are positive, averaged over held-out images; every hidden layer has it where activity is measured.
pub(crate) const ACTIVE: &str = "active_fraction";
/// Root mean square of a layer's output on held-out images.
pub(crate) const OUTPUT_RMS: &str = "output_rms";

/// The numbers per layer of one run, by metric, layer and step. Activity (`active_fraction`, `dead_fraction`,
/// `output_rms`) is measured behind each hidden layer, that is each weight layer but the head, and only in runs that were
/// asked for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Layers {
    /// By metric, then by depth and step.
    values: BTreeMap<String, BTreeMap<(i32, i64), f64>>,
    /// Depth and name of the hidden layers.
    hidden: BTreeMap<i32, String>,
}

impl View for Layers {
    fn of(run: &Run) -> Result<Self, ReportError> {
        Ok(Self::collect(run.read()?))
    }
}

impl Layers {
    /// Of the panel's net before and during the first training, in which activity was measured.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn upstream(runs: &Runs, panel: &str, seed: Seed) -> Result<Rc<Self>, String> {
        Self::find(runs, "pretrain", &ArmRef::net(panel), seed)
    }

    /// Of one downstream run, in which activity was measured.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn downstream(runs: &Runs, arm: &ArmRef, seed: Seed) -> Result<Rc<Self>, String> {
        Self::find(runs, "finetune", arm, seed)
    }

    fn find(runs: &Runs, stage: &str, arm: &ArmRef, seed: Seed) -> Result<Rc<Self>, String> {
        let layers = runs.view::<Self>(runs.run(stage, arm, seed)?)?;
        if layers.steps().is_empty() {
            return Err(format!("panel {} measures no activity", arm.panel));
        }
        Ok(layers)
    }

    fn collect(rows: Vec<LayerRow>) -> Self {
        let mut layers = Self::default();
        for row in rows {
            if row.metric == ACTIVE {
                layers.hidden.insert(row.layer_index, row.layer);
            }
            let values = layers.values.entry(row.metric).or_default();
            values.insert((row.layer_index, row.step), row.value);
        }
        layers
    }

    /// Names of the hidden layers whose activity was measured, the first of the net first.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.hidden.values().map(String::as_str).collect()
    }

    /// Depths of the layers of [`Self::names`], rising; 0 is the first of the net.
    pub(crate) fn depths(&self) -> Vec<i32> {
        self.hidden.keys().copied().collect()
    }

    /// Steps at which activity was measured, rising.
    pub(crate) fn steps(&self) -> Vec<i64> {
        let steps: BTreeSet<_> =
            self.values.get(ACTIVE).into_iter().flatten().map(|((_, step), _)| *step).collect();
        steps.into_iter().collect()
    }

    /// The last step at which activity was measured; 0 if it never was.
    pub(crate) fn last_step(&self) -> i64 {
        self.steps().last().copied().unwrap_or(0)
    }

    /// One number; none if it was not measured.
    pub(crate) fn value(&self, metric: &str, layer_index: i32, step: i64) -> Option<f64> {
        self.values.get(metric)?.get(&(layer_index, step)).copied()
    }

    /// Mean over the last `n_layers` hidden layers; none if the net has fewer or one was not measured at that step.
    pub(crate) fn late_mean(&self, metric: &str, n_layers: usize, step: i64) -> Option<f64> {
        if n_layers == 0 || n_layers > self.hidden.len() {
            return None;
        }
        let late = self.hidden.keys().rev().take(n_layers);
        let sum = late.map(|&depth| self.value(metric, depth, step)).sum::<Option<f64>>()?;
        Some(sum / n_layers as f64)
    }
}

/// Root mean square of the last hidden layer's output at step 0, variant over baseline. A net through which nothing passes
/// has none, and is named.
pub(crate) fn signal(runs: &Runs, pair: &Pair, seed: Seed) -> Result<f64, String> {
    let rms = |arm: ArmRef| {
        let layers = Layers::downstream(runs, &arm, seed)?;
        let last = layers.depths().last().copied();
        last.and_then(|depth| layers.value(OUTPUT_RMS, depth, 0))
            .filter(|&rms| rms > 0.0)
            .ok_or_else(|| format!("{} {}, seed {seed}: no output at step 0", arm.panel, arm.arm))
    };
    Ok(rms(pair.own())? / rms(pair.base())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(layer_index: i32, step: i64, metric: &str, value: f64) -> LayerRow {
        let layer = format!("layer{layer_index}");
        let metric = metric.to_owned();
        LayerRow { step, layer, metric, layer_index, value, ..LayerRow::default() }
    }

    /// Two hidden layers and a head, activity at steps 0 and 10, norms at step 5 too.
    fn layers() -> Layers {
        Layers::collect(vec![
            row(1, 10, ACTIVE, 0.1),
            row(0, 10, ACTIVE, 0.3),
            row(0, 0, ACTIVE, 0.5),
            row(1, 0, ACTIVE, 0.4),
            row(1, 0, OUTPUT_RMS, 2.0),
            row(2, 5, "weight_norm", 1.0),
        ])
    }

    #[test]
    fn hidden_layers_and_steps_are_those_with_activity() {
        assert_eq!(layers().names(), ["layer0", "layer1"]);
        assert_eq!(layers().depths(), [0, 1]);
        assert_eq!(layers().steps(), [0, 10]);
        assert_eq!(layers().value("weight_norm", 2, 5), Some(1.0));
        assert_eq!(layers().value(ACTIVE, 1, 5), None);
    }

    #[test]
    fn the_late_mean_is_over_the_deepest_layers() {
        assert_eq!(layers().late_mean(ACTIVE, 1, 10), Some(0.1));
        assert_eq!(layers().late_mean(ACTIVE, 2, 0), Some(0.45));
        assert_eq!(layers().late_mean(ACTIVE, 3, 0), None);
        assert_eq!(layers().late_mean(ACTIVE, 0, 0), None);
        // The first layer's was not measured.
        assert_eq!(layers().late_mean(OUTPUT_RMS, 2, 0), None);
    }
}
