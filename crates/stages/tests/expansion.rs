//! The experiments of this repository and small ones of the tests' own, expanded.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use randlab_core::{RunId, Seed, Split};
use randlab_data::PrepareConfig;
use randlab_pipeline::{Plan, Survey, dag, makefile};
use randlab_recipe::{Dataset, Experiment};
use randlab_report::{Rule, panels};
use randlab_stages::{Align, AlignConfig, Finetune, Prepare, Pretrain, Report, STAGES, expand};
use randlab_studies::ReportConfig;
use randlab_train::TrainConfig;

/// A plan with the configurations of its runs by stage.
struct Runs {
    plan: Plan,
    prepare: BTreeMap<RunId, PrepareConfig>,
    pretrain: BTreeMap<RunId, TrainConfig>,
    finetune: BTreeMap<RunId, TrainConfig>,
    align: BTreeMap<RunId, AlignConfig>,
    report: BTreeMap<RunId, ReportConfig>,
}

impl From<Plan> for Runs {
    fn from(plan: Plan) -> Self {
        Self {
            prepare: plan.configs().unwrap().into_iter().map(|(id, Prepare(c))| (id, c)).collect(),
            pretrain: plan
                .configs()
                .unwrap()
                .into_iter()
                .map(|(id, Pretrain(c))| (id, c))
                .collect(),
            finetune: plan
                .configs()
                .unwrap()
                .into_iter()
                .map(|(id, Finetune(c))| (id, c))
                .collect(),
            align: plan.configs().unwrap().into_iter().map(|(id, Align(c))| (id, c)).collect(),
            report: plan.configs().unwrap().into_iter().map(|(id, Report(c))| (id, c)).collect(),
            plan,
        }
    }
}

/// What make is told where nothing has been made.
fn include(plan: &Plan) -> String {
    makefile(plan, &Survey::of(plan, Path::new("nowhere")))
}

fn pipelines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines")
}

