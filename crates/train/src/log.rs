//! The numbers a run collects while it trains. They travel inside the resume file, so that a run which goes on has the
//! rows of its first part without reading half-written tables.

use std::collections::BTreeMap;

use randlab_core::Split;
use randlab_store::TensorData;

/// Everything measured so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Log {
    /// One entry per optimiser step.
    pub steps: Vec<StepEntry>,
    /// Passes over whole splits.
    pub passes: Vec<PassEntry>,
    /// Norms per layer, where checkpoints were kept.
    pub layers: Vec<LayerEntry>,
    /// Activity of hidden layers, where it was measured.
    pub activity: Vec<ActivityEntry>,
    /// Its distribution over units, at the first and the last step.
    pub units: Vec<UnitsEntry>,
}

/// A minibatch, measured before the update it leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StepEntry {
    pub loss_sum: f64,
    pub correct: f64,
    pub lr: f64,
    pub grad_norm: f64,
    pub update_norm: f64,
}

/// A pass over a whole split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PassEntry {
    pub step: u64,
    pub split: Split,
    /// Against the labels trained with, or else the real ones.
    pub assigned: bool,
    pub loss_sum: f64,
    pub correct: f64,
    pub count: u64,
}

/// Norms of one layer's weights; gradient and update are those of the step just done, and missing before the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerEntry {
    pub step: u64,
    pub layer: usize,
    pub weight: f64,
    pub grad: Option<f64>,
    pub update: Option<f64>,
}

/// One hidden layer on held-out images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ActivityEntry {
    pub step: u64,
    pub layer: usize,
    pub active: f64,
    pub dead: f64,
    pub rms: f64,
}

/// Units of one hidden layer that are active on equally many held-out images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct UnitsEntry {
    pub step: u64,
    pub layer: usize,
    pub active_on: u32,
    pub units: u64,
}

/// Stands for a missing norm in the file, which holds finite numbers only; norms are never negative.
const MISSING: f64 = -1.0;

impl Log {
    /// Step and layer of every row but those of steps; 0 for the layer of rows that have none.
    pub fn places(&self) -> impl Iterator<Item = (u64, usize)> {
        let passes = self.passes.iter().map(|p| (p.step, 0));
        let layers = self.layers.iter().map(|l| (l.step, l.layer));
        let activity = self.activity.iter().map(|a| (a.step, a.layer));
        let units = self.units.iter().map(|u| (u.step, u.layer));
        passes.chain(layers).chain(activity).chain(units)
    }

    /// The log as matrices `[rows, columns]` f64.
    pub fn tensors(&self) -> BTreeMap<String, TensorData> {
        let steps = self.steps.iter();
        let steps = steps.map(|s| [s.loss_sum, s.correct, s.lr, s.grad_norm, s.update_norm]);
        let passes = self.passes.iter().map(|p| {
            let split = Split::ALL.iter().position(|s| *s == p.split).unwrap_or(0) as f64;
            let assigned = if p.assigned { 1.0 } else { 0.0 };
            [p.step as f64, split, assigned, p.loss_sum, p.correct, p.count as f64]
        });
        let layers = self.layers.iter().map(|l| {
            let (grad, update) = (l.grad.unwrap_or(MISSING), l.update.unwrap_or(MISSING));
            [l.step as f64, l.layer as f64, l.weight, grad, update]
        });
        let activity = self.activity.iter();
        let activity = activity.map(|a| [a.step as f64, a.layer as f64, a.active, a.dead, a.rms]);
        let units = self.units.iter();
        let units =
            units.map(|u| [u.step as f64, u.layer as f64, f64::from(u.active_on), u.units as f64]);
        BTreeMap::from([
            ("log.steps".to_owned(), matrix(steps)),
            ("log.passes".to_owned(), matrix(passes)),
            ("log.layers".to_owned(), matrix(layers)),
            ("log.activity".to_owned(), matrix(activity)),
            ("log.units".to_owned(), matrix(units)),
        ])
    }

