//! What drawings of pairs from several panels share.

use std::collections::BTreeSet;

use randlab_report::{
    Converged, Runs,
    figure::{Block, Body},
    panels,
};

use crate::{Pair, average::Head, pair::arms};

/// A block on all of `pairs`, with a remark per panel on runs that missed their target before `notes`.
pub(crate) fn block(
    runs: &Runs,
    pairs: &[&Pair],
    head: Head,
    notes: Vec<String>,
    body: Body,
) -> Block {
    let arms = arms(pairs.iter().copied());
    let panels = panels(&arms);
    let remark = |panel: &&str| {
        let remark = Converged::of(runs, &[panel]).remark()?;
        Some(format!("{panel}: {remark}: left out"))
    };
    let datasets: BTreeSet<_> = panels.iter().map(|p| runs.dataset(p)).collect();
    Block {
        panel: head.name,
        title: head.title,
        dataset: datasets.into_iter().collect::<Vec<_>>().join(", "),
        notes: panels.iter().filter_map(remark).chain(notes).collect(),
        body,
    }
}

/// Each item once, in order.
pub(crate) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}
