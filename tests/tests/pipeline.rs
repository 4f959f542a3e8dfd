//! The pipeline through its Makefile.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;

use randlab_data::LabelRow;
use randlab_report::{ClaimRow, CurveRow};
use randlab_store::{
    TensorFile,
    table::{AlignmentRow, SpectrumRow, read_table},
};
use randlab_tests::{Scratch, bin, text, write_cifar10};

/// Lines of runs that were made, not found done.
fn made(text: &str) -> Vec<String> {
    let is_run = |line: &&str| line.ends_with(" s)") && !line.contains("already done");
    text.lines().filter(is_run).map(|l| l.split(':').next().unwrap().to_owned()).collect()
}

#[test]
fn everything_is_made_once_and_with_the_same_bytes_by_any_number_of_jobs() {
    let (one, two) = (Scratch::new(&[]), Scratch::new(&[]));
    let first = one.make_well(&["all", "-j1"]);
    assert!(made(&first).len() > 100, "{first}");
    two.make_well(&["all", "-j2", "LAUNCH=env RAYON_NUM_THREADS=3"]);
    let (a, b) = (one.artifacts("runs"), two.artifacts("runs"));
    assert!(a.keys().eq(b.keys()));
    for (name, bytes) in &a {
        assert!(bytes == &b[name], "{name} differs");
    }
    assert_eq!(made(&one.make_well(&["all"])), [] as [&str; 0]);

    let page = fs::read_to_string(one.path("runs/smoke/report/photos/report.html")).unwrap();
    assert!(!page.contains("http://") && !page.contains("<script src"));
    let tables = one.path("runs/smoke/report/photos/tables");
    let claims: Vec<ClaimRow> = read_table(&tables.join("claims.parquet")).unwrap();
    assert!(claims.len() > 40);
    // Nets of this scale do not fit their labels, so nothing may be claimed from them.
    assert!(claims.iter().all(|c| c.verdict == "undecided"), "{claims:?}");
    let curves: Vec<CurveRow> = read_table(&tables.join("curves.parquet")).unwrap();
    assert!(curves.iter().all(|c| c.dataset == "photos" || c.dataset == "gaussian"));
}

#[test]
fn a_change_of_one_value_reaches_what_depends_on_it_and_no_more() {
    let scratch = Scratch::new(&["transfer"]);
    scratch.make_well(&["all"]);
    let slow = "panel.slow.downstream = { real.epochs = 2, random.epochs = 2 }";
    let slower = "panel.slow.downstream = { real.epochs = 3, random.epochs = 2 }";
    scratch.edit("pipelines/experiments/transfer.toml", slow, slower);
    let run = "transfer.photos.slow.real.scratch.s0";
    let why = scratch.make_well(&[&format!("why-{run}")]);
    assert!(why.contains("stale") && why.contains("epochs went from 2 to 3"), "{why}");
    let again = made(&scratch.make_well(&["all"]));
    // Seven variants for each of two seeds, the page, and the experiment's own.
    assert_eq!(again.len(), 16, "{again:?}");
    let expected = |line: &String| {
        line.starts_with("finetune transfer.photos.slow.real.") || line.starts_with("report photos")
    };
    assert!(again.iter().all(expected), "{again:?}");
    assert!(scratch.make_well(&[&format!("why-{run}")]).contains("done"));
    let status = scratch.make_well(&["status"]);
    let finetune = status.lines().find(|l| l.starts_with("finetune")).unwrap().to_owned();
    assert_eq!(
        finetune.split_whitespace().collect::<Vec<_>>(),
        ["finetune", "50", "0", "0", "0", "0"]
    );
}

