//! What drawings of pairs from several panels share.

use std::collections::BTreeSet;

use randlab_recipe::Pair;

use super::{Block, Body};
use crate::input::{Experiment, Fit};

/// A block on all of `pairs`, with a remark per panel on runs that missed their target before `notes`.
pub(super) fn block(
    experiment: &Experiment<'_>,
    pairs: &[&Pair],
    (name, title): (&str, &str),
    (notes, body): (Vec<String>, Body),
) -> Block {
    let panels = distinct(pairs.iter().map(|p| p.panel.as_str()));
    let remark = |panel: &&str| {
        let remark = Fit::of(experiment, &[panel]).remark()?;
        Some(format!("{panel}: {remark}: left out"))
    };
    let datasets: BTreeSet<_> = panels.iter().map(|p| experiment.dataset(p)).collect();
    Block {
        panel: name.to_owned(),
        title: title.to_owned(),
        dataset: datasets.into_iter().collect::<Vec<_>>().join(", "),
        notes: panels.iter().filter_map(remark).chain(notes).collect(),
        body,
    }
}

/// Panels of pairs, each once.
pub(super) fn panels<'p>(pairs: impl Iterator<Item = &'p Pair>) -> Vec<String> {
    distinct(pairs.map(|p| p.panel.clone()))
}

/// Each item once, in order.
pub(super) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}
