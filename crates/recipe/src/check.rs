//! What types cannot say: names that must exist and numbers that must make sense.

use std::collections::BTreeSet;

use randlab_core::Split;
use randlab_report::{Drawing, Layout, Rule};
use randlab_train::Phase;

use crate::{DataSpec, Experiment, Panel, RecipeError, Variant};

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
            let drawing: &dyn Drawing = f.draw.as_ref();
            drawing.check(e).map_err(|what| format!("figure {:?}: {what}", f.id))
        })
    };
    let claims = || {
        e.claims.iter().try_for_each(|c| {
            let rule: &dyn Rule = c.rule.as_ref();
            rule.check(e).map_err(|what| format!("claim {:?}: {what}", c.id))
        })
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
    some_layers(start.layers)?;
    let weights = start.weights.as_ref();
    weights.check()?;
    if weights.first_layer_only() && start.layers != 1 {
        return Err(format!("{} is for the first layer: layers = 1", start.weights.kind()));
    }
    Ok(())
}

fn some_layers(layers: u32) -> Result<(), String> {
    if layers == 0 { Err("layers must be at least 1".into()) } else { Ok(()) }
}

impl Layout for Experiment {
    fn has_panel(&self, panel: &str) -> bool {
        self.panels.contains_key(panel)
    }

    fn has_alignment(&self, panel: &str) -> bool {
        self.panels.get(panel).is_some_and(|panel| panel.align.is_some())
    }

    fn keeps_checkpoints(&self, panel: &str) -> bool {
        self.panels.get(panel).is_some_and(|panel| panel.pretrain.checkpoints.per_octave > 0)
    }

    fn drawn_layers(&self, panel: &str) -> u32 {
        // A chain of one net has no drawn layers below it.
        self.panels.get(panel).map_or(0, |panel| panel.chain() - 1)
    }

    fn variants(&self, panel: &str, task: &str) -> Option<&[String]> {
        Some(self.panels.get(panel)?.downstream.get(task)?.variants.as_slice())
    }
}
