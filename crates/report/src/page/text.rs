//! Sentences and numbers that both forms of the page print.

use std::collections::{BTreeMap, BTreeSet};

use super::Page;
use crate::ClaimRow;

/// Three significant digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e5).contains(&size) {
        return format!("{value:.2e}");
    }
    let digits = if size >= 100.0 {
        0
    } else if size >= 10.0 {
        1
    } else if size >= 1.0 {
        2
    } else if size >= 0.1 {
        3
    } else if size >= 0.01 {
        4
    } else {
        5
    };
    format!("{value:.digits$}")
}

/// The estimate with its interval.
pub(super) fn estimate(claim: &ClaimRow) -> String {
    let Some(value) = claim.estimate else { return "-".to_owned() };
    match (claim.ci_lo, claim.ci_hi) {
        (Some(lo), Some(hi)) => {
            format!("{} [{}, {}]", number(value), number(lo), number(hi))
        }
        _ => number(value),
    }
}

/// Why a verdict is open, how its interval was formed, and what was left out.
pub(super) fn remarks(claim: &ClaimRow) -> String {
    let left_out = (claim.n_not_converged > 0 && claim.estimate.is_some())
        .then(|| format!("runs that did not fit and are left out: {}", claim.n_not_converged));
    let p = claim.p_value.map(|p| format!("p {}", probability(p)));
    let p = p.map(|p| match claim.p_holm {
        Some(holm) => format!("{p}, corrected {}", probability(holm)),
        None => p,
    });
    let parts = [claim.reason.clone(), left_out, claim.test.clone(), p];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn probability(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".to_owned() } else { format!("= {}", number(p)) }
}

/// A sign for a verdict that needs no colour.
pub(super) fn symbol(verdict: &str) -> &'static str {
    match verdict {
        "holds" => "✓",
        "fails" => "✗",
        _ => "?",
    }
}

/// What the page is about.
pub(super) fn asked(page: &Page<'_>) -> String {
    let titles: Vec<_> = page.sections.iter().map(|s| s.title).collect();
    let judged =
        if page.judges() { " and judges each claim by a rule fixed before the runs" } else { "" };
    format!(
        "What do neural networks learn from random labels? This page repeats experiments of Maennel et al. \
         (2020){judged}. Experiments: {}.",
        titles.join("; ")
    )
}

/// Scale, data, seeds and runs, as term and description.
pub(super) fn facts(page: &Page<'_>) -> Vec<(&'static str, String)> {
    let data: BTreeSet<_> = page.runs().map(|r| r.row.dataset.as_str()).collect();
    let data: Vec<_> = data.into_iter().collect();
    let missed = page.runs().filter(|r| r.stage != "align" && !r.fits()).count();
    let runs =
        format!("{}, of which {missed} missed the accuracy they had to reach", page.runs().count());
    vec![
        ("Scale", page.scale.to_owned()),
        ("Dataset asked for", page.dataset.to_owned()),
        ("Data in use", data.join(", ")),
        ("Seeds", seeds(page)),
        ("Runs", runs),
        ("Hardware", hardware(page).join(" | ")),
    ]
}

/// Number of root seeds: one for all panels, or the range.
fn seeds(page: &Page<'_>) -> String {
    let mut panels = BTreeMap::<(&str, &str), BTreeSet<i64>>::new();
    let listed = page.sections.iter().flat_map(|s| s.runs.all());
    for run in listed.filter(|r| r.stage == "pretrain") {
        let panel = (run.info.experiment.as_str(), run.info.panel.as_str());
        panels.entry(panel).or_default().insert(run.info.seed.get());
    }
    let counts = || panels.values().map(BTreeSet::len);
    match (counts().min(), counts().max()) {
        (Some(a), Some(b)) if a == b => format!("{a} per panel"),
        (Some(a), Some(b)) => format!("{a} to {b} per panel"),
        _ => "none".to_owned(),
    }
}

/// The distinct machines the runs were made on, with the number of runs of each.
fn hardware(page: &Page<'_>) -> Vec<String> {
    let mut machines = BTreeMap::<String, usize>::new();
    for run in page.runs() {
        // Not the number of threads: the bits do not depend on it, and neither may the page.
        let fact = |key: &str| run.environment.get(key);
        let cpu = fact("cpu").and_then(|v| v.as_str()).unwrap_or("machine not recorded");
        let cores = fact("cores").and_then(serde_json::Value::as_u64);
        let cores = cores.map_or_else(String::new, |n| format!(", {n} cores"));
        let isa = fact("instructions").and_then(|v| v.as_str()).unwrap_or("unknown instructions");
        let name = format!("{cpu}{cores}, {isa}");
        *machines.entry(name).or_default() += 1;
    }
    machines.into_iter().map(|(name, n)| format!("{name} ({n} runs)")).collect()
}

/// How many claims hold, fail and are open.
pub(super) fn tally(page: &Page<'_>) -> String {
    let n = |verdict: &str| page.claims().filter(|c| c.verdict == verdict).count();
    let total = page.claims().count();
    format!(
        "Of {total} claims, {} hold, {} fail and {} are undecided.",
        n("holds"),
        n("fails"),
        n("undecided")
    )
}

/// A warning for runs that are too small to mean anything.
pub(super) fn banner(page: &Page<'_>) -> Option<&'static str> {
    (page.scale == "smoke").then_some(
        "Scale smoke: these runs take seconds and only show that the pipeline works. The numbers and verdicts mean \
         nothing.",
    )
}

/// How the verdicts come about.
pub(super) const RULES: &str = "A claim holds when the whole 95 % interval satisfies its criterion, fails when the whole \
interval contradicts it, and is undecided otherwise. Seeds whose first training did not fit its labels are left out. The corrected p \
takes into account how many measures of a numbered claim are tested at once (Holm's step-down method), and a measure is undecided, \
too, where it is not below 0.05.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let shown: Vec<_> =
            [0.0, 1.2345, 0.12345, -0.012345, 123.45, 1e-7, 2.5e6].map(number).into();
        assert_eq!(shown, ["0", "1.23", "0.123", "-0.0123", "123", "1.00e-7", "2.50e6"]);
    }
}
