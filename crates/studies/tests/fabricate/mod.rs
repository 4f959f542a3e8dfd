//! Small run folders, written as the stages write theirs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use randlab_core::{Digest, RunId, RunInfo, Seed};
use randlab_data::LabelRow;
use randlab_report::ReportedRun;
use randlab_store::{
    FileRef, Manifest, Status, TensorData, TensorFile, publish,
    table::{
        ActivityRow, AlignmentRow, LayerRow, MetricRow, RunRow, SpectrumRow, Table, TableInfo,
        TimingRow, read_table, write_table,
    },
};

/// Tables of runs, as the report stage lists them.
pub const TABLES: [TableInfo; 8] = [
    TableInfo::of::<RunRow>(),
    TableInfo::of::<LabelRow>(),
    TableInfo::of::<MetricRow>(),
    TableInfo::of::<LayerRow>(),
    TableInfo::of::<ActivityRow>(),
    TableInfo::of::<AlignmentRow>(),
    TableInfo::of::<SpectrumRow>(),
    TableInfo::of::<TimingRow>(),
];

/// Writes a table of a run and enters it into the manifest, which must be there.
pub fn write<T: Table>(dir: &Path, rows: Vec<T>) {
    let name = format!("{}.parquet", T::NAME);
    write_table(&dir.join(&name), rows).unwrap();
    let mut manifest = Manifest::read(dir).unwrap();
    if manifest.outputs.iter().all(|file| file.name != name) {
        let blake3 = Digest::of(name.as_bytes());
        manifest.outputs.push(FileRef { name, bytes: 1, blake3 });
        publish(&dir.join(Manifest::NAME), &serde_json::to_vec(&manifest).unwrap()).unwrap();
    }
}

pub fn info(stage: &str, id: &str, panel: &str, arm: &str, seed: u32) -> ReportedRun {
    let info = RunInfo {
        id: RunId::try_from(id.to_owned()).unwrap(),
        experiment: "trial".to_owned(),
        panel: panel.to_owned(),
        arm: arm.to_owned(),
        scale: "laptop".to_owned(),
        seed: Seed::new(seed),
    };
    ReportedRun { stage: stage.to_owned(), info }
}

pub fn dir(root: &Path, run: &ReportedRun) -> PathBuf {
    root.join(&run.stage).join(run.info.id.to_string())
}

/// The manifest, and the tables every run has.
pub fn any_run(root: &Path, run: &ReportedRun, dataset: &str, status: Status) {
    let dir = dir(root, run);
    let digest = Digest::of(run.info.id.to_string().as_bytes());
    let environment = [("cpu", "Test CPU"), ("kernels", "scalar")];
    let manifest = Manifest {
        stage: run.stage.clone(),
        stage_version: 1,
        run: run.info.id.clone(),
        fingerprint: digest.clone(),
        config: digest.clone(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        status,
        notes: BTreeMap::new(),
        environment: environment.map(|(k, v)| (k.to_owned(), v.into())).into(),
    };
    publish(&dir.join(Manifest::NAME), &serde_json::to_vec(&manifest).unwrap()).unwrap();
    write(&dir, vec![run_row(run, dataset, status)]);
    let timing = TimingRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        seconds: 1.5,
        images_per_s: None,
        peak_rss_mb: None,
        threads: 2,
    };
    write(&dir, vec![timing]);
    if run.stage != "align" {
        write(&dir, vec![label(run)]);
    }
}

fn label(run: &ReportedRun) -> LabelRow {
    LabelRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        image_id: 0,
        split: "upstream".to_owned(),
        real: Some(1),
        assigned: Some(2),
        scheme: "random10".to_owned(),
        ..LabelRow::default()
    }
}

fn run_row(run: &ReportedRun, dataset: &str, status: Status) -> RunRow {
    let trained = run.stage == "pretrain";
    RunRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        run_uid: format!("{}-0123456789", run.info.id),
        experiment: run.info.experiment.clone(),
        panel: run.info.panel.clone(),
        arm: Some(run.info.arm.clone()).filter(|a| !a.is_empty()),
        scale: run.info.scale.clone(),
        dataset: dataset.to_owned(),
        seed: run.info.seed.get(),
        stream_seed: 0,
        steps: trained.then_some(720),
        status: status.name().to_owned(),
        target_train_accuracy: trained.then_some(0.95),
        final_train_accuracy: trained.then_some(if status == Status::Ok { 0.993 } else { 0.41 }),
        config_digest: "c".to_owned(),
        fingerprint: "f".to_owned(),
        stage_version: 1,
        ..RunRow::default()
    }
}

/// A training run with the minibatch accuracies `accuracy`.
pub fn training(
    root: &Path,
    run: &ReportedRun,
    (dataset, status): (&str, Status),
    accuracy: &[f64],
    steps_per_epoch: usize,
) {
    any_run(root, run, dataset, status);
    let dir = dir(root, run);
    let row = |step: usize, pass: &str, value: f64| MetricRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        step: i64::try_from(step).unwrap(),
        split: "downstream".to_owned(),
        labels: "assigned".to_owned(),
        pass: pass.to_owned(),
        metric: "accuracy".to_owned(),
        epoch: step as f64 / steps_per_epoch as f64,
        value,
        sum: None,
        count: None,
    };
    let batches = accuracy.iter().enumerate().map(|(step, &a)| row(step, "batch", a));
    let epochs =
        (1..=accuracy.len() / steps_per_epoch).map(|e| row(e * steps_per_epoch, "epoch", 0.5));
    write(&dir, batches.chain(epochs).collect());
    let layer = LayerRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        step: 0,
        layer: "conv1".to_owned(),
        metric: "weight_norm".to_owned(),
        layer_index: 0,
        value: 1.0,
    };
    write(&dir, vec![layer]);
}

