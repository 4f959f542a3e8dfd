//! The tables of a finished run.

use randlab_core::{Digest, Split, canonical_json};
use randlab_data::Dataset;
use randlab_nn::Layer;
use randlab_recipe::TrainConfig;
use randlab_store::{
    RunDir, Status,
    table::{ActivityRow, LabelRow, LayerRow, MetricRow, RunRow, write_table},
};

use crate::{
    STAGE_VERSION, TrainError,
    examples::Examples,
    log::{Log, PassEntry, StepEntry, UnitsEntry},
};

/// Everything the tables are made of.
pub(crate) struct Facts<'a> {
    pub config: &'a TrainConfig,
    pub fingerprint: &'a Digest,
    pub data: &'a Dataset,
    pub train: &'a Examples,
    pub layers: &'a [Layer],
    pub log: &'a Log,
    pub steps_per_epoch: u64,
    pub step: u64,
    pub status: Status,
    pub accuracy: f64,
}

/// Writes `labels`, `metrics`, `layers` and `runs`, and `activity` where it was measured; returns their file names.
pub(crate) fn write(facts: &Facts<'_>, dir: &RunDir) -> Result<Vec<String>, TrainError> {
    write_table(&dir.path("labels.parquet"), labels(facts))?;
    write_table(&dir.path("metrics.parquet"), metrics(facts))?;
    write_table(&dir.path("layers.parquet"), layers(facts))?;
    write_table(&dir.path("runs.parquet"), vec![run(facts)?])?;
    let mut names = vec!["labels", "metrics", "layers", "runs"];
    if !facts.log.units.is_empty() {
        write_table(&dir.path("activity.parquet"), activity(facts))?;
        names.push("activity");
    }
    Ok(names.iter().map(|name| format!("{name}.parquet")).collect())
}

/// `pretrain` for the upstream phase, `finetune` for the downstream one.
fn stage(facts: &Facts<'_>) -> String {
    let upstream = facts.config.split == Split::Upstream;
    if upstream { "pretrain" } else { "finetune" }.to_owned()
}

fn labels(facts: &Facts<'_>) -> Vec<LabelRow> {
    let real = facts.data.real(facts.config.split);
    let assigned = facts.train.ids.iter().zip(&facts.train.labels).zip(real);
    let row = |((&id, &label), &real): ((&u32, &u32), &Option<u32>)| LabelRow {
        run_id: facts.config.run.id.to_string(),
        image_id: int(id),
        split: facts.config.split.name().to_owned(),
        real: real.map(int),
        assigned: Some(int(label)),
        scheme: facts.config.labels.as_ref().name(),
        ..LabelRow::default()
    };
    assigned.map(row).collect()
}

fn metrics(facts: &Facts<'_>) -> Vec<MetricRow> {
    let batches =
        facts.log.steps.iter().enumerate().flat_map(|(i, s)| batch_rows(facts, i as u64, s));
    let n = usize::try_from(facts.steps_per_epoch).unwrap_or(usize::MAX);
    let epochs = facts.log.steps.chunks_exact(n).enumerate();
    let epochs = epochs
        .flat_map(|(i, steps)| epoch_rows(facts, (i as u64 + 1) * facts.steps_per_epoch, steps));
    let passes = facts.log.passes.iter().flat_map(|p| pass_rows(facts, p));
    batches.chain(epochs).chain(passes).collect()
}

fn batch_rows(facts: &Facts<'_>, step: u64, s: &StepEntry) -> Vec<MetricRow> {
    let train = facts.config.split;
    let count = u64::from(facts.config.batch);
    let mean = |metric, sum| averaged(facts, (step, train, true, "batch", metric), sum, count);
    let plain = |metric, value| MetricRow {
        value,
        sum: None,
        count: None,
        ..averaged(facts, (step, train, true, "batch", metric), 0.0, 1)
    };
    vec![
        mean("loss", s.loss_sum),
        mean("accuracy", s.correct),
        plain("lr", s.lr),
        plain("grad_norm", s.grad_norm),
        plain("update_norm", s.update_norm),
    ]
}

fn epoch_rows(facts: &Facts<'_>, step: u64, steps: &[StepEntry]) -> [MetricRow; 2] {
    let count = steps.len() as u64 * u64::from(facts.config.batch);
    let total = |of: fn(&StepEntry) -> f64| steps.iter().map(of).sum();
    let row = |metric, sum| {
        averaged(facts, (step, facts.config.split, true, "epoch", metric), sum, count)
    };
    [row("loss", total(|s| s.loss_sum)), row("accuracy", total(|s| s.correct))]
}

fn pass_rows(facts: &Facts<'_>, p: &PassEntry) -> [MetricRow; 2] {
    let row =
        |metric, sum| averaged(facts, (p.step, p.split, p.assigned, "full", metric), sum, p.count);
    [row("loss", p.loss_sum), row("accuracy", p.correct)]
}

/// A row whose value is a sum over images divided once by their number.
fn averaged(
    facts: &Facts<'_>,
    (step, split, assigned, pass, metric): (u64, Split, bool, &str, &str),
    sum: f64,
    count: u64,
) -> MetricRow {
    MetricRow {
        stage: stage(facts),
        run_id: facts.config.run.id.to_string(),
        step: long(step),
        split: split.name().to_owned(),
        labels: if assigned { "assigned" } else { "real" }.to_owned(),
        pass: pass.to_owned(),
        metric: metric.to_owned(),
        epoch: step as f64 / facts.steps_per_epoch as f64,
        value: sum / count as f64,
        sum: Some(sum),
        count: Some(long(count)),
    }
}

