//! Claims and their verdicts.

use randlab_core::Seed;

use crate::{
    ClaimRow, ClaimSpec, Converged, Rule, Runs,
    arm::panels,
    verdict::{Judgement, correct},
};

/// What the claims of an experiment are judged by, and what their rows say about it.
pub(crate) struct Docket<'a> {
    /// Name of the experiment.
    pub experiment: &'a str,
    pub scale: &'a str,
    /// Dataset asked for.
    pub dataset: &'a str,
    /// Root seeds asked for.
    pub seeds: &'a [Seed],
    pub runs: &'a Runs,
}

/// Judges every claim of an experiment, in its order. The measures of one numbered claim in it (`C15.real-fast`,
/// `C15.random-fast`) are one family, so a page of it alone says the same as a page of all.
pub(crate) fn judge_all<R: AsRef<dyn Rule>>(
    claims: &[ClaimSpec<R>],
    docket: &Docket<'_>,
) -> Vec<ClaimRow> {
    let (seeds, mut judgements): (Vec<_>, Vec<_>) =
        claims.iter().map(|claim| judge(claim, docket.runs)).unzip();
    let number = |i: usize| claims[i].id.split('.').next();
    for first in (0..claims.len()).filter(|&i| (0..i).all(|j| number(j) != number(i))) {
        let family = judgements.iter_mut().enumerate().filter(|(i, _)| number(*i) == number(first));
        correct(&mut family.map(|(_, judgement)| judgement).collect::<Vec<_>>());
    }
    let rows = claims.iter().zip(seeds).zip(judgements);
    rows.map(|((claim, seeds), judgement)| docket.row(claim, &seeds, judgement)).collect()
}

fn judge<R: AsRef<dyn Rule>>(claim: &ClaimSpec<R>, runs: &Runs) -> (Converged, Judgement) {
    let rule = claim.rule.as_ref();
    let seeds = Converged::of(runs, &panels(&rule.arms()));
    let mut estimate = enough(&seeds).and_then(|()| rule.estimate(runs, &seeds));
    if let Ok(estimate) = &mut estimate {
        estimate.interval = estimate.interval.map(|interval| rule.range().clip(interval));
    }
    (seeds, Judgement::of(estimate, claim.bound))
}

impl Docket<'_> {
    fn row<R: AsRef<dyn Rule>>(
        &self,
        claim: &ClaimSpec<R>,
        seeds: &Converged,
        judgement: Judgement,
    ) -> ClaimRow {
        let arms = claim.rule.as_ref().arms();
        let panel = panels(&arms).first().copied();
        ClaimRow {
            experiment: self.experiment.to_owned(),
            claim_id: claim.id.clone(),
            scale: self.scale.to_owned(),
            dataset: panel.map_or("", |p| self.runs.dataset(p)).to_owned(),
            statement: claim.statement.clone(),
            figure: claim.figure.clone(),
            criterion: claim.criterion.clone(),
            estimate: judgement.value,
            ci_lo: judgement.interval.map(|i| i.0),
            ci_hi: judgement.interval.map(|i| i.1),
            n_seeds: count(judgement.n_seeds),
            n_not_converged: count(seeds.n_missed),
            test: judgement.test,
            p_value: judgement.p_value,
            p_holm: judgement.p_holm,
            verdict: judgement.verdict.name().to_owned(),
            reason: judgement.reason,
            paper_value: claim.paper,
            command: self.command(),
        }
    }

    /// The line that makes the experiment again.
    fn command(&self) -> String {
        let Self { experiment, scale, dataset, .. } = self;
        let seeds: Vec<_> = self.seeds.iter().map(Seed::to_string).collect();
        let seeds = if seeds.is_empty() {
            String::new()
        } else {
            format!(" SEEDS=\"{}\"", seeds.join(" "))
        };
        format!("make {experiment} SCALE={scale} DATASET={dataset}{seeds}")
    }
}

/// One seed has no spread, so nothing can be said from it.
fn enough(seeds: &Converged) -> Result<(), String> {
    if seeds.kept.len() >= 2 {
        return Ok(());
    }
    Err(match seeds.remark() {
        Some(remark) => format!("{remark}; at least 2 fitted seeds are needed"),
        None => format!("{} seed; at least 2 are needed", seeds.kept.len()),
    })
}

/// Counts in tables are Int32; seeds and runs stay far below its limit.
pub(crate) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
