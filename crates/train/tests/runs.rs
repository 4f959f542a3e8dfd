//! Whole training runs on a small Gaussian dataset: what they leave, and that a kill changes nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{cell::Cell, collections::BTreeMap, fs, path::Path, time::Duration};

use randlab_core::{Digest, RunId, RunInfo, Seed, Split};
use randlab_data::{
    Dataset, LabelRow, PrepareConfig, SplitSizes,
    labels::{PatchEnergy, Random, Real},
    prepare,
    source::{Gaussian, Rotation},
};
use randlab_nn::{
    Adam, Checkpoint, Constant, InitSpec, Laws, Losses, MeanSquaredError, Mlp, ResNet, RunsOn, Sgd,
    Stem,
};
use randlab_store::{
    RunDir, Status,
    table::{ActivityRow, LayerRow, MetricRow, RunRow, read_table},
};
use randlab_train::{
    Checkpoints, Hooks, Inputs, Norms, Outcome, Phase, Progress, Starts, TrainConfig, TrainError,
    Transfer, train,
};

fn id(name: &str) -> RunId {
    RunId::try_from(name.to_owned()).unwrap()
}

fn info(name: &str) -> RunInfo {
    RunInfo {
        id: id(name),
        experiment: "test".into(),
        panel: "p".into(),
        arm: String::new(),
        scale: "smoke".into(),
        seed: Seed::new(1),
    }
}

fn dataset(dir: &Path) -> Dataset {
    let config = PrepareConfig {
        run: info("data"),
        split: SplitSizes { upstream: 60, downstream: 40, holdout: 10 },
        source: Gaussian { std: vec![0.5, 1.0, 1.5, 2.0], rotation: Rotation::None {} }.into(),
    };
    prepare(&config, &mut |_, _| {}).unwrap().write(dir, &config).unwrap();
    Dataset::open(dir).unwrap()
}

fn phase() -> Phase {
    Phase {
        labels: Random { classes: 3 }.into(),
        loss: Losses::default(),
        optimizer: Sgd { momentum: 0.9, weight_decay: 0.0 }.into(),
        schedule: Constant { lr: 0.05 }.into(),
        batch: 16,
        epochs: 160,
        stop_at: None,
        target: Some(0.95),
        checkpoints: Checkpoints { per_octave: 1, layers: 1 },
        activity: Some(1),
    }
}

fn config() -> TrainConfig {
    with(phase())
}

fn with(phase: Phase) -> TrainConfig {
    TrainConfig {
        run: info("run"),
        seed: Seed::new(2),
        data: id("data"),
        split: Split::Upstream,
        model: Mlp { hidden: vec![64, 32] }.into(),
        init: InitSpec::of(Laws::He),
        transfer: None,
        frozen: 0,
        phase,
    }
}

/// Leaves after `stop_after` calls; saves after every step if `eager`.
struct Test {
    stop_after: u64,
    eager: bool,
    calls: Cell<u64>,
    warned: Vec<String>,
}

impl Test {
    fn never() -> Self {
        Self { stop_after: u64::MAX, eager: false, calls: Cell::new(0), warned: Vec::new() }
    }
}

impl Hooks for Test {
    fn stop(&self) -> bool {
        self.calls.set(self.calls.get() + 1);
        self.calls.get() >= self.stop_after
    }

    fn progress(&mut self, _: &Progress) {}

    fn warn(&mut self, line: &str) {
        self.warned.push(line.to_owned());
    }

    fn save_every(&self) -> Duration {
        if self.eager { Duration::ZERO } else { Duration::from_hours(1) }
    }
}

