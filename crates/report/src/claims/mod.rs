//! Claims and their verdicts.

mod activity;
mod alignment;
mod estimate;
mod transfer;
mod verdict;

use randlab_core::Seed;
use randlab_recipe::{ClaimSpec, ReportConfig, Rule};
use randlab_store::table::ClaimRow;

use activity::Arm;
use estimate::Estimate;
use verdict::Judgement;

use crate::input::{Experiment, Fit};

/// Judges every claim of an experiment, in its order. The measures of one numbered claim in it (`C15.real-fast`,
/// `C15.random-fast`) are one family, so a page of it alone says the same as a page of all.
pub(crate) fn judge_all(experiment: &Experiment<'_>, config: &ReportConfig) -> Vec<ClaimRow> {
    let claims = &experiment.spec.claims;
    let (fits, mut judgements): (Vec<_>, Vec<_>) =
        claims.iter().map(|claim| judge(claim, experiment)).unzip();
    let number = |i: usize| claims[i].id.split('.').next();
    for first in (0..claims.len()).filter(|&i| (0..i).all(|j| number(j) != number(i))) {
        let family = judgements.iter_mut().enumerate().filter(|(i, _)| number(*i) == number(first));
        verdict::correct(&mut family.map(|(_, judgement)| judgement).collect::<Vec<_>>());
    }
    let rows = claims.iter().zip(fits).zip(judgements);
    rows.map(|((claim, fit), judgement)| row(claim, &fit, judgement, (experiment, config)))
        .collect()
}

fn judge(claim: &ClaimSpec, experiment: &Experiment<'_>) -> (Fit, Judgement) {
    let fit = Fit::of(experiment, &claim.rule.panels());
    let mut estimate = enough(&fit).and_then(|()| estimate(&claim.rule, experiment, &fit));
    if let (true, Ok(estimate)) = (claim.rule.correlates(), &mut estimate) {
        // Student's interval does not know that nothing lies beyond.
        estimate.interval = estimate.interval.map(|(lo, hi)| (lo.max(-1.0), hi.min(1.0)));
    }
    (fit, Judgement::of(estimate, claim.bound))
}

fn row(
    claim: &ClaimSpec,
    fit: &Fit,
    judgement: Judgement,
    (experiment, config): (&Experiment<'_>, &ReportConfig),
) -> ClaimRow {
    let panel = claim.rule.panels().first().copied();
    ClaimRow {
        experiment: experiment.spec.name.clone(),
        claim_id: claim.id.clone(),
        scale: config.scale.clone(),
        dataset: panel.map_or("", |p| experiment.dataset(p)).to_owned(),
        statement: claim.statement.clone(),
        figure: claim.figure.clone(),
        criterion: claim.criterion.clone(),
        estimate: judgement.value,
        ci_lo: judgement.interval.map(|i| i.0),
        ci_hi: judgement.interval.map(|i| i.1),
        n_seeds: count(judgement.n_seeds),
        n_not_converged: count(fit.n_missed),
        test: judgement.test,
        p_value: judgement.p_value,
        p_holm: judgement.p_holm,
        verdict: judgement.verdict.name().to_owned(),
        reason: judgement.reason,
        paper_value: claim.paper,
        command: command(experiment, config),
    }
}

/// The line that makes an experiment again.
fn command(experiment: &Experiment<'_>, config: &ReportConfig) -> String {
    let ReportConfig { scale, dataset, seeds, .. } = config;
    let seeds: Vec<_> = seeds.iter().map(Seed::to_string).collect();
    let seeds =
        if seeds.is_empty() { String::new() } else { format!(" SEEDS=\"{}\"", seeds.join(" ")) };
    format!("make {} SCALE={scale} DATASET={dataset}{seeds}", experiment.spec.name)
}

/// One seed has no spread, so nothing can be said from it.
fn enough(fit: &Fit) -> Result<(), String> {
    if fit.kept.len() >= 2 {
        return Ok(());
    }
    Err(match fit.remark() {
        Some(remark) => format!("{remark}; they prove nothing"),
        None => format!("{} seed; at least 2 are needed", fit.kept.len()),
    })
}

fn estimate(rule: &Rule, experiment: &Experiment<'_>, fit: &Fit) -> Result<Estimate, String> {
    let seeds: &[Seed] = &fit.kept;
    match rule {
        Rule::ExcessRatio { panel } => alignment::excess_ratio(experiment, panel, seeds),
        Rule::SlopeRatio { panel } => alignment::slope_ratio(experiment, panel, seeds),
        Rule::RandomBasisTrend { panel } => alignment::random_trend(experiment, panel, seeds),
        Rule::InteriorPeak { panel } => alignment::interior_peak(experiment, panel, seeds),
        Rule::ShapeCorrelation { panel, other } => {
            alignment::shape_correlation(experiment, (panel, other), seeds)
        }
        Rule::ClosedForm { panel, initial } => {
            alignment::closed_form(experiment, panel, *initial, seeds)
        }
        Rule::Trend { panel } => alignment::trend(experiment, panel, seeds),
        Rule::EndRatio { panel, numerator, denominator } => {
            alignment::end_ratio(experiment, panel, (*numerator, *denominator), seeds)
        }
        Rule::PooledExcess { panel } => alignment::pooled_excess(experiment, panel, fit),
        Rule::PooledRandomExcess { panel } => {
            alignment::pooled_random_excess(experiment, panel, fit)
        }
        Rule::ReferenceRms { panel, paper } => {
            alignment::reference_rms(experiment, panel, paper, fit)
        }
        Rule::Sphericity { panel } => alignment::sphericity(experiment, panel, fit),
        Rule::EigenvectorSpan { panel, vectors, components } => {
            alignment::eigenvector_span(experiment, panel, (*vectors, *components), fit)
        }
        Rule::AucGain { pair } => transfer::auc_gain(experiment, pair, seeds),
        Rule::SpeedUp { pair, accuracy } => transfer::speed_up(experiment, pair, *accuracy, seeds),
        Rule::GainShare { pair, of } => transfer::gain_share(experiment, pair, of, seeds),
        Rule::GainDifference { pair, other } => {
            transfer::gain_difference(experiment, (pair, other), seeds)
        }
        Rule::GainTrend { pairs } => transfer::gain_trend(experiment, pairs, seeds),
        Rule::HeldOutGain { pair } => transfer::held_out_gain(experiment, pair, seeds),
        Rule::ActivityRatio { panel, other, downstream, variant, layers } => {
            let arm = Arm { panel, downstream, variant };
            activity::ratio(experiment, (arm, other), *layers, seeds)
        }
        Rule::ActivityShare { pair, layers, at } => {
            activity::share(experiment, pair, (*layers, *at), seeds)
        }
        Rule::SwitchDrop { panel, downstream, variant, layers } => {
            activity::switch_drop(experiment, Arm { panel, downstream, variant }, *layers, seeds)
        }
        Rule::DepthTrend { panel, downstream, variant } => {
            activity::depth_trend(experiment, Arm { panel, downstream, variant }, seeds)
        }
        Rule::SignalRank { pairs } => activity::signal_rank(experiment, pairs, seeds),
        Rule::ProfileCorrelation { panel, other } => {
            alignment::profile_correlation(experiment, (panel, other), seeds)
        }
    }
}

/// Counts in tables are Int32; seeds and runs stay far below its limit.
pub(crate) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