/// Adds accuracies on held-out images, by step, to a training run of two steps per epoch.
pub fn held_out(root: &Path, run: &ReportedRun, accuracies: &[(i64, f64)]) {
    let path = dir(root, run).join("metrics.parquet");
    let mut rows = read_table::<MetricRow>(&path).unwrap();
    rows.extend(accuracies.iter().map(|&(step, value)| MetricRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        step,
        split: "holdout".to_owned(),
        labels: "real".to_owned(),
        pass: "full".to_owned(),
        metric: "accuracy".to_owned(),
        epoch: step as f64 / 2.0,
        value,
        sum: None,
        count: None,
    }));
    write_table(&path, rows).unwrap();
}

/// Adds one metric of the first hidden layers at one step to a training run.
pub fn per_layer(root: &Path, run: &ReportedRun, (step, metric): (i64, &str), values: &[f64]) {
    let path = dir(root, run).join("layers.parquet");
    let mut rows = read_table::<LayerRow>(&path).unwrap();
    rows.extend(values.iter().enumerate().map(|(i, &value)| LayerRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        step,
        layer: format!("conv{}", i + 1),
        metric: metric.to_owned(),
        layer_index: i32::try_from(i).unwrap(),
        value,
    }));
    write_table(&path, rows).unwrap();
}

/// First-layer weights at the start and at the end of a training run.
pub fn checkpoints(root: &Path, run: &ReportedRun, shape: &[usize], weight: impl Fn(usize) -> f32) {
    let n: usize = shape.iter().product();
    for (i, name) in ["checkpoints/step-000000000", "final"].iter().enumerate() {
        let values = (0..n).map(|k| weight(k + i * n)).collect();
        let tensors = BTreeMap::from([("conv1.weight".to_owned(), TensorData::f32(shape, values))]);
        let file = TensorFile { header: serde_json::json!({}), tensors };
        file.write(&dir(root, run).join(format!("{name}.safetensors"))).unwrap();
    }
}

/// One checkpoint of an align run.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint {
    pub step: i64,
    pub misalignment: f64,
    pub floor: f64,
    pub random: f64,
    /// Standard deviation over 25 random bases.
    pub random_sd: f64,
    pub error: Option<f64>,
    /// Data eigenvalue, f, mean square of the change; the largest eigenvalue first.
    pub spectrum: Vec<(f64, f64, Option<f64>)>,
    pub fit: Option<(f64, f64, f64)>,
    pub chi2: Option<f64>,
}

/// An align run over `n_runs` with filters of `shape` `[C, k, k]`.
pub fn align(root: &Path, run: &ReportedRun, dataset: &str, n_runs: i32, steps: &[Checkpoint]) {
    any_run(root, run, dataset, Status::Ok);
    let id = run.info.id.to_string();
    let alignment = steps.iter().map(|s| AlignmentRow {
        stage: run.stage.clone(),
        run_id: id.clone(),
        step: s.step,
        layer: "conv1".to_owned(),
        dim: i32::try_from(s.spectrum.len()).unwrap(),
        n_runs,
        n_filters: 256,
        n_patches: None,
        misalignment: Some(s.misalignment),
        floor: Some(s.floor),
        misalignment_se: s.error,
        random_mean: Some(s.random),
        random_sd: Some(s.random_sd),
        random_lo: Some(s.random - s.random_sd),
        random_hi: Some(s.random + s.random_sd),
        n_random_bases: 25,
        mean_weight_norm: 0.0,
        mean_weight_se: 0.0,
        profile_fit_rate: s.fit.map(|f| f.0),
        profile_fit_correlation: s.fit.map(|f| f.1),
        profile_init_correlation: s.fit.map(|f| f.2),
    });
    write(&dir(root, run), alignment.collect());
    let spectra = steps.iter().flat_map(|s| {
        s.spectrum.iter().enumerate().map(|(i, &(eigenvalue, f, change))| SpectrumRow {
            stage: run.stage.clone(),
            run_id: id.clone(),
            step: s.step,
            component: i32::try_from(i).unwrap(),
            layer: "conv1".to_owned(),
            data_eigenvalue: eigenvalue,
            eigenspace: i32::try_from(i).unwrap(),
            multiplicity: 1,
            sphericity_chi2: s.chi2.filter(|_| i == 0),
            sphericity_dof: None,
            weight_variance: f * f,
            weight_moment: f * f,
            delta_energy: change,
        })
    });
    write(&dir(root, run), spectra.collect());
}

/// The basis of an align run, with random-looking vectors.
pub fn eigenbasis(root: &Path, run: &ReportedRun, shape: [usize; 3]) {
    let d: usize = shape.iter().product();
    let square = |phase: f64| (0..d * d).map(|k| (k as f64 * 0.7 + phase).sin()).collect();
    let falling: Vec<_> = (0..d).map(|k| 1.0 / (k + 1) as f64).collect();
    let mut tensors =
        BTreeMap::from([("data/mean".to_owned(), TensorData::f64(&[d], vec![0.0; d]))]);
    for (part, phase) in [("data", 0.0), ("weights", 1.0)] {
        tensors.insert(format!("{part}/eigenvalues"), TensorData::f64(&[d], falling.clone()));
        tensors.insert(format!("{part}/eigenvectors"), TensorData::f64(&[d, d], square(phase)));
    }
    let file =
        TensorFile { header: serde_json::json!({ "layer": "conv1", "shape": shape }), tensors };
    file.write(&dir(root, run).join("eigenbasis.safetensors")).unwrap();
}
