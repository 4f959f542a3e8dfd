//! What types cannot say: names that must exist and numbers that must make sense.

use std::collections::BTreeSet;

use randlab_core::{Split, range};

use crate::{
    DataSpec, Drawing, Experiment, MapCell, Pair, Panel, Phase, RecipeError, Rule, TransferWeights,
    Variant,
};

/// Checks one experiment.
///
/// # Errors
/// [`RecipeError::Invalid`] naming experiment, place and what is wrong.
pub(crate) fn experiment(e: &Experiment) -> Result<(), RecipeError> {
    let panels = || {
        e.panels.iter().try_for_each(|(name, panel)| {
            let data = e.data.get(&panel.data).ok_or_else(|| format!("no [data.{}]", panel.data));
            data.and_then(|d| check_panel(panel, d)).map_err(|what| format!("panel.{name}: {what}"))
        })
    };
    let names = || {
        twice("figure", e.figures.iter().map(|f| &f.id))
            .and_then(|()| twice("claim", e.claims.iter().map(|c| &c.id)))
    };
    let figures = || {
        e.figures.iter().try_for_each(|f| {
            drawing(e, &f.draw).map_err(|what| format!("figure {:?}: {what}", f.id))
        })
    };
    let claims = || {
        e.claims
            .iter()
            .try_for_each(|c| rule(e, &c.rule).map_err(|what| format!("claim {:?}: {what}", c.id)))
    };
    let data = || {
        e.data.iter().try_for_each(|(name, data)| {
            let source = data.source.as_ref().map_or(Ok(()), |source| source.as_ref().check());
            let split = || data.split.check().map_err(|what| format!("split: {what}"));
            source.and_then(|()| split()).map_err(|what| format!("data.{name}: {what}"))
        })
    };
    data()
        .and_then(|()| panels())
        .and_then(|()| names())
        .and_then(|()| figures())
        .and_then(|()| claims())
        .map_err(|problem| RecipeError::invalid(&format!("{}.toml", e.name), problem))
}

/// Root seeds of a panel. As with the bounds below, a larger number is a slip and more than any machine holds.
pub(crate) const MOST_SEEDS: u32 = 10_000;
const MOST_BASES: u32 = 1_000_000;
const MOST_BATCH: u32 = 1 << 20;
const MOST_EPOCHS: u32 = 1_000_000;
/// Checkpoints or measurements per doubling of the step.
const MOST_PER_OCTAVE: u32 = 1000;

/// Refuses numbers out of a range, by key.
pub(crate) fn within(key: &str, n: u32, low: u32, high: u32) -> Result<(), String> {
    if (low..=high).contains(&n) {
        Ok(())
    } else {
        Err(format!("{key} = {n} is out of range ({low} to {high})"))
    }
}

/// Refuses duplicate names.
fn twice<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("duplicate {what} {name:?}"));
        }
    }
    Ok(())
}

fn check_panel(panel: &Panel, data: &DataSpec) -> Result<(), String> {
    panel.model.as_ref().check().map_err(|what| format!("model: {what}"))?;
    panel.init.check().map_err(|what| format!("init: {what}"))?;
    if let Some(align) = &panel.align {
        // At least 2, as their scatter is needed.
        within("random_bases", align.random_bases, 2, MOST_BASES)
            .map_err(|what| format!("align: {what}"))?;
    }
    phase(&panel.pretrain, data.split.of(Split::Upstream))
        .map_err(|what| format!("pretrain: {what}"))?;
    for (name, task) in &panel.downstream {
        let known = |v: &&String| !panel.variants.contains_key(*v);
        let unknown = task.variants.iter().find(known);
        unknown
            .map_or(Ok(()), |v| Err(format!("no variant.{v}")))
            .and_then(|()| phase(&task.phase, data.split.of(Split::Downstream)))
            .map_err(|what| format!("downstream.{name}: {what}"))?;
    }
    if panel.downstream.is_empty() != panel.variants.is_empty() {
        return Err("downstream and variant go together: both or neither".into());
    }
    for (name, start) in &panel.variants {
        variant(*start).map_err(|what| format!("variant.{name}: {what}"))?;
    }
    Ok(())
}