#[test]
fn what_was_lost_or_moved_aside_is_made_again() {
    let scratch = Scratch::new(&["alignment"]);
    scratch.make_well(&["all"]);
    let before = scratch.artifacts("runs");
    let run = "pretrain/alignment.photos.random.s0";
    fs::remove_file(scratch.path(&format!("runs/smoke/{run}/final.safetensors"))).unwrap();
    let again = made(&scratch.make_well(&["all"]));
    assert_eq!(again, [run.replace('/', " ")]);
    let again = made(&scratch.make_well(&["rerun", &format!("RUN={run}")]));
    assert_eq!(again, [run.replace('/', " ")]);
    let mut after = scratch.artifacts("runs");
    after.retain(|name, _| !name.starts_with("smoke/old/"));
    assert!(after == before);
    for wrong in ["pretrain", "pretrain/", "nope/x", "pretrain/nope", "old/pretrain", ""] {
        let refused = scratch.make(&["rerun", &format!("RUN={wrong}")]);
        assert!(!refused.status.success() && text(&refused).contains("no such run"), "{refused:?}");
    }
}

#[test]
fn content_decides_and_not_times_of_files() {
    let scratch = Scratch::new(&["alignment"]);
    let raw = scratch.path("data/raw/cifar10");
    write_cifar10(&raw, 60);
    let own = "[source]\nkind = 'cifar10'\npath = 'data/raw/cifar10'\nsubset = true\n";
    randlab_tests::overwrite(&scratch.path("mine.toml"), own.as_bytes());
    let recipe = "pipelines/experiments/alignment.toml";
    scratch.edit(recipe, "downstream = 0, holdout = 64 }", "downstream = 0, holdout = 32 }");
    let make = || made(&scratch.make_well(&["prepare", "DATASET=mine.toml"]));
    let datasets = make().len();
    assert!(datasets > 0);
    let file = raw.join("data_batch_2.bin");
    let touch = |args: &[&std::ffi::OsStr]| {
        assert!(std::process::Command::new("touch").args(args).status().unwrap().success());
    };
    let (reference, old) = (scratch.path("reference"), "-r".as_ref());
    randlab_tests::overwrite(&reference, b"");
    touch(&[old, file.as_os_str(), reference.as_os_str()]);
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    randlab_tests::overwrite(&file, &bytes);
    touch(&[old, reference.as_os_str(), file.as_os_str()]);
    assert_eq!(make().len(), datasets);
    touch(&[file.as_os_str()]);
    assert_eq!(make(), [] as [&str; 0]);
    let status = scratch.make_well(&["list", "DATASET=mine.toml", "PREFIX=alignment.mine.data"]);
    assert!(status.lines().all(|line| line.starts_with("done")), "{status}");
}

#[test]
fn what_depends_on_something_stale_is_stale() {
    let scratch = Scratch::new(&["alignment"]);
    scratch.make_well(&["all"]);
    let manifest =
        scratch.path("runs/smoke/prepare/alignment.photos.data.images.s0/stats.safetensors");
    fs::remove_file(manifest).unwrap();
    let why = scratch.make_well(&["why-alignment.photos.random"]);
    assert!(why.contains("pretrain alignment.photos.random.s0: stale"), "{why}");
    assert!(why.contains("align alignment.photos.random.pool: stale"), "{why}");
    assert!(why.contains("which is stale"), "{why}");
    let status = scratch.make_well(&["status"]);
    let pages = status.lines().find(|l| l.starts_with("report")).unwrap();
    assert_eq!(pages.split_whitespace().collect::<Vec<_>>(), ["report", "0", "0", "0", "2", "0"]);
    // Nothing but the dataset changes, so the rest is found to be done.
    assert_eq!(made(&scratch.make_well(&["all"])), ["prepare alignment.photos.data.images.s0"]);
    assert!(scratch.make_well(&["why-alignment"]).lines().all(|l| l.ends_with(": done")));
}

