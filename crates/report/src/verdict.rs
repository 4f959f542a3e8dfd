//! From an estimate and a bound to a verdict.

use crate::{
    Bound, Estimate,
    estimate::Distance,
    stats::{holm, p_two_sided, seeds_needed},
};

/// Level of the tests and of their correction.
const LEVEL: f64 = 0.05;

const TOO_WIDE: &str = "the interval reaches over the bound";

/// The three possible answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The whole interval satisfies the rule.
    Holds,
    /// The whole interval contradicts it.
    Fails,
    /// Neither.
    Undecided,
}

impl Verdict {
    /// The name used in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Undecided => "undecided",
        }
    }
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    pub verdict: Verdict,
    pub value: Option<f64>,
    pub interval: Option<(f64, f64)>,
    pub n_seeds: usize,
    pub test: Option<String>,
    pub p_value: Option<f64>,
    /// The p-value corrected for the number of claims judged together.
    pub p_holm: Option<f64>,
    pub reason: Option<String>,
    /// How far the estimate is from the nearest end of its bound.
    distance: Option<Distance>,
}

/// Corrects judgements made together by Holm's step-down method. Those without a p-value are no part of it.
pub(crate) fn correct(judgements: &mut [&mut Judgement]) {
    let p: Vec<_> = judgements.iter().filter_map(|j| j.p_value).collect();
    let tested = judgements.iter_mut().filter(|j| j.p_value.is_some());
    for (judgement, p_holm) in tested.zip(holm(&p)) {
        judgement.correct(p_holm, p.len());
    }
}

impl Judgement {
    /// Judges an estimate; where there is none, its text is the reason.
    pub(crate) fn of(estimate: Result<Estimate, String>, bound: Bound) -> Self {
        let estimate = match estimate {
            Ok(estimate) => estimate,
            Err(reason) => return Self::without_estimate(reason),
        };
        let (lo, hi) = estimate.interval.unwrap_or((estimate.value, estimate.value));
        let verdict = compare(lo, hi, bound);
        let distance = nearest(bound, estimate.value)
            .and_then(|b| estimate.spread.distance(estimate.value, b));
        let same = distance.filter(|d| estimate.interval.is_some() && d.sd <= 0.0);
        if let Some(Distance { units, .. }) = same {
            return Self {
                value: Some(estimate.value),
                n_seeds: estimate.n_seeds,
                test: Some(estimate.test),
                ..Self::without_estimate(format!(
                    "no scatter over {} {}, so that no error can be estimated",
                    units.n, units.name
                ))
            };
        }
        let undecided = verdict == Verdict::Undecided;
        let reason = || open(TOO_WIDE, distance, LEVEL);
        Self {
            verdict,
            value: Some(estimate.value),
            interval: estimate.interval,
            n_seeds: estimate.n_seeds,
            test: Some(estimate.test),
            p_value: distance.and_then(p_value),
            p_holm: None,
            reason: undecided.then(reason),
            distance,
        }
    }

    /// Takes in that it is one of `family` measures of a claim: what only its own interval decides is open again.
    fn correct(&mut self, p_holm: f64, family: usize) {
        self.p_holm = Some(p_holm);
        let what = if self.verdict == Verdict::Undecided {
            TOO_WIDE.to_owned()
        } else if p_holm >= LEVEL {
            format!(
                "decided by its own interval, but not after Holm's correction over {family} measures of the claim"
            )
        } else {
            return;
        };
        self.verdict = Verdict::Undecided;
        // The level of Holm's first step, which decides whatever the other claims give.
        self.reason = Some(open(&what, self.distance, LEVEL / family as f64));
    }

    const fn without_estimate(reason: String) -> Self {
        Self {
            verdict: Verdict::Undecided,
            value: None,
            interval: None,
            n_seeds: 0,
            test: None,
            p_value: None,
            p_holm: None,
            reason: Some(reason),
            distance: None,
        }
    }
}

/// Bounds are open: an interval that touches one from inside is not inside.
fn compare(lo: f64, hi: f64, bound: Bound) -> Verdict {
    let above = bound.above.unwrap_or(f64::NEG_INFINITY);
    let below = bound.below.unwrap_or(f64::INFINITY);
    if lo > above && hi < below {
        Verdict::Holds
    } else if hi <= above || lo >= below {
        Verdict::Fails
    } else {
        Verdict::Undecided
    }
}

/// The end of `bound` nearest to `value`.
fn nearest(bound: Bound, value: f64) -> Option<f64> {
    let ends = [bound.above, bound.below].into_iter().flatten();
    ends.min_by(|a, b| (a - value).abs().total_cmp(&(b - value).abs()))
}

fn p_value(d: Distance) -> Option<f64> {
    let dof = d.units.n.checked_sub(1).filter(|&n| n > 0)? as f64;
    let error = d.sd / (d.units.n as f64).sqrt();
    (error > 0.0).then(|| p_two_sided(d.delta / error, dof))
}