fn shipped(scale: &str) -> Vec<Experiment> {
    let mut paths: Vec<_> = std::fs::read_dir(pipelines().join("experiments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 3);
    paths.iter().map(|path| Experiment::read(path, scale).unwrap()).collect()
}

fn photos() -> Dataset {
    Dataset::read(&pipelines().join("datasets/photos.toml")).unwrap()
}

const SMALL: &str = r#"
title = "t"
summary = "s"
seeds = 2
[data.images]
split = { upstream = 100, downstream = 50, holdout = 10 }
[default]
data = "images"
model = { kind = "mlp", hidden = [8] }
init = { law = "he", scale = { fc1 = 0.3 }, odd_inputs = 1.0 }
align = { random_bases = 5 }
[default.pretrain]
labels = { kind = "random", classes = 10 }
optimizer = { kind = "sgd", momentum = 0.9, weight_decay = 0.0 }
schedule = { kind = "constant", lr = 0.1 }
batch = 10
epochs = 3
checkpoints = { per_octave = 1, layers = 1 }
[panel.a]
[panel.b]
pretrain = { schedule = { kind = "cosine", lr = 0.2 }, epochs = 4 }
[panel.b.finetune]
optimizer = { kind = "adam" }
schedule = { kind = "constant", lr = 0.01 }
batch = 25
epochs = 2
checkpoints = { per_octave = 0, layers = 1 }
[panel.b.downstream]
real = { labels = { kind = "real" } }
random = { labels = { kind = "random", classes = 5 }, epochs = 9 }
[panel.b.variant]
scratch = { layers = 1, weights = "fresh", norm = "fresh" }
pretrained = { layers = 1, weights = "copy", norm = "fresh" }
[scale.laptop]
[scale.smoke]
panel.b.pretrain.epochs = 1
"#;

/// The small experiment with a claim that is judged by `rule`.
fn with_rule(rule: &str) -> String {
    let claim = format!(
        "[[claim]]\nid = \"C1\"\nstatement = \"s\"\nfigure = \"own\"\ncriterion = \"c\"\n\
         rule = {rule}\nbound = {{ above = 0.0 }}\n[scale.laptop]"
    );
    SMALL.replace("[scale.laptop]", &claim)
}

/// Panels of that rule.
fn panels_of(rule: &str) -> Vec<String> {
    let experiment = Experiment::parse("small.toml", &with_rule(rule), "laptop").unwrap();
    let rule: &dyn Rule = experiment.claims[0].rule.as_ref();
    panels(&rule.arms()).into_iter().map(str::to_owned).collect()
}

fn small(text: &str) -> anyhow::Result<Runs> {
    let experiment = Experiment::parse("dir/small.toml", text, "laptop")?;
    expand(&[experiment], &photos(), "laptop", None).map(Runs::from)
}

fn problem(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    small(&SMALL.replace(from, to)).err().unwrap().to_string()
}

#[test]
fn every_shipped_experiment_expands_at_every_scale() {
    for scale in ["smoke", "laptop", "paper"] {
        let plan = Runs::from(expand(&shipped(scale), &photos(), scale, None).unwrap());
        assert!(!plan.finetune.is_empty() && !plan.align.is_empty());
        for (id, run) in plan.pretrain.iter().chain(&plan.finetune) {
            assert!(plan.prepare.contains_key(&run.data), "{id}");
            assert!(run.parent().is_none_or(|p| plan.pretrain.contains_key(p)), "{id}");
            assert_eq!(run.run.scale, scale);
        }
    }
}

#[test]
fn a_panel_becomes_one_run_per_seed_task_and_variant() {
    let plan = small(SMALL).unwrap();
    let names =
        |keys: Vec<&RunId>| keys.iter().map(std::string::ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        names(plan.prepare.keys().collect()),
        ["small.photos.data.images.s0", "small.photos.data.images.s1"]
    );
    assert_eq!(plan.pretrain.len(), 4);
    assert_eq!(plan.finetune.len(), 2 * 2 * 2);
    assert!(
        names(plan.finetune.keys().collect())
            .contains(&"small.photos.b.random.scratch.s1".to_owned())
    );
    // One per pretrain run, and a pool per panel.
    assert_eq!(plan.align.len(), 4 + 2);
    assert_eq!(names(plan.report.keys().collect()), ["photos", "photos.small"]);
}

#[test]
fn paired_runs_share_everything_but_the_start() {
    let plan = small(SMALL).unwrap();
    let run = |variant: &str| {
        let id = format!("small.photos.b.real.{variant}.s1");
        plan.finetune.values().find(|r| r.run.id.as_str() == id).unwrap().clone()
    };
    let (mut scratch, mut pretrained) = (run("scratch"), run("pretrained"));
    assert!(scratch.transfer.is_none() && pretrained.transfer.is_some());
    pretrained.transfer = None;
    for run in [&mut scratch, &mut pretrained] {
        run.run.arm.clear();
        run.run.id = plan.pretrain.keys().next().unwrap().clone();
    }
    assert_eq!(scratch, pretrained);
    // The second phase draws from other streams than the first of any seed.
    let first: Vec<_> = plan.pretrain.values().map(|r| r.seed).collect();
    assert!(!first.contains(&scratch.seed));
    assert_eq!(scratch.split, Split::Downstream);
}

#[test]
fn a_run_is_made_once_whoever_asks_for_it() {
    let parse = |name: &str, text: &str| Experiment::parse(name, text, "laptop").unwrap();
    // Another net, so that nothing but the data is the same.
    let other = SMALL.replace("hidden = [8]", "hidden = [9]");
    let plan = |second: &str| {
        let both = [parse("small.toml", SMALL), parse("twin.toml", second)];
        Runs::from(expand(&both, &photos(), "laptop", None).unwrap())
    };
    let (twin, sibling) = (plan(SMALL), plan(&other));
    let counts = |p: &Runs| [p.prepare.len(), p.pretrain.len(), p.finetune.len(), p.align.len()];
    assert_eq!(counts(&twin), counts(&small(SMALL).unwrap()));
    assert_eq!(counts(&sibling), [2, 8, 16, 12]);
    // The page of the twin reads the shared runs under its own names.
    let page = twin.report.values().find(|r| r.id.as_str() == "photos.twin").unwrap();
    let runs = &page.experiments[0].runs;
    assert!(runs.iter().all(|r| r.info.id.as_str().starts_with("small.")));
    assert!(runs.iter().all(|r| r.info.experiment == "twin"));
}

#[test]
fn a_task_can_leave_variants_out() {
    let fewer = SMALL.replace("epochs = 9 }", "epochs = 9, variants = [\"scratch\"] }");
    let plan = small(&fewer).unwrap();
    assert_eq!(plan.finetune.len(), 2 * (2 + 1));
    assert!(problem("epochs = 9 }", "epochs = 9, variants = [\"scrath\"] }").contains("scrath"));
    assert!(problem("epochs = 9 }", "epochs = 9, variants = 3 }").contains("list of names"));
}

#[test]
fn layers_are_drawn_one_after_the_other() {
    let deep = SMALL.replace("hidden = [8]", "hidden = [8, 8, 8]").replace(
        "weights = \"copy\", norm = \"fresh\" }",
        "weights = \"copy\", norm = \"fresh\" }\ndrawn = { layers = 3, weights = \"covariance\", norm = \"fresh\" }",
    );
    let plan = small(&deep).unwrap();
    let run = |id: &str| plan.pretrain.values().find(|r| r.run.id.as_str() == id).unwrap();
    let first = run("small.photos.b.drawn1.s0");
    let second = run("small.photos.b.drawn2.s0");
    let shown = |parent: Option<&RunId>| parent.map(ToString::to_string);
    assert_eq!(shown(first.parent()).as_deref(), Some("small.photos.b.s0"));
    assert_eq!(shown(second.parent()).as_deref(), Some("small.photos.b.drawn1.s0"));
    assert_eq!((run("small.photos.b.s0").frozen, first.frozen, second.frozen), (0, 1, 2));
    let end = plan.finetune.values().find(|r| r.run.id.as_str() == "small.photos.b.real.drawn.s0");
    assert_eq!(shown(end.unwrap().parent()).as_deref(), Some("small.photos.b.drawn2.s0"));
    let edge = "$(R)/pretrain/small.photos.b.drawn2.s0/run.json: \\\n  \
                $(R)/prepare/small.photos.data.images.s0/run.json \\\n  \
                $(R)/pretrain/small.photos.b.drawn1.s0/run.json\n";
    assert!(include(&plan.plan).contains(edge));
}

#[test]
fn defaults_panels_tasks_and_scales_are_laid_over_each_other() {
    let epochs = |text: &str, scale: &str| {
        let e = Experiment::parse("small.toml", text, scale).unwrap();
        (
            e.panels["a"].pretrain.epochs,
            e.panels["b"].pretrain.epochs,
            e.panels["b"].downstream["random"].phase.epochs,
        )
    };
    assert_eq!(epochs(SMALL, "laptop"), (3, 4, 9));
    assert_eq!(epochs(SMALL, "smoke"), (3, 1, 9));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "files of a test need not survive a crash")]
fn an_experiment_can_lie_over_another() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("small.toml", SMALL);
    write(
        "wide.toml",
        "title = \"w\"\nsummary = \"s\"\nbase = \"small\"\nseeds = 3\n[default]\nmodel.hidden = [16]\n[panel.b]\n[panel.c]\npretrain.epochs = 7\n[scale.laptop]\n[scale.smoke]\n",
    );
    let read = |name: &str, scale| Experiment::read(&dir.path().join(name), scale);
    let wide = read("wide.toml", "laptop").unwrap();
    assert_eq!(wide.panels.keys().collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!((wide.panels["b"].pretrain.epochs, wide.panels["c"].pretrain.epochs), (4, 7));
    assert_eq!(wide.panels["b"].seeds.len(), 3);
    // The scale is that of both files.
    assert_eq!(read("wide.toml", "smoke").unwrap().panels["b"].pretrain.epochs, 1);
    write("lost.toml", "base = \"nowhere\"\n[scale.laptop]\n");
    let lost = read("lost.toml", "laptop").unwrap_err().to_string();
    assert!(lost.contains("nowhere.toml: cannot read"), "{lost}");
}

#[test]
fn asked_for_seeds_take_the_place_of_all_others() {
    let experiment = Experiment::parse("small.toml", SMALL, "laptop").unwrap();
    let plan = expand(&[experiment], &photos(), "laptop", Some(&[Seed::new(900), Seed::new(901)]))
        .unwrap();
    let plan = Runs::from(plan);
    let last = |id: &RunId| id.as_str().rsplit('.').next().unwrap().to_owned();
    assert!(plan.pretrain.keys().all(|id| ["s900", "s901"].contains(&last(id).as_str())));
    // Pages and pools of other seeds stay beside those of the panels' own.
    let names: Vec<&str> = plan.report.keys().map(RunId::as_str).collect();
    assert_eq!(names, ["photos.s900-901", "photos.small.s900-901"]);
    assert!(plan.align.keys().any(|id| id.as_str() == "small.photos.a.pool.s900-901"));
}

#[test]
fn the_graph_has_a_node_per_stage_or_the_panels_of_one_experiment() {
    let plan = expand(&shipped("laptop"), &photos(), "laptop", None).unwrap();
    let whole = dag(&plan, None).unwrap();
    assert!(whole.lines().count() <= 60, "{whole}");
    assert!(STAGES.iter().all(|stage| whole.contains(stage.name())), "{whole}");
    let one = dag(&plan, Some("alignment")).unwrap();
    assert!(one.contains("pretrain alignment random (") && one.contains("report ("), "{one}");
    assert!(!one.contains("finetune"), "{one}");
    assert!(dag(&plan, Some("nothing")).is_none());
}

#[test]
fn every_stage_has_a_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    for stage in STAGES {
        let path = folder.join(format!("randlab-{}.rs", stage.name()));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("randlab_stages::main::<"), "{}", path.display());
    }
}