    /// The log from such matrices; `None` when they are not of the right shape.
    pub fn from_tensors(tensors: &BTreeMap<String, TensorData>) -> Option<Self> {
        let steps = rows::<5>(tensors.get("log.steps")?)?.iter().map(|r| {
            let [loss_sum, correct, lr, grad_norm, update_norm] = *r;
            StepEntry { loss_sum, correct, lr, grad_norm, update_norm }
        });
        let passes = rows::<6>(tensors.get("log.passes")?)?.iter().map(|r| {
            Some(PassEntry {
                step: count(r[0]),
                split: *Split::ALL.get(usize::try_from(count(r[1])).ok()?)?,
                assigned: r[2] > 0.5,
                loss_sum: r[3],
                correct: r[4],
                count: count(r[5]),
            })
        });
        let layers = rows::<5>(tensors.get("log.layers")?)?.iter().map(|r| {
            let norm = |x: f64| (x >= 0.0).then_some(x);
            let layer = usize::try_from(count(r[1])).ok()?;
            Some(LayerEntry {
                step: count(r[0]),
                layer,
                weight: r[2],
                grad: norm(r[3]),
                update: norm(r[4]),
            })
        });
        let activity = rows::<5>(tensors.get("log.activity")?)?.iter().map(|r| {
            let layer = usize::try_from(count(r[1])).ok()?;
            Some(ActivityEntry { step: count(r[0]), layer, active: r[2], dead: r[3], rms: r[4] })
        });
        let units = rows::<4>(tensors.get("log.units")?)?.iter().map(|r| {
            Some(UnitsEntry {
                step: count(r[0]),
                layer: usize::try_from(count(r[1])).ok()?,
                active_on: u32::try_from(count(r[2])).ok()?,
                units: count(r[3]),
            })
        });
        Some(Self {
            steps: steps.collect(),
            passes: passes.collect::<Option<_>>()?,
            layers: layers.collect::<Option<_>>()?,
            activity: activity.collect::<Option<_>>()?,
            units: units.collect::<Option<_>>()?,
        })
    }
}

fn matrix<const C: usize>(rows: impl Iterator<Item = [f64; C]>) -> TensorData {
    let values: Vec<f64> = rows.flatten().collect();
    TensorData::f64(&[values.len() / C, C], values)
}

fn rows<const C: usize>(tensor: &TensorData) -> Option<&[[f64; C]]> {
    let (rows, rest) = tensor.as_f64()?.as_chunks::<C>();
    (rest.is_empty() && tensor.shape.last() == Some(&C)).then_some(rows)
}

/// Counts were written as exact whole numbers below 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole numbers, not negative"
)]
fn count(x: f64) -> u64 {
    x as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_round_trip_and_refuses_other_shapes() {
        let log = Log {
            steps: vec![
                StepEntry {
                    loss_sum: 2.5,
                    correct: 3.0,
                    lr: 0.1,
                    grad_norm: 0.2,
                    update_norm: 0.02
                };
                3
            ],
            passes: vec![PassEntry {
                step: 7,
                split: Split::Holdout,
                assigned: false,
                loss_sum: 1.5,
                correct: 2.0,
                count: 10,
            }],
            layers: vec![
                LayerEntry { step: 0, layer: 1, weight: 3.0, grad: None, update: None },
                LayerEntry { step: 4, layer: 0, weight: 3.5, grad: Some(0.0), update: Some(0.5) },
            ],
            activity: vec![ActivityEntry { step: 4, layer: 1, active: 0.5, dead: 0.0, rms: 1.5 }],
            units: vec![UnitsEntry { step: 4, layer: 1, active_on: 250, units: 1 << 40 }],
        };
        let mut tensors = log.tensors();
        assert_eq!(Log::from_tensors(&tensors), Some(log));
        assert_eq!(Log::from_tensors(&Log::default().tensors()), Some(Log::default()));
        tensors.insert("log.steps".into(), TensorData::f64(&[2, 4], vec![0.0; 8]));
        assert_eq!(Log::from_tensors(&tensors), None);
    }
}