fn phase(phase: &Phase, images: u32) -> Result<(), String> {
    for (key, n, low, high) in [
        ("batch", phase.batch, 1, MOST_BATCH),
        ("epochs", phase.epochs, 1, MOST_EPOCHS),
        ("checkpoints.per_octave", phase.checkpoints.per_octave, 0, MOST_PER_OCTAVE),
        ("activity", phase.activity.unwrap_or(0), 0, MOST_PER_OCTAVE),
    ] {
        within(key, n, low, high)?;
    }
    if phase.batch > images {
        return Err(format!("batch {} is larger than the {images} images", phase.batch));
    }
    for (name, share) in [("stop_at", phase.stop_at), ("target", phase.target)] {
        if share.is_some_and(|s| !(0.0..=1.0).contains(&s)) {
            return Err(format!("{name} is an accuracy, 0 to 1"));
        }
    }
    phase.schedule.as_ref().check().map_err(|what| format!("schedule: {what}"))?;
    phase.optimizer.as_ref().check().map_err(|what| format!("optimizer: {what}"))?;
    phase.labels.as_ref().check()
}

fn variant(start: Variant) -> Result<(), String> {
    use TransferWeights as W;
    some_layers(start.layers)?;
    if let W::ClosedForm { rate } = start.weights {
        range::positive("rate", rate)?;
    }
    let of_first = matches!(
        start.weights,
        W::RotatedCovariance | W::DiagonalCovariance | W::DataCovariance | W::ClosedForm { .. }
    );
    if of_first && start.layers != 1 {
        return Err(format!("{} is for the first layer: layers = 1", start.weights.name()));
    }
    Ok(())
}

fn drawing(e: &Experiment, drawing: &Drawing) -> Result<(), String> {
    match drawing {
        Drawing::Misalignment { panels }
        | Drawing::TransferFunction { panels, .. }
        | Drawing::EnergyProfile { panels } => panels.iter().try_for_each(|p| aligned(e, p)),
        Drawing::Filters { panels, .. } => panels.iter().try_for_each(|p| {
            aligned(e, p)?;
            let kept = e.panels.get(p).is_some_and(|p| p.pretrain.checkpoints.per_octave > 0);
            kept.then_some(()).ok_or_else(|| {
                format!("panel {p}: checkpoints.per_octave must be at least 1, as first weights are drawn")
            })
        }),
        Drawing::LearningCurves { panel, downstream, variants, .. }
        | Drawing::TimeToAccuracy { panel, downstream, variants, .. } => {
            every_arm(e, panel, downstream, variants)
        }
        Drawing::Gains { panels, downstream, variants, baseline } => {
            let all = [variants.as_slice(), std::slice::from_ref(baseline)].concat();
            panels.iter().try_for_each(|panel| every_arm(e, panel, downstream, &all))
        }
        Drawing::Activity { panels, downstream, variant }
        | Drawing::ActivityHistogram { panels, downstream, variant } => {
            panels.iter().try_for_each(|panel| arm(e, panel, downstream, variant))
        }
        Drawing::Signal { pairs } => pairs.iter().try_for_each(|p| arms(e, p)),
        Drawing::Map { rows, columns, cells } => map(e, (rows, columns), cells),
    }
}