#[test]
fn make_sees_every_run_and_its_edges() {
    let text = include(&small(SMALL).unwrap().plan);
    let edge = "$(R)/finetune/small.photos.b.real.pretrained.s0/run.json: \\\n  \
                $(R)/prepare/small.photos.data.images.s0/run.json \\\n  \
                $(R)/pretrain/small.photos.b.s0/run.json\n";
    assert!(text.contains(edge), "{text}");
    let scratch = "$(R)/finetune/small.photos.b.real.scratch.s0/run.json: \\\n  \
                   $(R)/prepare/small.photos.data.images.s0/run.json\n";
    assert!(text.contains(scratch), "{text}");
    assert!(text.contains("AGAIN_align := \\\n  small.photos.a.pool \\\n"), "{text}");
    assert!(text.contains("GOAL_small := \\\n  report/photos.small\n"), "{text}");
    assert_eq!(text, include(&small(SMALL).unwrap().plan));
}

#[test]
fn mistakes_name_the_file_and_the_place() {
    assert_eq!(
        Experiment::parse("small.toml", "seeds = [", "laptop")
            .unwrap_err()
            .to_string()
            .split(':')
            .next(),
        Some("small.toml")
    );
    let unknown = problem("[panel.a]", "[panel.a]\npretrain.epoch = 3");
    assert!(
        unknown.contains("small.toml") && unknown.contains("panel.a") && unknown.contains("epoch"),
        "{unknown}"
    );
    // Variants of tagged enums check their keys too.
    let labels = problem("{ kind = \"real\" }", "{ kind = \"real\", classes = 3 }");
    assert!(labels.contains("downstream.real") && labels.contains("classes"), "{labels}");
    assert!(problem("data = \"images\"", "data = \"image\"").contains("no [data.image]"));
    assert!(problem("batch = 25", "batch = 60").contains("larger than the 50 images"));
    assert!(problem("classes = 5", "classes = 1").contains("2 classes"));
    for (key, from) in [
        ("seeds", "seeds = 2"),
        ("upstream", "upstream = 100"),
        ("random_bases", "random_bases = 5"),
        ("batch", "batch = 25"),
        ("epochs", "epochs = 9"),
        ("per_octave", "per_octave = 1"),
        ("classes", "classes = 5"),
    ] {
        let refused = problem(from, &format!("{key} = 4000000000"));
        let range = format!("{key} = 4000000000 is out of range (");
        assert!(refused.contains("small.toml") && refused.contains(&range), "{refused}");
    }
    assert!(problem("seeds = 2", "seeds = 0").contains("seeds = 0 is out of range (1 to 10000)"));
    let missing = Experiment::parse("small.toml", SMALL, "huge").unwrap_err().to_string();
    assert!(missing.contains("[scale.huge]"), "{missing}");
    let unread = Experiment::read(Path::new("nowhere.toml"), "laptop").unwrap_err().to_string();
    assert!(unread.starts_with("nowhere.toml: cannot read"), "{unread}");
}

