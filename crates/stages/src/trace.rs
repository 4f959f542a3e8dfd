//! One image's way through the pipeline, from the raw file to the rows it counts in.

use std::{
    collections::BTreeSet,
    fmt::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use randlab_core::{ImageId, RunId};
use randlab_data::LabelRow;
use randlab_pipeline::{Plan, Stage, refused};
use randlab_report::{ReportedRun, Rule, panels};
use randlab_store::{
    Manifest,
    table::{AlignmentRow, MetricRow, read_table},
};
use randlab_studies::ClaimSpec;
use randlab_train::{TrainConfig, epoch_order};

use crate::{Align, Finetune, Prepare, Pretrain, Report};

/// Epochs whose steps are listed.
const EPOCHS: u64 = 3;

/// The way of image `image` through the training run `run`, as text.
///
/// # Errors
/// When there is no such run, it is not done, or it does not use the image.
pub fn trace(plan: &Plan, root: &Path, run: &RunId, image: ImageId) -> anyhow::Result<String> {
    let pretrain = plan.configs::<Pretrain>()?.remove(run).map(|c| (Pretrain::NAME, c.0));
    let finetune = || plan.configs::<Finetune>().map(|mut all| all.remove(run));
    let found = match pretrain {
        Some(found) => Some(found),
        None => finetune()?.map(|c| (Finetune::NAME, c.0)),
    };
    let (stage, config) =
        found.ok_or_else(|| refused!("--trace {run}: no training run of that name"))?;
    let mut text = prepared(root, &config, image)?;
    text += &trained(root, (stage, &config), image)?;
    text += &analysed(plan, root, &config)?;
    let listed = |run: &&ReportedRun| run.stage == stage && run.info.id == config.run.id;
    for Report(page) in plan.configs()?.into_values() {
        let mut claims = None;
        for experiment in &page.experiments {
            // Experiments that share a run may have it in panels of different names.
            for run in experiment.runs.iter().filter(listed) {
                let rests = |c: &&ClaimSpec| {
                    let rule: &dyn Rule = c.rule.as_ref();
                    panels(&rule.arms()).contains(&run.info.panel.as_str())
                };
                let behind =
                    experiment.claims.iter().filter(rests).map(|c| (&experiment.name, &c.id));
                claims.get_or_insert_with(BTreeSet::new).extend(behind);
            }
        }
        if let Some(claims) = claims {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "report    {}: among the runs behind {} verdicts",
                page.id,
                claims.len()
            );
        }
    }
    Ok(text)
}

fn folder(root: &Path, stage: &str, run: &RunId) -> PathBuf {
    root.join(stage).join(run.as_str())
}

fn row_of(dir: &Path, image: ImageId) -> anyhow::Result<(usize, LabelRow)> {
    let path = dir.join("labels.parquet");
    let rows: Vec<LabelRow> = read_table(&path)?;
    let found =
        rows.into_iter().enumerate().find(|(_, row)| i64::from(row.image_id) == i64::from(image));
    found.ok_or_else(|| refused!("image {image}: not in {}", path.display()))
}

fn digest(dir: &Path, name: &str) -> anyhow::Result<String> {
    let manifest = Manifest::read(dir)?;
    let file = manifest.outputs.iter().find(|f| f.name == name);
    Ok(file.map_or_else(String::new, |f| f.blake3.short().to_owned()))
}

fn prepared(root: &Path, config: &TrainConfig, image: ImageId) -> anyhow::Result<String> {
    let dir = folder(root, Prepare::NAME, &config.data);
    let (_, row) = row_of(&dir, image)?;
    let manifest = Manifest::read_as(&dir, "prepare", &config.data)?;
    let mut text = String::new();
    let place = match (row.crop_x, row.crop_y, row.crop_side) {
        (Some(x), Some(y), Some(side)) => {
            format!(", square of {side} pixels whose top left corner is at ({x}, {y})")
        }
        _ => String::new(),
    };
    for raw in &manifest.inputs {
        let file = row.source_image.as_deref().unwrap_or("");
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "raw       {} {file}{place}; digest {}", raw.name, raw.digest.short());
    }
    let class = row.real.map_or_else(|| "no class".to_owned(), |c| format!("class {c}"));
    let _ = writeln!(
        text,
        "prepare   {}: image {image}, {}, {class}; images.safetensors digest {}",
        config.data,
        row.split,
        digest(&dir, "images.safetensors")?
    );
    Ok(text)
}

fn trained(
    root: &Path,
    (stage, config): (&str, &TrainConfig),
    image: ImageId,
) -> anyhow::Result<String> {
    let dir = folder(root, stage, &config.run.id);
    let (position, row) = row_of(&dir, image).with_context(|| {
        format!("image {image}: {stage} {} does not train on it", config.run.id)
    })?;
    let images = read_table::<LabelRow>(&dir.join("labels.parquet"))?.len();
    let metrics: Vec<MetricRow> = read_table(&dir.join("metrics.parquet"))?;
    let label = row.assigned.map_or_else(|| "none".to_owned(), |c| c.to_string());
    let mut text = format!("{stage:<9} {}: told class {label} ({})\n", config.run.id, row.scheme);
    let per_epoch = images as u64 / u64::from(config.phase.batch.max(1));
    for epoch in 0..EPOCHS.min(u64::from(config.phase.epochs)) {
        let order = epoch_order(images, config.seed, epoch);
        let place = order.iter().position(|&p| p == position).unwrap_or(0) as u64;
        let within = place / u64::from(config.phase.batch.max(1));
        if within >= per_epoch {
            let _ = writeln!(text, "          epoch {epoch}: left out with the last partial batch");
            continue;
        }
        let step = epoch * per_epoch + within;
        let loss = metrics.iter().find(|m| {
            m.pass == "batch" && m.metric == "loss" && m.step == i64::try_from(step).unwrap_or(-1)
        });
        let Some(loss) = loss else { continue };
        let _ = writeln!(
            text,
            "          epoch {epoch}: in the {} images of step {step}, whose mean loss is {:.4} nat",
            config.phase.batch, loss.value
        );
    }
    let _ =
        writeln!(text, "          final.safetensors digest {}", digest(&dir, "final.safetensors")?);
    Ok(text)
}

fn analysed(plan: &Plan, root: &Path, config: &TrainConfig) -> anyhow::Result<String> {
    let mut text = String::new();
    let aligned = plan.configs()?.into_values().map(|Align(config)| config);
    for align in aligned.filter(|a| a.subjects.iter().any(|s| s.run == config.run.id)) {
        let rows: Vec<AlignmentRow> =
            read_table(&folder(root, Align::NAME, &align.run.id).join("alignment.parquet"))?;
        let Some(last) = rows.last() else { continue };
        let patches = last
            .n_patches
            .map_or_else(String::new, |n| format!("; one of the images behind {n} patches"));
        let score = last.misalignment.map_or_else(|| "none".to_owned(), |m| format!("{m:.3}"));
        let _ = writeln!(text, "align     {}: misalignment {score}{patches}", align.run.id);
    }
    Ok(text)
}