fn run(
    config: &TrainConfig,
    data: &Dataset,
    dir: &Path,
    hooks: &mut Test,
) -> Result<Outcome, TrainError> {
    let run = RunDir::open(dir).unwrap();
    let inputs = Inputs { data, parent: None, device: &RunsOn::CPU };
    train(config, &Digest::of(format!("{config:?}").as_bytes()), &inputs, &run, hooks)
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in [dir.to_owned(), dir.join("checkpoints")] {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.path().strip_prefix(dir).unwrap().display().to_string();
            if entry.path().is_file() && !["resume.safetensors", ".lock"].contains(&name.as_str()) {
                files.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

#[test]
fn a_run_fits_random_labels_and_leaves_its_tables() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let out = dir.path().join("run");
    let Outcome::Finished { status, files, accuracy, .. } =
        run(&config(), &data, &out, &mut Test::never()).unwrap()
    else {
        panic!("stopped")
    };
    assert!(status == Status::Ok && accuracy >= 0.95, "{accuracy}");
    for name in &files {
        assert!(out.join(name).exists(), "{name}");
    }
    assert!(files.contains(&"checkpoints/step-000000128.safetensors".to_owned()), "{files:?}");
    let labels: Vec<LabelRow> = read_table(&out.join("labels.parquet")).unwrap();
    assert_eq!(labels.len(), 60);
    assert!(labels.iter().all(|r| r.stage == "pretrain"));
    assert!(labels.iter().all(|r| r.real.is_none() && r.assigned.is_some_and(|y| y < 3)));
    let runs: Vec<RunRow> = read_table(&out.join("runs.parquet")).unwrap();
    assert_eq!(
        (runs[0].steps, runs[0].n_parameters),
        (Some(480), Some(4 * 64 + 64 + 64 * 32 + 32 + 32 * 3 + 3))
    );
    let metrics: Vec<MetricRow> = read_table(&out.join("metrics.parquet")).unwrap();
    let first = metrics.iter().find(|m| m.pass == "batch" && m.metric == "loss" && m.step == 0);
    assert!((first.unwrap().value - 3f64.ln()).abs() < 1.0);
    let epochs = metrics.iter().filter(|m| m.pass == "epoch" && m.metric == "accuracy");
    assert_eq!(epochs.clone().count(), 160);
    assert!(epochs.clone().all(|m| m.count == Some(48)));
    // Intermediate checkpoints hold the layers asked for, the last one all.
    let early = Checkpoint::read(&out.join(Checkpoint::name(0))).unwrap();
    assert_eq!(early.parameters.keys().collect::<Vec<_>>(), ["fc1.bias", "fc1.weight"]);
    let last = Checkpoint::read(&out.join(Checkpoint::FINAL)).unwrap();
    assert_eq!((last.parameters.len(), last.header.step), (6, 480));
}

#[test]
fn a_run_stopped_anywhere_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let mlp = with(Phase { epochs: 8, ..phase() });
    // With running statistics, which are no parameters.
    let model = ResNet { depth: 18, stem: Stem::Cifar, width: 0.0625 }.into();
    let configs = [
        with(Phase { optimizer: Adam {}.into(), ..mlp.phase.clone() }),
        mlp.clone(),
        TrainConfig { model, ..mlp },
    ];
    for (i, config) in configs.iter().enumerate() {
        let out = |name: &str| dir.path().join(format!("{name}-{i}"));
        run(config, &data, &out("whole"), &mut Test::never()).unwrap();
        for stop_after in [1, 2, 4, 7] {
            let mut hooks = Test { stop_after, ..Test::never() };
            let outcome = run(config, &data, &out("pieces"), &mut hooks).unwrap();
            assert!(matches!(outcome, Outcome::Stopped { .. }));
        }
        run(config, &data, &out("pieces"), &mut Test::never()).unwrap();
        assert!(contents(&out("whole")) == contents(&out("pieces")));
        // Saving all the time changes nothing either.
        run(config, &data, &out("eager"), &mut Test { eager: true, ..Test::never() }).unwrap();
        assert!(contents(&out("whole")) == contents(&out("eager")));
    }
    // A kept layer has its batch norm with it.
    let early = Checkpoint::read(&dir.path().join("whole-2").join(Checkpoint::name(0))).unwrap();
    let names = ["bn1.bias", "bn1.running_mean", "bn1.running_var", "bn1.weight", "conv1.weight"];
    assert_eq!(early.parameters.keys().collect::<Vec<_>>(), names);
    // Its norms count as parameters, their running statistics do not.
    let last = Checkpoint::read(&dir.path().join("whole-2").join(Checkpoint::FINAL)).unwrap();
    let trained = last.parameters.iter().filter(|(name, _)| !name.contains("running"));
    let count: usize = trained.map(|(_, p)| p.values.len()).sum();
    let runs: Vec<RunRow> = read_table(&dir.path().join("whole-2/runs.parquet")).unwrap();
    assert_eq!(runs[0].n_parameters, i64::try_from(count).ok());
}

#[test]
fn a_damaged_state_is_refused_by_name_and_the_run_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let config = with(Phase { epochs: 6, ..phase() });
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    run(&config, &data, &whole, &mut Test::never()).unwrap();
    run(&config, &data, &broken, &mut Test { stop_after: 13, ..Test::never() }).unwrap();
    let file = broken.join("resume.safetensors");
    let good = fs::read(&file).unwrap();
    let header = usize::try_from(u64::from_le_bytes(*good.first_chunk().unwrap())).unwrap();
    // Spread over the whole file, and over its header.
    let flips = (0..60).map(|i| i * good.len() / 60).chain((0..60).map(|i| 8 + i * header / 60));
    let mut refused = 0;
    for (i, at) in flips.enumerate() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (i % 8);
        randlab_store::publish(&file, &bytes).unwrap();
        let mut hooks = Test::never();
        run(&config, &data, &broken, &mut hooks).unwrap();
        assert!(contents(&whole) == contents(&broken), "bit {} of byte {at}", i % 8);
        assert!(hooks.warned.iter().all(|line| line.contains("broken/resume.safetensors: ")));
        refused += hooks.warned.len();
    }
    assert!(refused >= 118, "{refused}");
    // The untouched one is used.
    randlab_store::publish(&file, &good).unwrap();
    let mut hooks = Test::never();
    run(&config, &data, &broken, &mut hooks).unwrap();
    assert!(hooks.warned.is_empty() && hooks.calls.get() == 5, "{:?}", hooks.calls);
}