#[test]
fn an_experiment_without_the_scale_is_left_out() {
    let scratch = Scratch::new(&["alignment"]);
    let mine = scratch.path("pipelines/experiments/mine.toml");
    let text = fs::read_to_string(scratch.path("pipelines/experiments/alignment.toml")).unwrap();
    randlab_tests::overwrite(&mine, text.replace("[scale.smoke]", "[scale.mine]").as_bytes());
    let status = scratch.make_well(&["status"]);
    let said = status.lines().filter(|l| l.contains("left out") && l.contains("mine.toml")).count();
    assert_eq!(said, 1, "{status}");
    assert_refused(
        &scratch,
        &["mine"],
        "no table [scale.smoke]; write one or choose another scale",
    );
}

#[test]
fn a_copied_experiment_has_a_place_on_the_page() {
    let scratch = Scratch::new(&["alignment"]);
    let experiments = scratch.path("pipelines/experiments");
    fs::copy(experiments.join("alignment.toml"), experiments.join("mine.toml")).unwrap();
    let runs = made(&scratch.make_well(&["all"]));
    let trained = runs.iter().filter(|run| run.starts_with("pretrain"));
    assert!(trained.clone().count() > 0 && !trained.into_iter().any(|run| run.contains("mine")));
    let claims = scratch.path("runs/smoke/report/photos/tables/claims.parquet");
    let claims: Vec<ClaimRow> = read_table(&claims).unwrap();
    let of = |name: &str| claims.iter().filter(|c| c.experiment == name).count();
    assert!(of("mine") > 0 && of("mine") == of("alignment"));
    // A copy whose name sorts before the original does not take its runs.
    fs::copy(experiments.join("alignment.toml"), experiments.join("a-copy.toml")).unwrap();
    let mut runs = made(&scratch.make_well(&["all"]));
    runs.sort();
    assert_eq!(runs, ["report photos", "report photos.a-copy"]);
    assert_eq!(made(&scratch.make_well(&["all"])), [] as [&str; 0]);
}

