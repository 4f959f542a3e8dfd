//! A page from small run folders: every rule and drawing, with numbers computed by hand.

#![expect(clippy::unwrap_used, reason = "clippy does not see helpers as part of tests")]

mod comparisons;
mod fabricate;
mod nets;
mod trial;

use std::{fs, path::Path};

use fabricate::dir;
use randlab_core::{RunId, Seed};
use randlab_report::{Bound, ClaimRow, CurveRow, ReportedRun};
use randlab_store::table::{MetricRow, RunRow, read_table};
use randlab_studies::{ClaimSpec, FigureSpec, ReportConfig, ReportedExperiment, Rules};

/// Minibatch accuracies with two steps per epoch: `slow` steps at 0.2, then 1.
fn accuracies(slow: usize, total: usize) -> Vec<f64> {
    (0..total).map(|i| if i < slow { 0.2 } else { 1.0 }).collect()
}

fn claim(id: &str, rule: Rules, bound: Bound) -> ClaimSpec {
    ClaimSpec {
        id: id.to_owned(),
        statement: format!("Statement <{id}>."),
        figure: "Figure 2".to_owned(),
        criterion: "a & b".to_owned(),
        paper: Some(1.5),
        rule,
        bound,
    }
}

fn experiment(
    name: &str,
    runs: Vec<ReportedRun>,
    figures: Vec<FigureSpec>,
    claims: Vec<ClaimSpec>,
) -> ReportedExperiment {
    ReportedExperiment {
        name: name.to_owned(),
        title: "A <script>trial</script>".to_owned(),
        summary: "Summary.".to_owned(),
        runs,
        figures,
        claims,
    }
}

fn config(experiments: Vec<ReportedExperiment>, scale: &str) -> ReportConfig {
    ReportConfig {
        id: RunId::try_from("photos".to_owned()).unwrap(),
        scale: scale.to_owned(),
        dataset: "photos".to_owned(),
        seeds: Vec::new(),
        experiments,
    }
}

struct Built {
    home: tempfile::TempDir,
    config: ReportConfig,
    files: Vec<String>,
}

impl Built {
    fn new(scale: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let runs = trial::write_runs(&home.path().join("runs"));
        Self::of(
            home,
            config(vec![experiment("trial", runs, trial::figures(), trial::claims())], scale),
        )
    }

    /// A page of claims alone.
    fn judged(write: fn(&Path) -> Vec<ReportedRun>, claims: Vec<ClaimSpec>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let runs = write(&home.path().join("runs"));
        Self::of(home, config(vec![experiment("trial", runs, Vec::new(), claims)], "laptop"))
    }

    fn of(home: tempfile::TempDir, config: ReportConfig) -> Self {
        let files = build(&config, home.path(), "page").unwrap();
        Self { home, config, files }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join("page").join(name)).unwrap()
    }

    fn table<T: randlab_store::table::Table>(&self) -> Vec<T> {
        let name = format!("page/tables/{}.parquet", T::NAME);
        read_table(&self.home.path().join(name)).unwrap()
    }

    fn claim(&self, id: &str) -> ClaimRow {
        self.table::<ClaimRow>().into_iter().find(|c| c.claim_id == id).unwrap()
    }
}

fn build(config: &ReportConfig, home: &Path, out: &str) -> Result<Vec<String>, String> {
    randlab_report::build(config, &fabricate::TABLES, &home.join("runs"), &home.join(out))
        .map_err(|e| e.to_string())
}

fn close(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
}

#[test]
fn every_rule_gives_the_number_computed_by_hand() {
    let page = Built::judged(trial::write_runs, trial::claims());
    let check = |id: &str, expected: f64, verdict: &str| {
        let claim = page.claim(id);
        close(claim.estimate, expected);
        assert_eq!(claim.verdict, verdict, "{claim:?}");
    };
    // Excess of M 0.5, 0.6, 0.7 over that of random bases, 2.
    check("excess", 0.3, "holds");
    // Two seeds are left, and t is 12.7.
    check("excess-missed", 0.3, "undecided");
    // Steps 0, 10, 100: sums of squares and products by hand.
    check("slope", slope_ratio(), "undecided");
    // The same in all seeds, as are the correlations of f: no error can be estimated.
    check("random-trend", 1.0, "undecided");
    // Peaks 6, 7, 8 over the larger end, 2.
    check("peak", 3.5, "holds");
    check("shape", 1.0, "undecided");
    check("form", 0.91, "holds");
    check("form-init", 0.41, "holds");
    check("pooled", 0.4, "undecided");
    check("pooled-random", 1.0, "holds");
    // f is 1 at 0.5, 7 at 2 and half way between 7 and 2 at 2.5.
    check("rms", (0.25_f64 / 3.0).sqrt(), "fails");
    // Ranks of f 1, 3, 4, 2 against 1, 2, 3, 4: 1 - 6 * 6 / 60.
    check("trend", 0.4, "undecided");
    check("ends", 3.5, "holds");
    check("sphericity", 12.5, "holds");
    // 0.8 / 10 per step won: 4, 4, 3 of them.
    check("auc", 0.08 * 11.0 / 3.0, "holds");
    // First full epoch over 0.8 ends with steps 8, 9, 7, and 4, 5, 4.
    check("speed", (2.0 + 1.8 + 1.75) / 3.0, "holds");
    check("never", 0.8, "fails");
    // Gains 2, 2, 1 of 4, 4, 3.
    check("share", 5.0 / 11.0, "fails");
}

