//! The tables of a finished run.

use randlab_core::{Digest, Split, canonical_json};
use randlab_data::{Dataset, LabelRow};
use randlab_nn::Layer;
use randlab_store::{
    RunDir, Status, StoreError,
    table::{ActivityRow, LayerRow, MetricRow, RunRow, count, write_table},
};

use crate::{
    STAGE_VERSION, TrainConfig, TrainError,
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
    write_table(&dir.path("labels.parquet"), labels(facts)?)?;
    write_table(&dir.path("metrics.parquet"), metrics(facts)?)?;
    write_table(&dir.path("layers.parquet"), layers(facts)?)?;
    write_table(&dir.path("runs.parquet"), vec![run(facts)?])?;
    let mut names = vec!["labels", "metrics", "layers", "runs"];
    if !facts.log.units.is_empty() {
        write_table(&dir.path("activity.parquet"), activity(facts)?)?;
        names.push("activity");
    }
    Ok(names.iter().map(|name| format!("{name}.parquet")).collect())
}

/// `pretrain` for the upstream phase, `finetune` for the downstream one.
fn stage(facts: &Facts<'_>) -> String {
    let upstream = facts.config.split == Split::Upstream;
    if upstream { "pretrain" } else { "finetune" }.to_owned()
}

fn labels(facts: &Facts<'_>) -> Result<Vec<LabelRow>, StoreError> {
    let real = facts.data.real(facts.config.split);
    let assigned = facts.train.ids.iter().zip(&facts.train.labels).zip(real);
    let row = |((&id, &label), &real): ((&u32, &u32), &Option<u32>)| {
        Ok(LabelRow {
            stage: stage(facts),
            run_id: facts.config.run.id.to_string(),
            image_id: count::<LabelRow, _>("image_id", id)?,
            split: facts.config.split.name().to_owned(),
            real: real.map(|real| count::<LabelRow, _>("real", real)).transpose()?,
            assigned: Some(count::<LabelRow, _>("assigned", label)?),
            scheme: facts.config.phase.labels.as_ref().name(),
            ..LabelRow::default()
        })
    };
    assigned.map(row).collect()
}

fn metrics(facts: &Facts<'_>) -> Result<Vec<MetricRow>, StoreError> {
    let mut rows = Vec::new();
    for (i, s) in facts.log.steps.iter().enumerate() {
        rows.extend(batch_rows(facts, i as u64, s)?);
    }
    let n = usize::try_from(facts.steps_per_epoch).unwrap_or(usize::MAX);
    for (i, steps) in facts.log.steps.chunks_exact(n).enumerate() {
        rows.extend(epoch_rows(facts, (i as u64 + 1) * facts.steps_per_epoch, steps)?);
    }
    for p in &facts.log.passes {
        rows.extend(pass_rows(facts, p)?);
    }
    Ok(rows)
}

fn batch_rows(facts: &Facts<'_>, step: u64, s: &StepEntry) -> Result<[MetricRow; 5], StoreError> {
    let train = facts.config.split;
    let batch = u64::from(facts.config.phase.batch);
    let mean = |metric, sum| averaged(facts, (step, train, true, "batch", metric), sum, batch);
    let plain = |metric, value| {
        let row = averaged(facts, (step, train, true, "batch", metric), 0.0, 1)?;
        Ok::<_, StoreError>(MetricRow { value, sum: None, count: None, ..row })
    };
    Ok([
        mean("loss", s.loss_sum)?,
        mean("accuracy", s.correct)?,
        plain("lr", s.lr)?,
        plain("grad_norm", s.grad_norm)?,
        plain("update_norm", s.update_norm)?,
    ])
}

fn epoch_rows(
    facts: &Facts<'_>,
    step: u64,
    steps: &[StepEntry],
) -> Result<[MetricRow; 2], StoreError> {
    let images = steps.len() as u64 * u64::from(facts.config.phase.batch);
    let total = |of: fn(&StepEntry) -> f64| steps.iter().map(of).sum();
    let row = |metric, sum| {
        averaged(facts, (step, facts.config.split, true, "epoch", metric), sum, images)
    };
    Ok([row("loss", total(|s| s.loss_sum))?, row("accuracy", total(|s| s.correct))?])
}

fn pass_rows(facts: &Facts<'_>, p: &PassEntry) -> Result<[MetricRow; 2], StoreError> {
    let row =
        |metric, sum| averaged(facts, (p.step, p.split, p.assigned, "full", metric), sum, p.count);
    Ok([row("loss", p.loss_sum)?, row("accuracy", p.correct)?])
}

/// A row whose value is a sum over images divided once by their number.
fn averaged(
    facts: &Facts<'_>,
    (step, split, assigned, pass, metric): (u64, Split, bool, &str, &str),
    sum: f64,
    images: u64,
) -> Result<MetricRow, StoreError> {
    Ok(MetricRow {
        stage: stage(facts),
        run_id: facts.config.run.id.to_string(),
        step: count::<MetricRow, _>("step", step)?,
        split: split.name().to_owned(),
        labels: if assigned { "assigned" } else { "real" }.to_owned(),
        pass: pass.to_owned(),
        metric: metric.to_owned(),
        epoch: step as f64 / facts.steps_per_epoch as f64,
        value: sum / images as f64,
        sum: Some(sum),
        count: Some(count::<MetricRow, _>("count", images)?),
    })
}