/// What is wrong with the small experiment once it has a figure drawn by `draw`.
fn drawing_problem(draw: &str) -> String {
    let figure = format!(
        "[[figure]]\nid = \"f\"\ntitle = \"t\"\ncaption = \"c\"\ndraw = {draw}\n[scale.laptop]"
    );
    match small(&SMALL.replace("[scale.laptop]", &figure)) {
        Ok(_) => String::new(),
        Err(problem) => problem.to_string(),
    }
}

#[test]
fn drawings_name_what_exists() {
    const PAIR: &str =
        r#"{ panel = "b", downstream = "real", variant = "pretrained", baseline = "scratch" }"#;
    let good = [
        r#"{ kind = "learning-curves", panel = "b", downstream = ["real"], variants = ["scratch"] }"#,
        r#"{ kind = "learning-curves", panel = "b", downstream = ["real"], variants = ["scratch"], held_out = true }"#,
        r#"{ kind = "gains", panels = ["b"], downstream = ["real", "random"], variants = ["pretrained"], baseline = "scratch" }"#,
        r#"{ kind = "activity", panels = ["b"], downstream = "real", variant = "pretrained" }"#,
        r#"{ kind = "activity-histogram", panels = ["b"], downstream = "real", variant = "pretrained" }"#,
        r#"{ kind = "signal", pairs = [PAIR] }"#,
        r#"{ kind = "map", rows = ["r"], columns = ["c", "d"], cells = [{ row = "r", column = "c", pair = PAIR }] }"#,
    ]
    .map(|draw| draw.replace("PAIR", PAIR));
    for draw in &good {
        assert_eq!(drawing_problem(draw), "", "{draw}");
    }
    let wrong = |i: usize, from: &str, to: &str| drawing_problem(&good[i].replacen(from, to, 1));
    assert!(wrong(2, "baseline = \"scratch\"", "baseline = \"none\"").contains("no variant.none"));
    assert!(wrong(3, "[\"b\"]", "[\"b\", \"a\"]").contains("panel a has no downstream.real"));
    assert!(wrong(4, "\"real\"", "\"none\"").contains("no downstream.none"));
    assert!(wrong(5, "\"pretrained\"", "\"none\"").contains("no variant.none"));
    assert!(wrong(6, "\"d\"", "\"c\"").contains("duplicate label \"c\""));
    assert!(wrong(6, "row = \"r\"", "row = \"s\"").contains("in no row and column"));
    assert!(wrong(6, "\"scratch\"", "\"none\"").contains("cell \"r\", \"c\": panel b has no"));
    let wide = wrong(6, "\"d\"", "\"d\", \"e\", \"f\", \"g\", \"h\"");
    assert!(wide.contains("6 columns; 5 fit"), "{wide}");
    let cell = format!("{{ row = \"r\", column = \"c\", pair = {PAIR} }}");
    let twice = wrong(6, &cell, &format!("{cell}, {cell}"));
    assert!(twice.contains("duplicate cell \"r\", \"c\""), "{twice}");
}