/// Why a claim is open, and what would decide it at a level of significance.
fn open(what: &str, distance: Option<Distance>, level: f64) -> String {
    let Some(d) = distance else { return "the number lies on the bound".to_owned() };
    let unit = d.units.name;
    match seeds_needed(d.delta.abs(), d.sd, level) {
        Some(n) => {
            // Near the border the interval reaches over the bound although the power rule is content.
            let n = (n as usize).max(d.units.n + 1);
            format!("{what}; about {n} {unit} would decide")
        }
        None => format!("{what}; more than 1000 {unit} would be needed to decide"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOVE_1: Bound = Bound { above: Some(1.0), below: None };

    fn judge(values: &[f64], bound: Bound) -> Judgement {
        Judgement::of(Estimate::over_seeds(values, "t"), bound)
    }

    #[test]
    fn the_whole_interval_must_be_on_one_side() {
        // Half width 4.302653 * 0.1 / sqrt(3) = 0.2484.
        assert_eq!(judge(&[1.2, 1.3, 1.4], ABOVE_1).verdict, Verdict::Holds);
        assert_eq!(judge(&[1.1, 1.2, 1.3], ABOVE_1).verdict, Verdict::Undecided);
        assert_eq!(judge(&[0.6, 0.7, 0.8], ABOVE_1).verdict, Verdict::Fails);
        let both = Bound { above: Some(1.0), below: Some(1.5) };
        assert_eq!(judge(&[1.2, 1.3, 1.4], both).verdict, Verdict::Undecided);
        assert_eq!(judge(&[1.24, 1.25, 1.26], both).verdict, Verdict::Holds);
        assert_eq!(judge(&[1.74, 1.75, 1.76], both).verdict, Verdict::Fails);
    }

    #[test]
    fn a_number_without_interval_is_compared_as_it_is() {
        let judge = |v| Judgement::of(Estimate::number(v, 5), ABOVE_1).verdict;
        assert_eq!(
            [judge(1.1), judge(0.9), judge(1.0)],
            [Verdict::Holds, Verdict::Fails, Verdict::Fails]
        );
    }

    #[test]
    fn without_scatter_nothing_is_known_of_the_error() {
        let j = judge(&[2.0, 2.0, 2.0], ABOVE_1);
        assert_eq!((j.verdict, j.value, j.interval), (Verdict::Undecided, Some(2.0), None));
        assert!(j.reason.unwrap().contains("no scatter over 3 seeds"));
    }

    #[test]
    fn the_p_value_is_that_of_the_nearest_bound() {
        // t = 0.2 / (0.1 / sqrt 3) = 3.4641 with 2 degrees of freedom: p = 0.0742.
        let p = judge(&[1.1, 1.2, 1.3], Bound { above: Some(1.0), below: Some(9.0) }).p_value;
        assert!((p.unwrap() - 0.07418).abs() < 1e-4, "{p:?}");
    }

    #[test]
    fn an_undecided_claim_says_how_many_seeds_it_takes() {
        // Difference of two standard deviations: 5 seeds.
        let reason = judge(&[1.1, 1.2, 1.3], ABOVE_1).reason.unwrap();
        assert!(reason.contains("about 5 seeds"), "{reason}");
        let hopeless = judge(&[0.0, 1.0, 2.000001], ABOVE_1).reason.unwrap();
        assert!(hopeless.contains("more than 1000 seeds"), "{hopeless}");
    }

    #[test]
    fn a_measure_among_many_must_be_clearer() {
        // t^2 = 27 with 2 degrees of freedom: p = 1 - sqrt(27 / 29) = 0.0351 alone, five times that of five.
        let clear = || judge(&[1.2, 1.3, 1.4], ABOVE_1);
        let mut alone = [clear(), judge(&[f64::NAN], ABOVE_1)];
        correct(&mut alone.each_mut());
        assert_eq!(alone[0], Judgement { p_holm: alone[0].p_value, ..clear() });
        assert_eq!(alone[1].p_holm, None);
        let mut five = [(); 5].map(|()| clear());
        correct(&mut five.each_mut());
        let expected = 5.0 * (1.0 - (27.0_f64 / 29.0).sqrt());
        assert!((five[0].p_holm.unwrap() - expected).abs() < 1e-9, "{five:?}");
        assert_eq!(five[0].verdict, Verdict::Undecided);
        let reason = five[0].reason.as_deref().unwrap();
        assert!(reason.starts_with("decided by its own interval"), "{reason}");
        // Three standard deviations: (4.604 + 0.941)^2 / 9 = 3.4 at 1 % with 5, but 5.2 with 4.
        assert!(
            reason.contains("over 5 measures of the claim; about 5 seeds would decide"),
            "{reason}"
        );
    }

    #[test]
    fn what_cannot_be_formed_is_undecided() {
        let j = judge(&[f64::NAN, 1.0], ABOVE_1);
        assert_eq!((j.verdict, j.value), (Verdict::Undecided, None));
        assert!(j.reason.unwrap().contains("not finite"));
    }
}