fn activity(facts: &Facts<'_>) -> Result<Vec<ActivityRow>, StoreError> {
    let images = facts.data.ids(Split::Holdout).len();
    let row = |u: &UnitsEntry| {
        Ok(ActivityRow {
            stage: stage(facts),
            run_id: facts.config.run.id.to_string(),
            step: count::<ActivityRow, _>("step", u.step)?,
            layer: facts.layers[u.layer].name.clone(),
            active_on: count::<ActivityRow, _>("active_on", u.active_on)?,
            layer_index: count::<ActivityRow, _>("layer_index", u.layer)?,
            n_images: count::<ActivityRow, _>("n_images", images)?,
            n_units: count::<ActivityRow, _>("n_units", u.units)?,
        })
    };
    facts.log.units.iter().map(row).collect()
}

fn layers(facts: &Facts<'_>) -> Result<Vec<LayerRow>, StoreError> {
    let mut rows = Vec::new();
    let row = |step: u64, layer: usize, metric: &str, value| {
        Ok::<_, StoreError>(LayerRow {
            stage: stage(facts),
            run_id: facts.config.run.id.to_string(),
            step: count::<LayerRow, _>("step", step)?,
            layer: facts.layers[layer].name.clone(),
            metric: metric.to_owned(),
            layer_index: count::<LayerRow, _>("layer_index", layer)?,
            value,
        })
    };
    for a in &facts.log.activity {
        let numbers =
            [("active_fraction", a.active), ("dead_fraction", a.dead), ("output_rms", a.rms)];
        for (metric, value) in numbers {
            rows.push(row(a.step, a.layer, metric, value)?);
        }
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
            if let Some(value) = value {
                rows.push(row(entry.step, entry.layer, metric, value)?);
            }
        }
    }
    Ok(rows)
}

fn run(facts: &Facts<'_>) -> Result<RunRow, TrainError> {
    let c = facts.config;
    let json = |value: serde_json::Result<serde_json::Value>| -> Result<String, TrainError> {
        value
            .and_then(|v| canonical_json(&v))
            .map_err(|e| TrainError::Config { run: c.run.id.to_string(), problem: e.to_string() })
    };
    let digest = Digest::of(json(serde_json::to_value(c))?.as_bytes());
    let scheme = c.phase.labels.as_ref();
    let labels = scheme.facts();
    let optimizer = c.phase.optimizer.as_ref();
    let first = facts.layers.first().map_or("", |l| &l.name);
    let parameters = facts.layers.iter().map(Layer::parameters);
    let transferred = c.transfer.as_ref().map_or(0, |t| t.layers);
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
        n_parameters: Some(count::<RunRow, _>("n_parameters", parameters.sum::<usize>())?),
        n_train: Some(count::<RunRow, _>("n_train", facts.train.len())?),
        n_holdout: Some(count::<RunRow, _>("n_holdout", facts.data.ids(Split::Holdout).len())?),
        n_classes: Some(count::<RunRow, _>("n_classes", scheme.outputs(facts.data.classes()))?),
        label_kind: Some(c.phase.labels.kind().to_owned()),
        n_random_classes: labels
            .random_classes
            .map(|n| count::<RunRow, _>("n_random_classes", n))
            .transpose()?,
        label_noise_kind: labels.noise.map(str::to_owned),
        noise_ratio: labels.noise_ratio,
        init: Some(c.init.law.kind().to_owned()),
        init_scale: Some(c.init.scale.get(first).copied().unwrap_or(1.0)),
        transfer: Some(c.transfer.as_ref().map_or("none", |t| t.weights.kind()).to_owned()),
        n_layers_transferred: Some(count::<RunRow, _>("n_layers_transferred", transferred)?),
        norm: c.transfer.as_ref().map(|t| t.norm.kind().to_owned()),
        parent_run_id: c.parent().map(ToString::to_string),
        n_layers_frozen: Some(count::<RunRow, _>("n_layers_frozen", c.frozen)?),
        optimizer: Some(c.phase.optimizer.kind().to_owned()),
        lr: Some(c.phase.schedule.as_ref().initial()),
        lr_schedule: Some(json(serde_json::to_value(&c.phase.schedule))?),
        momentum: optimizer.momentum(),
        weight_decay: optimizer.weight_decay(),
        batch_size: Some(count::<RunRow, _>("batch_size", c.phase.batch)?),
        epochs: Some(facts.step as f64 / facts.steps_per_epoch as f64),
        steps: Some(count::<RunRow, _>("steps", facts.step)?),
        status: facts.status.name().to_owned(),
        target_train_accuracy: c.phase.target,
        final_train_accuracy: Some(facts.accuracy),
        config_digest: digest.to_string(),
        fingerprint: facts.fingerprint.to_string(),
        stage_version: count::<RunRow, _>("stage_version", STAGE_VERSION)?,
    })
}
