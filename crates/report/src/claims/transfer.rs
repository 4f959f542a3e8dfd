//! Rules on training after transfer, paired by seed.

use randlab_core::Seed;
use randlab_recipe::Pair;

use super::{
    Estimate,
    estimate::{PAIRED, finite},
};
use crate::{
    input::{Batches, Experiment},
    stats::spearman,
};

/// Runs of a pair's panel and downstream task.
pub(super) struct Runs<'e> {
    experiment: &'e Experiment<'e>,
    pair: &'e Pair,
    horizon: usize,
}

impl<'e> Runs<'e> {
    pub(super) fn new(experiment: &'e Experiment<'e>, pair: &'e Pair) -> Self {
        let horizon = experiment.horizon(&pair.panel, &pair.downstream);
        Self { experiment, pair, horizon }
    }

    fn get(&self, variant: &str, seed: Seed) -> Result<&'e Batches, String> {
        let arm = format!("{}.{variant}", self.pair.downstream);
        self.experiment.batches(&self.pair.panel, &arm, seed)
    }

    /// Area of the pair's variant minus that of its baseline.
    pub(super) fn gain(&self, seed: Seed) -> Result<f64, String> {
        self.experiment.auc_gain(self.pair, &self.pair.variant, seed)
    }

    /// Area of `variant` minus that of the baseline, per seed.
    fn gains(&self, variant: &str, seeds: &[Seed]) -> Result<Vec<f64>, String> {
        seeds.iter().map(|&seed| self.experiment.auc_gain(self.pair, variant, seed)).collect()
    }

    /// Last accuracy on held-out images of the variant minus that of the baseline.
    fn held_out_gain(&self, seed: Seed) -> Result<f64, String> {
        let last = |variant| {
            let last = self.get(variant, seed)?.held_out().last().map(|&(_, _, accuracy)| accuracy);
            last.ok_or_else(|| {
                format!("panel {} measures no accuracy on held-out images", self.pair.panel)
            })
        };
        Ok(last(&self.pair.variant)? - last(&self.pair.baseline)?)
    }
}

pub(super) fn auc_gain(
    experiment: &Experiment<'_>,
    pair: &Pair,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    Estimate::over_seeds(&Runs::new(experiment, pair).gains(&pair.variant, seeds)?, PAIRED)
}

pub(super) fn speed_up(
    experiment: &Experiment<'_>,
    pair: &Pair,
    accuracy: f64,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let runs = Runs::new(experiment, pair);
    let steps = |variant: &str| -> Result<Vec<Option<usize>>, String> {
        seeds.iter().map(|&s| Ok(runs.get(variant, s)?.steps_to(accuracy))).collect()
    };
    let (ours, theirs) = (steps(&pair.variant)?, steps(&pair.baseline)?);
    let never = ours.iter().chain(&theirs).filter(|s| s.is_none()).count();
    let percent = (accuracy * 100.0).round();
    if never == 2 * seeds.len() {
        return Err(format!("no run reached {percent} %; longer training would tell"));
    }
    let counted = |s: Option<usize>| s.unwrap_or(runs.horizon) as f64;
    let ratios: Vec<_> = ours.iter().zip(&theirs).map(|(a, b)| counted(*b) / counted(*a)).collect();
    let test = match never {
        0 => PAIRED.to_owned(),
        n => format!(
            "{PAIRED}; {n} of {} runs never reached {percent} % and count with {} steps",
            2 * seeds.len(),
            runs.horizon
        ),
    };
    Estimate::over_seeds(&ratios, &test)
}

pub(super) fn gain_share(
    experiment: &Experiment<'_>,
    pair: &Pair,
    of: &str,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let runs = Runs::new(experiment, pair);
    let whole = runs.gains(of, seeds)?;
    if whole.iter().sum::<f64>() <= 0.0 {
        return Err(format!(
            "{of} gains nothing over {}: there is nothing to share",
            pair.baseline
        ));
    }
    Estimate::ratio(runs.gains(&pair.variant, seeds)?, whole)
}

pub(super) fn gain_difference(
    experiment: &Experiment<'_>,
    (pair, other): (&Pair, &Pair),
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let (ours, theirs) = (Runs::new(experiment, pair), Runs::new(experiment, other));
    let difference = |&seed: &Seed| Ok(ours.gain(seed)? - theirs.gain(seed)?);
    Estimate::over_seeds(&seeds.iter().map(difference).collect::<Result<Vec<_>, String>>()?, PAIRED)
}

pub(super) fn gain_trend(
    experiment: &Experiment<'_>,
    pairs: &[Pair],
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let runs: Vec<_> = pairs.iter().map(|pair| Runs::new(experiment, pair)).collect();
    let places: Vec<_> = (0..pairs.len()).map(|i| i as f64).collect();
    let trend = |&seed: &Seed| {
        let gains = runs.iter().map(|r| r.gain(seed)).collect::<Result<Vec<_>, _>>()?;
        finite(&gains)?;
        Ok(spearman(&places, &gains))
    };
    Estimate::over_seeds(&seeds.iter().map(trend).collect::<Result<Vec<_>, String>>()?, PAIRED)
}

pub(super) fn held_out_gain(
    experiment: &Experiment<'_>,
    pair: &Pair,
    seeds: &[Seed],
) -> Result<Estimate, String> {
    let runs = Runs::new(experiment, pair);
    let gain = |&seed: &Seed| runs.held_out_gain(seed);
    Estimate::over_seeds(&seeds.iter().map(gain).collect::<Result<Vec<_>, _>>()?, PAIRED)
}