#[test]
fn another_dataset_gives_the_same_tables_and_figures() {
    let scratch = Scratch::new(&["alignment"]);
    write_cifar10(&scratch.path("data/raw/cifar10"), 60);
    let own = "[source]\nkind = 'cifar10'\npath = 'data/raw/cifar10'\nsubset = true\n";
    randlab_tests::overwrite(&scratch.path("mine.toml"), own.as_bytes());
    let small = (
        "{ upstream = 128, downstream = 0, holdout = 64 }",
        "{ upstream = 128, downstream = 0, holdout = 32 }",
    );
    scratch.edit("pipelines/experiments/alignment.toml", small.0, small.1);
    scratch.make_well(&["all", "DATASET=mine.toml"]);
    scratch.make_well(&["all"]);
    let names = |dataset: &str| {
        let all = scratch.artifacts(&format!("runs/smoke/report/{dataset}"));
        all.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(names("mine"), names("photos"));
    let tables = scratch.path("runs/smoke/report/mine/tables");
    let claims: Vec<ClaimRow> = read_table(&tables.join("claims.parquet")).unwrap();
    assert!(claims.iter().all(|c| c.dataset == "cifar10-subset"), "{claims:?}");
    // The images are told apart from those of the photographs all the way.
    let trace = scratch.make_well(&[
        "trace",
        "DATASET=mine.toml",
        "RUN=alignment.mine.random.s0",
        &format!("IMAGE={}", first_image(&scratch)),
    ]);
    for stage in
        ["raw       data/raw/cifar10 data_batch_", "prepare", "pretrain", "align", "report"]
    {
        assert!(trace.contains(stage), "{stage}: {trace}");
    }
}

fn first_image(scratch: &Scratch) -> i32 {
    let path = scratch.path("runs/smoke/pretrain/alignment.mine.random.s0/labels.parquet");
    read_table::<LabelRow>(&path).unwrap()[0].image_id
}

#[test]
fn a_launcher_stands_before_every_run() {
    let scratch = Scratch::new(&["alignment"]);
    let count = scratch.path("count");
    let script = format!("echo >> '{}'; exec \"$@\"\n", count.display());
    randlab_tests::overwrite(&scratch.path("launch.sh"), script.as_bytes());
    let launcher = "LAUNCH=sh launch.sh";
    let runs = made(&scratch.make_well(&["all", launcher])).len();
    assert_eq!(fs::read_to_string(count).unwrap().lines().count(), runs);
    // One that reads its input does not take away that of whoever called make.
    let script = "cat >> eaten; exec \"$@\"\n";
    randlab_tests::overwrite(&scratch.path("launch.sh"), script.as_bytes());
    let input = fs::File::open(scratch.path("Makefile")).unwrap();
    let mut command = scratch.command(&["all", launcher, "SEEDS=7", "-j1"]);
    assert!(command.stdin(input).output().unwrap().status.success());
    assert_eq!(fs::read(scratch.path("eaten")).unwrap(), b"");
}

/// `make ARGS` fails with code 2 and a line `make: error: LINE`.
fn assert_refused(scratch: &Scratch, args: &[&str], line: &str) {
    let output = scratch.make(args);
    let message = text(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    assert!(message.lines().any(|l| l.ends_with(line)), "{args:?}: {message}");
    assert!(!scratch.path("runs").exists(), "{args:?}");
}

#[test]
fn slips_on_the_command_line_are_refused_before_anything_is_made() {
    let scratch = Scratch::new(&["alignment"]);
    for (slip, line) in [
        ("SCLAE=laptop", "make: error: SCLAE: unknown variable; did you mean SCALE?"),
        ("SEED=3", "make: error: SEED: unknown variable; did you mean SEEDS?"),
        ("lr=0.01", "make: error: lr: unknown variable"),
    ] {
        assert_refused(&scratch, &["alignment", slip], line);
    }
    for name in ["a b", "a=b", "a:b", "a#b", "~a", "a%b", "a;b", "a'b"] {
        let output = scratch.make(&["all", &format!("RUNS={name}")]);
        assert_eq!(output.status.code(), Some(2));
        let message = text(&output);
        let refused = |l: &str| l.starts_with(&format!("make: error: RUNS={name}: contains "));
        assert!(message.lines().any(refused), "{message}");
    }
    let goal = "error: alignmnet: no goal of that name; did you mean alignment?";
    assert_refused(&scratch, &["alignmnet"], goal);
    assert_refused(
        &scratch,
        &["stats"],
        "error: stats: no goal of that name; did you mean status?",
    );
    assert_refused(&scratch, &["all", "SEEDS=1 2 1"], "duplicate seed 1; name each seed once");
    // The environment may hold anything.
    let mut command = scratch.command(&["help"]);
    assert!(command.env("SCLAE", "x").output().unwrap().status.success());
}

#[test]
fn make_says_what_it_can_do() {
    let scratch = Scratch::new(&[]);
    let help = scratch.make_well(&[]);
    for goal in ["all", "smoke", "rerun", "status", "why-%", "test", "data-cifar10", "distclean"] {
        assert!(help.lines().any(|l| l.starts_with(goal)), "{goal}: {help}");
    }
    let graph = scratch.make_well(&["dag", "EXPERIMENT=alignment"]);
    assert!(graph.contains("graph LR") && graph.contains("pretrain alignment random"), "{graph}");
    let refused = scratch.make(&["clean-runs"]);
    assert!(!refused.status.success() && text(&refused).contains("CONFIRM=1"));
    let stages = text(&scratch.run("randlab-plan", &["--stages"]));
    assert_eq!(stages.lines().next(), Some("prepare"));
    for stage in stages.lines() {
        let program = format!("randlab-{stage}");
        let help = text(&scratch.run(&program, &["--help"]));
        assert!(help.contains("Exit codes: 0") && help.contains("--dry-run"), "{help}");
        let script = scratch.run(&program, &["completions", "bash"]);
        assert!(script.status.success() && text(&script).contains("--dry-run"));
    }
    // A reader that has seen enough is no error.
    let pipe = format!("set -o pipefail; {} --formats | head -n 1", bin("randlab-plan").display());
    let output = std::process::Command::new("bash").args(["-c", &pipe]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn filters_of_side_1_see_pixels_and_not_whole_images() {
    let scratch = Scratch::new(&["alignment"]);
    let recipe = "pipelines/experiments/alignment.toml";
    scratch.edit(recipe, "kernel = 3, filters = 32", "kernel = 1, filters = 32");
    let random = r#"labels = { kind = "random", classes = 10 }"#;
    let energy = r#"labels = { kind = "patch-energy", component = 2, kernel = 1, classes = 10 }"#;
    scratch.edit(recipe, random, energy);
    scratch.make_well(&["align"]);
    let rows = scratch.path("runs/smoke/align/alignment.photos.random.s0/alignment.parquet");
    let rows: Vec<AlignmentRow> = read_table(&rows).unwrap();
    assert!(rows.iter().all(|row| row.dim == 3 && row.n_patches == Some(128 * 32 * 32)));
    scratch.edit(recipe, "component = 2", "component = 3");
    let refused = text(&scratch.make(&["pretrain"]));
    let line = "alignment.photos.random.s0.toml: there is no component 3 of 1x1 patches";
    assert!(refused.contains(line), "{refused}");
}

/// The variance along a coordinate axis needs no eigenvectors: it is that of a column of the weights.
#[test]
fn the_analysis_agrees_with_the_weights_it_was_given() {
    let scratch = Scratch::new(&["synthetic", "alignment"]);
    scratch.make_well(&["align"]);
    let run = "synthetic.own.right.s0";
    let weights = scratch.path(&format!("runs/smoke/pretrain/{run}/final.safetensors"));
    let weights = TensorFile::read(&weights).unwrap().tensors.remove("fc1.weight").unwrap();
    let (n, d) = (weights.shape[0], weights.shape[1]);
    let weights = weights.into_f32().unwrap();
    let variance = |column: usize| {
        let values: Vec<f64> = (0..n).map(|row| f64::from(weights[row * d + column])).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64
    };
    let rows = scratch.path(&format!("runs/smoke/align/{run}/spectra.parquet"));
    let rows: Vec<SpectrumRow> = read_table(&rows).unwrap();
    let last = rows.iter().map(|r| r.step).max().unwrap();
    let last: Vec<&SpectrumRow> = rows.iter().filter(|r| r.step == last).collect();
    assert_eq!(last.len(), d);
    for (i, row) in last.iter().enumerate() {
        // The inputs' standard deviations rise from .1 in steps of .1; components fall.
        let std = (d - i) as f64 / 10.0;
        assert!((row.data_eigenvalue - std * std).abs() < 1e-12, "{row:?}");
        assert!((row.weight_variance / variance(d - 1 - i) - 1.0).abs() < 1e-9, "{row:?}");
    }
    let rows = scratch.path("runs/smoke/align/alignment.photos.random.s0/alignment.parquet");
    let rows: Vec<AlignmentRow> = read_table(&rows).unwrap();
    // 128 upstream images of 32x32 have 30x30 windows of 3x3 each.
    assert!(rows.iter().all(|r| r.n_patches == Some(128 * 900) && r.dim == 27), "{rows:?}");
    assert!(rows.iter().all(|r| r.profile_fit_correlation.is_some() == (r.step > 0)));
    // The first step's filters are isotropic: no basis is better than another, up to the spread of random ones.
    let start = &rows[0];
    let (m, mean, sd) = (start.misalignment, start.random_mean, start.random_sd);
    assert!(start.step == 0 && (m.unwrap() - mean.unwrap()).abs() < 5.0 * sd.unwrap(), "{start:?}");
}