fn activity(facts: &Facts<'_>) -> Vec<ActivityRow> {
    let row = |u: &UnitsEntry| ActivityRow {
        stage: stage(facts),
        run_id: facts.config.run.id.to_string(),
        step: long(u.step),
        layer: facts.layers[u.layer].name.clone(),
        active_on: int(u.active_on),
        layer_index: int(u32::try_from(u.layer).unwrap_or(u32::MAX)),
        n_images: int(u32::try_from(facts.data.ids(Split::Holdout).len()).unwrap_or(u32::MAX)),
        n_units: long(u.units),
    };
    facts.log.units.iter().map(row).collect()
}

fn layers(facts: &Facts<'_>) -> Vec<LayerRow> {
    let mut rows = Vec::new();
    let row = |step, layer: usize, metric: &str, value| LayerRow {
        stage: stage(facts),
        run_id: facts.config.run.id.to_string(),
        step: long(step),
        layer: facts.layers[layer].name.clone(),
        metric: metric.to_owned(),
        layer_index: int(u32::try_from(layer).unwrap_or(u32::MAX)),
        value,
    };
    for a in &facts.log.activity {
        let numbers =
            [("active_fraction", a.active), ("dead_fraction", a.dead), ("output_rms", a.rms)];
        rows.extend(numbers.map(|(metric, value)| row(a.step, a.layer, metric, value)));
    }
    for entry in &facts.log.layers {
        let start = facts.log.layers.iter().find(|e| e.layer == entry.layer);
        let ratio = start.filter(|s| s.weight > 0.0).map(|s| entry.weight / s.weight);
        let numbers = [
            ("weight_norm", Some(entry.weight)),
            ("weight_norm_ratio", ratio),
            ("grad_norm", entry.grad),
            ("update_norm", entry.update),
        ];
        for (metric, value) in numbers {
            rows.extend(value.map(|value| row(entry.step, entry.layer, metric, value)));
        }
    }
    rows
}

#[expect(clippy::too_many_lines, reason = "one line per column")]
fn run(facts: &Facts<'_>) -> Result<RunRow, TrainError> {
    let c = facts.config;
    let json = |value: serde_json::Result<serde_json::Value>| -> Result<String, TrainError> {
        value
            .and_then(|v| canonical_json(&v))
            .map_err(|e| TrainError::Config { run: c.run.id.to_string(), problem: e.to_string() })
    };
    let digest = Digest::of(json(serde_json::to_value(c))?.as_bytes());
    let scheme = c.labels.as_ref();
    let labels = scheme.facts();
    let optimizer = c.optimizer.as_ref();
    let first = facts.layers.first().map_or("", |l| &l.name);
    let parameters = facts.layers.iter().map(Layer::parameters);
    Ok(RunRow {
        stage: stage(facts),
        run_id: c.run.id.to_string(),
        run_uid: format!("{}-{}", c.run.id, digest.short()),
        experiment: c.run.experiment.clone(),
        panel: c.run.panel.clone(),
        arm: Some(c.run.arm.clone()).filter(|a| !a.is_empty()),
        scale: c.run.scale.clone(),
        dataset: facts.data.source().to_owned(),
        seed: c.run.seed.get(),
        stream_seed: c.seed.get(),
        arch: Some(c.model.kind().to_owned()),
        model: Some(json(serde_json::to_value(&c.model))?),
        n_parameters: Some(long(parameters.sum::<usize>() as u64)),
        n_train: Some(long(facts.train.len() as u64)),
        n_holdout: Some(long(facts.data.ids(Split::Holdout).len() as u64)),
        n_classes: Some(int(scheme.outputs(facts.data.classes()))),
        label_kind: Some(c.labels.kind().to_owned()),
        n_random_classes: labels.random_classes.map(int),
        label_noise_kind: labels.noise.map(str::to_owned),
        noise_ratio: labels.noise_ratio,
        init: Some(c.init.law.kind().to_owned()),
        init_scale: Some(c.init.scale.get(first).copied().unwrap_or(1.0)),
        transfer: Some(c.transfer.as_ref().map_or("none", |t| t.weights.name()).to_owned()),
        n_layers_transferred: Some(c.transfer.as_ref().map_or(0, |t| int(t.layers))),
        norm: c.transfer.as_ref().map(|t| t.norm.name().to_owned()),
        parent_run_id: c.parent().map(ToString::to_string),
        n_layers_frozen: Some(int(c.frozen)),
        optimizer: Some(c.optimizer.kind().to_owned()),
        lr: Some(c.schedule.as_ref().initial()),
        lr_schedule: Some(json(serde_json::to_value(&c.schedule))?),
        momentum: optimizer.momentum(),
        weight_decay: optimizer.weight_decay(),
        batch_size: Some(int(c.batch)),
        epochs: Some(facts.step as f64 / facts.steps_per_epoch as f64),
        steps: Some(long(facts.step)),
        status: facts.status.name().to_owned(),
        target_train_accuracy: c.target,
        final_train_accuracy: Some(facts.accuracy),
        config_digest: digest.to_string(),
        fingerprint: facts.fingerprint.to_string(),
        stage_version: int(STAGE_VERSION),
    })
}

/// Counts in tables are Int32; ids and sizes stay far below its limit.
fn int(x: u32) -> i32 {
    i32::try_from(x).unwrap_or(i32::MAX)
}

fn long(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}