/// A map whose labels are unambiguous and whose cells have a place of their own.
fn map(
    e: &Experiment,
    (rows, columns): (&[String], &[String]),
    cells: &[MapCell],
) -> Result<(), String> {
    // More would not fit the width of a phone, on which numbers must stay readable.
    const COLUMNS: usize = 5;
    if columns.len() > COLUMNS {
        return Err(format!("{} columns; {COLUMNS} fit, and any number of rows", columns.len()));
    }
    for labels in [rows, columns] {
        twice("label", labels.iter())?;
    }
    for (i, cell) in cells.iter().enumerate() {
        let MapCell { row, column, .. } = cell;
        if !rows.contains(row) || !columns.contains(column) {
            return Err(format!("cell {row:?}, {column:?} is in no row and column of the map"));
        }
        if cells[..i].iter().any(|other| (&other.row, &other.column) == (row, column)) {
            return Err(format!("duplicate cell {row:?}, {column:?}"));
        }
        arms(e, &cell.pair).map_err(|what| format!("cell {row:?}, {column:?}: {what}"))?;
    }
    Ok(())
}

fn rule(e: &Experiment, rule: &Rule) -> Result<(), String> {
    match rule {
        Rule::AucGain { pair } | Rule::SpeedUp { pair, .. } | Rule::HeldOutGain { pair } => {
            arms(e, pair)
        }
        Rule::GainShare { pair, of } => {
            arms(e, pair)?;
            arm(e, &pair.panel, &pair.downstream, of)
        }
        Rule::GainDifference { pair, other } => {
            [pair, other].into_iter().try_for_each(|p| arms(e, p))
        }
        Rule::GainTrend { pairs } => many_arms(e, pairs, 3),
        Rule::SignalRank { pairs } => many_arms(e, pairs, 2),
        Rule::ActivityRatio { panel, other, downstream, variant, layers } => {
            some_layers(*layers)?;
            [panel, other].into_iter().try_for_each(|p| arm(e, p, downstream, variant))
        }
        Rule::ActivityShare { pair, layers, .. } => {
            some_layers(*layers)?;
            arms(e, pair)
        }
        Rule::SwitchDrop { panel, downstream, variant, layers } => {
            some_layers(*layers)?;
            arm(e, panel, downstream, variant)
        }
        Rule::DepthTrend { panel, downstream, variant } => arm(e, panel, downstream, variant),
        _ => rule.panels().into_iter().try_for_each(|panel| aligned(e, panel)),
    }
}

fn arms(e: &Experiment, pair: &Pair) -> Result<(), String> {
    [&pair.variant, &pair.baseline]
        .into_iter()
        .try_for_each(|variant| arm(e, &pair.panel, &pair.downstream, variant))
}

/// A rank correlation of fewer than `least` pairs says nothing: it can only be 1 or -1.
fn many_arms(e: &Experiment, pairs: &[Pair], least: usize) -> Result<(), String> {
    if pairs.len() < least {
        return Err(format!("{} pairs; at least {least} are needed", pairs.len()));
    }
    pairs.iter().try_for_each(|pair| arms(e, pair))
}

fn some_layers(layers: u32) -> Result<(), String> {
    if layers == 0 { Err("layers must be at least 1".into()) } else { Ok(()) }
}

fn aligned(e: &Experiment, panel: &str) -> Result<(), String> {
    match e.panels.get(panel) {
        None => Err(format!("no [panel.{panel}]")),
        Some(p) if p.align.is_none() => Err(format!("panel {panel} has no [align]")),
        Some(_) => Ok(()),
    }
}

fn every_arm(
    e: &Experiment,
    panel: &str,
    tasks: &[String],
    variants: &[String],
) -> Result<(), String> {
    tasks.iter().try_for_each(|task| variants.iter().try_for_each(|v| arm(e, panel, task, v)))
}

fn arm(e: &Experiment, panel: &str, task: &str, variant: &str) -> Result<(), String> {
    let p = e.panels.get(panel).ok_or_else(|| format!("no [panel.{panel}]"))?;
    let found = p.downstream.get(task);
    let spec = found.ok_or_else(|| format!("panel {panel} has no downstream.{task}"))?;
    if spec.variants.iter().any(|v| v == variant) {
        return Ok(());
    }
    Err(format!("panel {panel} has no variant.{variant} in downstream.{task}"))
}