#[test]
fn state_of_another_configuration_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let (plain, mixed) = (dir.path().join("plain"), dir.path().join("mixed"));
    let other = TrainConfig { seed: Seed::new(9), ..config() };
    run(&other, &data, &mixed, &mut Test { stop_after: 20, ..Test::never() }).unwrap();
    run(&config(), &data, &mixed, &mut Test::never()).unwrap();
    run(&config(), &data, &plain, &mut Test::never()).unwrap();
    assert!(contents(&plain) == contents(&mixed));
}

#[test]
fn damaged_state_is_named_and_not_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let out = dir.path().join("run");
    run(&config(), &data, &out, &mut Test { stop_after: 5, ..Test::never() }).unwrap();
    let state = out.join("resume.safetensors");
    let half = fs::read(&state).unwrap();
    randlab_store::publish(&state, &half[..half.len() / 2]).unwrap();
    let mut hooks = Test::never();
    run(&config(), &data, &out, &mut hooks).unwrap();
    let [line] = &hooks.warned[..] else { panic!("{:?}", hooks.warned) };
    assert!(line.contains("resume.safetensors: ") && line.contains("from the beginning"), "{line}");
    // All 480 steps, none of them taken over.
    assert_eq!(hooks.calls.get(), 480);
}

#[test]
fn a_run_below_its_target_is_marked() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let short = with(Phase { epochs: 1, ..phase() });
    let outcome = run(&short, &data, &dir.path().join("run"), &mut Test::never()).unwrap();
    assert!(matches!(outcome, Outcome::Finished { status: Status::NotConverged, .. }));
    let runs: Vec<RunRow> = read_table(&dir.path().join("run/runs.parquet")).unwrap();
    assert_eq!(runs[0].status, "not_converged");
}

#[test]
fn training_stops_after_the_epoch_that_is_good_enough() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let early = with(Phase { stop_at: Some(0.6), ..phase() });
    run(&early, &data, &dir.path().join("run"), &mut Test::never()).unwrap();
    let metrics: Vec<MetricRow> = read_table(&dir.path().join("run/metrics.parquet")).unwrap();
    let epochs: Vec<f64> = metrics
        .iter()
        .filter(|m| m.pass == "epoch" && m.metric == "accuracy")
        .map(|m| m.value)
        .collect();
    let (last, before) = epochs.split_last().unwrap();
    assert!(*last >= 0.6 && before.iter().all(|a| *a < 0.6) && epochs.len() < 160, "{epochs:?}");
}