/// Mean over seeds of the least-squares slope of (0.2, 0.3, 0.6 + 0.1 s) over that of (0.5, 0.9, 2.1).
fn slope_ratio() -> f64 {
    let weights = [-110.0 / 3.0, -80.0 / 3.0, 190.0 / 3.0];
    let dot = |y: [f64; 3]| weights.iter().zip(y).map(|(w, y)| w * y).sum::<f64>();
    let per_seed = [0.6, 0.7, 0.8].map(|last| dot([0.2, 0.3, last]) / dot([0.5, 0.9, 2.1]));
    per_seed.iter().sum::<f64>() / 3.0
}

#[test]
fn intervals_tests_and_counts_are_those_of_the_rule() {
    let page = Built::new("laptop");
    let excess = page.claim("excess");
    // sd 0.05 over 3 seeds, t 4.302653.
    close(excess.ci_hi, 0.3 + 4.302653 * 0.05 / 3.0_f64.sqrt());
    assert_eq!((excess.n_seeds, excess.n_not_converged), (3, 0));
    close(page.claim("pooled").ci_lo, 0.4 - 4.302653 * 0.02);
    // 25 bases: t 2.063899, sd 0.5.
    close(page.claim("pooled-random").ci_lo, 1.0 - 2.063899 * 0.1);
    // Ratios 2, 1.8 and 1.75 of the steps of one seed each: sd sqrt(0.0175).
    close(page.claim("speed").ci_lo, 1.85 - 4.302653 * (0.0175_f64 / 3.0).sqrt());
    let rms = page.claim("rms");
    assert_eq!((rms.ci_lo, rms.p_value, rms.n_seeds), (None, None, 3));
    let never = page.claim("never").test.unwrap();
    assert!(never.contains("3 of 6 runs never reached 80 % and count with 10 steps"), "{never}");
}

#[test]
fn the_line_that_makes_a_verdict_again_has_the_seeds_asked_for() {
    let page = Built::new("laptop");
    let line = "make trial SCALE=laptop DATASET=photos";
    assert_eq!(page.claim("excess").command, line);
    let seeds = [900, 901].map(Seed::new).to_vec();
    let page = Built::of(page.home, ReportConfig { seeds, ..page.config });
    assert_eq!(page.claim("excess").command, format!("{line} SEEDS=\"900 901\""));
}

#[test]
fn runs_that_did_not_fit_are_left_out_and_counted() {
    let page = Built::new("laptop");
    let some = page.claim("excess-missed");
    assert_eq!((some.n_seeds, some.n_not_converged), (2, 1));
    let none = page.claim("excess-none");
    assert_eq!((none.verdict.as_str(), none.estimate, none.n_seeds), ("undecided", None, 0));
    let reason = none.reason.unwrap();
    assert_eq!(
        reason,
        "2 of 2 runs did not fit their labels (below 0.95); at least 2 fitted seeds are needed"
    );
    // The pool of q holds the run that missed.
    let pooled = page.claim("pooled-x");
    assert!(pooled.reason.unwrap().contains("part of the pool"));
    let svg = page.text("figures/trial.misalignment.svg");
    assert!(svg.contains("1 of 3 runs did not fit") && svg.contains("dash"));
}

#[test]
fn an_undecided_claim_says_why() {
    let reason = Built::new("laptop").claim("slope").reason.unwrap();
    assert!(reason.contains("the interval reaches over the bound; about"), "{reason}");
}

#[test]
fn measures_of_one_claim_are_corrected_together() {
    let alone = Built::new("laptop").claim("excess");
    // t = 0.2 / (0.05 / sqrt 3) with 2 degrees of freedom: 1 - t / sqrt(t^2 + 2).
    close(alone.p_value, 1.0 - 48.0_f64.sqrt() / 50.0_f64.sqrt());
    assert_eq!(alone.p_holm, alone.p_value);
    let member = |c: ClaimSpec| ClaimSpec { id: format!("C99.{}", c.id), ..c };
    let page = Built::judged(trial::write_runs, trial::claims().into_iter().map(member).collect());
    let excess = page.claim("C99.excess");
    assert_eq!((excess.p_value, excess.verdict.as_str()), (alone.p_value, "undecided"));
    let all = page.table::<ClaimRow>();
    let family: Vec<_> = all.iter().filter(|c| c.p_value.is_some()).collect();
    // Times the number of claims whose p is not smaller.
    let not_smaller = family.iter().filter(|c| c.p_value >= excess.p_value).count();
    close(excess.p_holm, excess.p_value.unwrap() * not_smaller as f64);
    let reason = format!("not after Holm's correction over {} measures", family.len());
    assert!(excess.reason.as_ref().unwrap().contains(&reason), "{excess:?}");
    assert!(all.iter().all(|c| c.p_value.is_some() == c.p_holm.is_some()));
    for name in ["report.html", "report.md"] {
        let text = page.text(name);
        assert!(text.contains("p = 0.0202, corrected = 0."), "{name}");
        assert!(text.contains("Holm's step-down method"), "{name}");
    }
}

