//! Rules on specialisation: how many units still answer, and how large the signal is that they pass on.

use randlab_core::Seed;
use randlab_recipe::{Moment, Pair};

use super::{
    Estimate,
    estimate::{PAIRED, STUDENT, finite},
    transfer::Runs,
};
use crate::{
    input::{ACTIVE, Experiment, Layers},
    stats::spearman,
};

/// A panel, one of its downstream tasks and what it starts from.
#[derive(Clone, Copy)]
pub(super) struct Arm<'a> {
    pub panel: &'a str,
    pub downstream: &'a str,
    pub variant: &'a str,
}

impl Arm<'_> {
    fn name(self) -> String {
        format!("{}.{}", self.downstream, self.variant)
    }

    /// The downstream run's numbers.
    fn layers<'e>(self, experiment: &'e Experiment<'_>, seed: Seed) -> Result<&'e Layers, String> {
        experiment.layers("finetune", self.panel, &self.name(), seed)
    }

    /// Mean active fraction of the last `n` hidden layers at `step` of a run of this arm or its parent.
    fn late(self, layers: &Layers, n: u32, step: i64) -> Result<f64, String> {
        let count = usize::try_from(n).unwrap_or(usize::MAX);
        layers.late_mean(ACTIVE, count, step).ok_or_else(|| {
            let (panel, names) = (self.panel, layers.names().join(", "));
            format!("panel {panel} lacks {ACTIVE} at step {step} in the last {n} of {names}")
        })
    }

    /// The late active fraction at the end of the downstream run, as a share of that before pre-training.
    fn kept(self, experiment: &Experiment<'_>, n: u32, seed: Seed) -> Result<f64, String> {
        let before = experiment.layers("pretrain", self.panel, "", seed)?;
        let after = self.layers(experiment, seed)?;
        let end = self.late(after, n, last_step(after))?;
        Ok(end / self.late(before, n, 0)?)
    }

    /// The late active fraction at a moment of the downstream run.
    fn active(
        self,
        experiment: &Experiment<'_>,
        (n, at): (u32, Moment),
        seed: Seed,
    ) -> Result<f64, String> {
        let layers = self.layers(experiment, seed)?;
        let step = match at {
            Moment::Last => last_step(layers),
            Moment::FirstEpoch => {
                let run = experiment.batches(self.panel, &self.name(), seed)?;
                let epoch = i64::try_from(run.steps_per_epoch()).unwrap_or(i64::MAX);
                let step = layers.steps().into_iter().find(|&step| step >= epoch);
                step.ok_or_else(|| format!("{} measures no activity after one epoch", self.name()))?
            }
        };
        self.late(layers, n, step)
    }
}

/// The last step with activity; runs without any are refused before.
fn last_step(layers: &Layers) -> i64 {
    layers.steps().last().copied().unwrap_or(0)
}

/// `of` each arm of a pair: the variant's over the baseline's.
fn over_baseline(pair: &Pair, of: impl Fn(Arm<'_>) -> Result<f64, String>) -> Result<f64, String> {
    let arm = |variant| of(Arm { panel: &pair.panel, downstream: &pair.downstream, variant });
    Ok(arm(&pair.variant)? / arm(&pair.baseline)?)
}

/// What `arm` keeps of its late activity, divided by what the same arm of the panel `other` keeps.
pub(super) fn ratio(
    experiment: &Experiment<'_>,
    (arm, other): (Arm<'_>, &str),
    layers: u32,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let theirs = Arm { panel: other, ..arm };
    let ratio = |&seed: &Seed| {
        Ok(arm.kept(experiment, layers, seed)? / theirs.kept(experiment, layers, seed)?)
    };
    Estimate::over_seeds(&seeds.iter().map(ratio).collect::<Result<Vec<_>, String>>()?, PAIRED)
}

/// Late activity of a variant, divided by that of its baseline.
pub(super) fn share(
    experiment: &Experiment<'_>,
    pair: &Pair,
    place: (u32, Moment),
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let share = |&seed: &Seed| over_baseline(pair, |arm| arm.active(experiment, place, seed));
    Estimate::over_seeds(&seeds.iter().map(share).collect::<Result<Vec<_>, _>>()?, PAIRED)
}

/// Late activity lost in the first epoch of the second task, as a share of all lost until then.
pub(super) fn switch_drop(
    experiment: &Experiment<'_>,
    arm: Arm<'_>,
    n: u32,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let share = |&seed: &Seed| {
        let before = arm.late(experiment.layers("pretrain", arm.panel, "", seed)?, n, 0)?;
        let switch = arm.late(arm.layers(experiment, seed)?, n, 0)?;
        let after = arm.active(experiment, (n, Moment::FirstEpoch), seed)?;
        Ok((switch - after) / (before - after))
    };
    Estimate::over_seeds(&seeds.iter().map(share).collect::<Result<Vec<_>, String>>()?, STUDENT)
}

/// Rank correlation of depth with the share of activity lost.
pub(super) fn depth_trend(
    experiment: &Experiment<'_>,
    arm: Arm<'_>,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let trend = |&seed: &Seed| {
        let before = experiment.layers("pretrain", arm.panel, "", seed)?;
        let drops = drops(before, arm.layers(experiment, seed)?)
            .ok_or_else(|| format!("panel {} does not measure all hidden layers", arm.panel))?;
        if drops.len() < 3 {
            return Err(format!("{} hidden layers; a trend needs at least 3", drops.len()));
        }
        let (depth, drop): (Vec<_>, Vec<_>) = drops.into_iter().unzip();
        finite(&drop)?;
        Ok(spearman(&depth, &drop))
    };
    Estimate::over_seeds(&seeds.iter().map(trend).collect::<Result<Vec<_>, _>>()?, STUDENT)
}

/// Depth and share of activity lost between the first step of one run and the last step of another.
fn drops(before: &Layers, after: &Layers) -> Option<Vec<(f64, f64)>> {
    let end = last_step(after);
    let drop = |depth: i32| {
        let kept = after.value(ACTIVE, depth, end)? / before.value(ACTIVE, depth, 0)?;
        Some((f64::from(depth), 1.0 - kept))
    };
    after.depths().into_iter().map(drop).collect()
}

/// Rank correlation of the signal, relative to the baseline's, with the gain.
pub(super) fn signal_rank(
    experiment: &Experiment<'_>,
    pairs: &[Pair],
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let point = |pair: &Pair, seed: Seed| {
        let q = experiment.signal(pair, seed)?;
        let gain = Runs::new(experiment, pair).gain(seed)?;
        finite(&[q, gain])?;
        Ok((q, gain))
    };
    let of_seed = |&seed: &Seed| pairs.iter().map(|pair| point(pair, seed)).collect();
    let points = seeds.iter().map(of_seed).collect::<Result<Vec<Vec<_>>, String>>()?;
    Estimate::jackknifed((points.len(), "seeds"), |out| {
        let kept = points.iter().enumerate().filter(|(i, _)| Some(*i) != out);
        let (q, gain): (Vec<_>, Vec<_>) =
            kept.flat_map(|(_, points)| points.iter().copied()).unzip();
        spearman(&q, &gain)
    })
}