#[test]
fn frozen_layers_keep_their_weights_and_the_others_learn() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let frozen = TrainConfig { frozen: 1, ..with(Phase { epochs: 5, ..phase() }) };
    let folder = dir.path().join("run");
    run(&frozen, &data, &folder, &mut Test::never()).unwrap();
    let read = |name: &str| Checkpoint::read(&folder.join(name)).unwrap().parameters;
    let (start, end) = (read(&Checkpoint::name(0)), read(Checkpoint::FINAL));
    assert_eq!(start["fc1.weight"], end["fc1.weight"]);
    assert!(end["fc1.bias"].values.iter().all(|&b| b == 0.0));
    let layers = read_table::<LayerRow>(&folder.join("layers.parquet")).unwrap();
    let moved = |name: &str| {
        let ratio = |r: &&LayerRow| r.layer == name && r.metric == "weight_norm_ratio";
        layers.iter().filter(ratio).any(|r| (r.value - 1.0).abs() > 1e-3)
    };
    assert!(!moved("fc1") && moved("fc2") && moved("head"));
}

/// The last value of a metric of a layer on held-out images.
fn measured(folder: &Path, layer: &str, metric: &str, step: i64) -> f64 {
    let rows = read_table::<LayerRow>(&folder.join("layers.parquet")).unwrap();
    let row = rows.iter().find(|r| (&*r.layer, &*r.metric, r.step) == (layer, metric, step));
    row.unwrap().value
}

#[test]
fn activity_counts_units_above_zero_on_held_out_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let folder = dir.path().join("run");
    run(&with(Phase { epochs: 1, ..phase() }), &data, &folder, &mut Test::never()).unwrap();
    let weight =
        &Checkpoint::read(&folder.join(Checkpoint::name(0))).unwrap().parameters["fc1.weight"];
    let inputs = data.standardised(Split::Holdout);
    // By hand: 10 inputs of 4 numbers, 64 units of 4 weights, no bias yet.
    let on = |unit: &[f32]| {
        let output = |x: &[f32]| x.iter().zip(unit).map(|(a, b)| a * b).sum::<f32>();
        inputs.chunks_exact(4).filter(|x| output(x) > 0.0).count()
    };
    let counts: Vec<i64> =
        weight.values.chunks_exact(4).map(|unit| i64::try_from(on(unit)).unwrap()).collect();
    let share = counts.iter().sum::<i64>() as f64 / 640.0;
    assert!((measured(&folder, "fc1", "active_fraction", 0) - share).abs() < 1e-12);
    let rows = read_table::<ActivityRow>(&folder.join("activity.parquet")).unwrap();
    for row in rows.iter().filter(|r| r.step == 0 && r.layer == "fc1") {
        let same = counts.iter().filter(|&&c| c == i64::from(row.active_on)).count();
        assert_eq!((row.n_units, row.n_images), (i64::try_from(same).unwrap(), 10));
    }
    assert_eq!(rows.iter().filter(|r| r.step == 3).map(|r| r.n_units).sum::<i64>(), 64 + 32);
}

#[test]
fn patch_energy_labels_rank_inputs_along_one_direction() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let labels = |component| {
        let labels = PatchEnergy { component, kernel: 1, classes: 3 }.into();
        let folder = dir.path().join(format!("run{component}"));
        let config = with(Phase { labels, epochs: 1, ..phase() });
        run(&config, &data, &folder, &mut Test::never())?;
        let mut rows = read_table::<LabelRow>(&folder.join("labels.parquet")).unwrap();
        rows.sort_by_key(|r| r.image_id);
        Ok::<_, TrainError>(rows.iter().map(|r| r.assigned.unwrap()).collect::<Vec<_>>())
    };
    let labels_of_first = labels(0).unwrap();
    // Standardised inputs have nearly equal variances, so the first direction is none of the axes; any one separates classes
    // in the energy along itself and has three of 20.
    assert_eq!([0, 1, 2].map(|c| labels_of_first.iter().filter(|&&l| l == c).count()), [20; 3]);
    assert_ne!(labels_of_first, labels(3).unwrap());
    assert!(labels(4).unwrap_err().to_string().contains("component"));
}