#[test]
fn every_drawn_point_is_a_row() {
    let page = Built::new("laptop");
    let rows = page.table::<CurveRow>();
    let find = |figure: &str, panel: &str, series: &str, x: f64| {
        let is = |r: &&CurveRow| {
            r.figure == format!("trial.{figure}")
                && r.panel == panel
                && r.series == series
                && (r.x - x).abs() < 1e-9
        };
        rows.iter().find(is).cloned().unwrap_or_else(|| panic!("{figure} {panel} {series} {x}"))
    };
    let own = find("misalignment", "p", "data eigenbasis, 95 %", 100.0);
    close(Some(own.y), 0.7);
    assert_eq!((own.n_seeds, own.interval.as_str()), (3, "mean-t95"));
    let random = find("misalignment", "p", "random bases, 10-90 %", 10.0);
    close(random.lo, 0.4);
    close(Some(find("f", "p", "pooled filters, 95 % over seeds", 2.0).y), 7.0);
    close(Some(find("f", "q", "mean over seeds, 95 %", 2.0).y), 7.0);
    close(Some(find("f", "p", "read off the paper", 1.0).y), 3.0);
    close(Some(find("f-all", "p", "step 100", 4.0).y), 7.0);
    close(Some(find("energy", "p", "measured, 95 % over seeds", 9.0).y), 1.0);
    close(Some(find("filters", "p.weights", "eigenvalue", 2.0).y), 0.5);
    close(Some(find("curves", "p.task", "scratch", 7.0).y), 0.6);
    close(Some(find("steps", "p.task", "scratch", 2.0).y), 7.0);
    close(Some(find("steps", "p.task", "never, never reached", 0.0).y), 10.0);
    close(Some(find("steps", "p.task", "never, mean", 1.0).y), 10.0);
}

#[test]
fn tables_of_all_runs_are_merged() {
    let page = Built::new("laptop");
    assert_eq!(page.table::<RunRow>().len(), page.config.experiments[0].runs.len());
    let metrics = page.table::<MetricRow>();
    // Eight pretrain runs of 4 + 2 rows, twelve finetune runs of 10 + 5.
    assert_eq!(metrics.len(), 8 * 6 + 12 * 15);
    for name in &page.files {
        assert!(page.home.path().join("page").join(name).is_file(), "{name}");
    }
    assert_eq!(page.files.len(), 10 + 7 + 2);
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let page = Built::new("laptop");
    build(&page.config, page.home.path(), "again").unwrap();
    for name in &page.files {
        let read = |out: &str| fs::read(page.home.path().join(out).join(name)).unwrap();
        assert_eq!(read("page"), read("again"), "{name}");
    }
}

#[test]
fn text_from_experiments_cannot_become_markup() {
    let page = Built::new("laptop");
    for name in page.files.iter().filter(|n| !n.ends_with(".parquet")) {
        let text = page.text(name);
        assert!(!text.contains("<script"), "{name}");
        assert!(!text.contains("src=") && !text.contains("@import"), "{name}");
    }
    assert!(page.text("report.html").contains("&lt;script&gt;"));
}

#[test]
fn the_page_says_where_its_numbers_come_from() {
    let page = Built::new("laptop");
    for name in ["report.html", "report.md"] {
        let text = page.text(name);
        for part in ["Test CPU", "photos", "laptop", "undecided", "tables/claims.parquet"] {
            assert!(text.contains(part), "{name}: {part}");
        }
        assert!(!text.contains("mean nothing"), "{name}");
    }
    let no_claims = Built::judged(trial::write_runs, Vec::new());
    for name in ["report.html", "report.md"] {
        assert!(page.text(name).contains("Verdicts"), "{name}");
        assert!(!no_claims.text(name).contains("Verdicts"), "{name}");
    }
    let smoke = Built::new("smoke");
    assert!(smoke.text("report.html").contains("mean nothing"));
    assert!(smoke.text("report.md").contains("mean nothing"));
}

#[test]
fn missing_and_damaged_files_are_named() {
    let page = Built::new("laptop");
    let run = page.config.experiments[0].runs.iter().find(|r| r.stage == "finetune").unwrap();
    let table = dir(&page.home.path().join("runs"), run).join("metrics.parquet");
    let good = fs::read(&table).unwrap();
    randlab_store::publish(&table, &good[..good.len() / 2]).unwrap();
    let damaged = build(&page.config, page.home.path(), "page").unwrap_err();
    assert!(damaged.contains("metrics.parquet") && damaged.contains("Parquet"), "{damaged}");
    fs::remove_file(&table).unwrap();
    let missing = build(&page.config, page.home.path(), "page").unwrap_err();
    assert!(missing.starts_with(&table.display().to_string()), "{missing}");
}