#[test]
fn rules_name_panels_tasks_and_variants_that_exist() {
    let own =
        r#"{ panel = "b", downstream = "real", variant = "pretrained", baseline = "scratch" }"#;
    let pairs = |n: usize| format!("[{}]", vec![own; n].join(", "));
    let whole = r#"downstream = "real", variant = "pretrained""#;
    let rules = [
        format!(r#"{{ kind = "gain-difference", pair = {own}, other = {own} }}"#),
        format!(r#"{{ kind = "gain-trend", pairs = {} }}"#, pairs(3)),
        format!(r#"{{ kind = "held-out-gain", pair = {own} }}"#),
        format!(r#"{{ kind = "activity-ratio", panel = "b", other = "b", {whole}, layers = 4 }}"#),
        format!(r#"{{ kind = "activity-share", pair = {own}, layers = 4, at = "first-epoch" }}"#),
        format!(r#"{{ kind = "switch-drop", panel = "b", {whole}, layers = 4 }}"#),
        format!(r#"{{ kind = "depth-trend", panel = "b", {whole} }}"#),
        format!(r#"{{ kind = "signal-rank", pairs = {} }}"#, pairs(2)),
    ];
    let refused = |rule: &str, part: &str| {
        let problem = small(&with_rule(rule)).err().unwrap().to_string();
        assert!(problem.contains("claim \"C1\"") || problem.contains("rule"), "{problem}");
        assert!(problem.contains(part), "{problem}");
    };
    for rule in &rules {
        small(&with_rule(rule)).unwrap();
        refused(&rule.replace("pretrained", "pre-trained"), "no variant.pre-trained");
        refused(&rule.replace("real", "unreal"), "no downstream.unreal");
        refused(&rule.replace("\"b\"", "\"c\""), "no [panel.c]");
    }
    let profile = r#"{ kind = "profile-correlation", panel = "a", other = "b" }"#;
    small(&with_rule(profile)).unwrap();
    refused(&profile.replace("\"b\"", "\"c\""), "no [panel.c]");
    refused(&rules[1].replace(&pairs(3), &pairs(2)), "2 pairs; at least 3");
    refused(&rules[7].replace(&pairs(2), &pairs(1)), "1 pairs; at least 2");
    refused(&rules[4].replace('4', "0"), "layers must be at least 1");
    refused(&rules[5].replace('4', "0"), "layers must be at least 1");
    refused(&rules[4].replace("first-epoch", "last-epoch"), "last-epoch");
}

#[test]
fn a_rule_reads_each_of_its_panels_once() {
    let pair = |panel: &str| {
        let rest = r#"downstream = "real", variant = "pretrained", baseline = "scratch""#;
        format!(r#"{{ panel = "{panel}", {rest} }}"#)
    };
    let (b, c) = (pair("b"), pair("c"));
    let list =
        |kind: &str| panels_of(&format!(r#"{{ kind = "{kind}", pairs = [{b}, {c}, {b}] }}"#));
    assert_eq!(list("gain-trend"), ["b", "c"]);
    assert_eq!(list("signal-rank"), ["b", "c"]);
    let difference =
        |other| format!(r#"{{ kind = "gain-difference", pair = {b}, other = {other} }}"#);
    assert_eq!(panels_of(&difference(&c)), ["b", "c"]);
    assert_eq!(panels_of(&difference(&b)), ["b"]);
}