#[test]
fn outputs_can_be_made_as_large_as_those_of_another_net() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let folder = |name: &str| dir.path().join(name);
    run(&config(), &data, &folder("parent"), &mut Test::never()).unwrap();
    let parent = Checkpoint::read(&folder("parent").join(Checkpoint::FINAL)).unwrap();
    let rms = |name: &str, weights, norm| {
        let transfer = Transfer { parent: Some(id("parent")), layers: 2, weights, norm };
        let transfer = Some(transfer).filter(|_| name != "fresh");
        let config =
            TrainConfig { seed: Seed::new(9), transfer, ..with(Phase { epochs: 1, ..phase() }) };
        let inputs =
            Inputs { data: &data, parent: Some(("parent", &parent)), device: &RunsOn::CPU };
        let dir = RunDir::open(&folder(name)).unwrap();
        train(&config, &Digest::of(name.as_bytes()), &inputs, &dir, &mut Test::never()).unwrap();
        ["fc1", "fc2"].map(|layer| measured(&folder(name), layer, "output_rms", 0))
    };
    let close = |a: [f64; 2], b: [f64; 2]| a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 1e-5);
    let fresh = rms("fresh", Starts::Fresh, Norms::Fresh);
    let copy = rms("copy", Starts::Copy, Norms::Fresh);
    assert!(!close(fresh, copy));
    assert!(close(rms("restored", Starts::Copy, Norms::FreshOutput), fresh));
    assert!(close(rms("shrunk", Starts::Fresh, Norms::CopyOutput), copy));
}

#[test]
fn another_loss_is_trained_with_and_the_default_one_is_left_out_of_configurations() {
    assert!(!serde_json::to_string(&config()).unwrap().contains("\"loss\""));
    let squares = with(Phase { loss: MeanSquaredError {}.into(), epochs: 40, ..phase() });
    let text = serde_json::to_string(&squares).unwrap();
    assert!(text.contains(r#""loss":{"kind":"mean-squared-error"}"#), "{text}");
    assert_eq!(serde_json::from_str::<TrainConfig>(&text).unwrap(), squares);
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    run(&squares, &data, &dir.path().join("run"), &mut Test::never()).unwrap();
    let metrics: Vec<MetricRow> = read_table(&dir.path().join("run/metrics.parquet")).unwrap();
    let whole = metrics.iter().filter(|m| m.pass == "full" && m.metric == "loss");
    let losses: Vec<f64> = whole.filter(|m| m.split == "upstream").map(|m| m.value).collect();
    // With classes one-hot, three outputs of a third each would have 2/9.
    assert!(losses.len() == 2 && losses[1] < 2.0 / 9.0 && losses[1] < losses[0], "{losses:?}");
}

#[test]
fn a_number_that_is_none_stops_the_run_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let wild = with(Phase { schedule: Constant { lr: 1e30 }.into(), ..phase() });
    let error = run(&wild, &data, &dir.path().join("run"), &mut Test::never()).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { .. }), "{error}");
    assert!(error.to_string().contains("at step"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(&dir.path().join("data"));
    let message = |config: &TrainConfig| {
        run(config, &data, &dir.path().join("run"), &mut Test::never()).unwrap_err().to_string()
    };
    let real = with(Phase { labels: Real {}.into(), ..phase() });
    assert!(message(&real).contains("gaussian has no real labels"));
    assert!(message(&with(Phase { batch: 100, ..phase() })).contains("larger than the 60 images"));
    let transfer = Transfer {
        parent: Some(id("parent")),
        layers: 1,
        weights: Starts::Copy,
        norm: Norms::Fresh,
    };
    let orphan = TrainConfig { transfer: Some(transfer), ..config() };
    assert!(message(&orphan).contains("needs the last checkpoint of parent"));
}
