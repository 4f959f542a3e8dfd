//! Gain in area under the training curve, one dot per seed.

use randlab_core::Seed;
use randlab_recipe::Pair;

use super::{
    Block, Body, DotRow, Dots, Span,
    average::{Drawn, average},
};
use crate::input::Experiment;

pub(super) fn block(
    experiment: &Experiment<'_>,
    (panel, task): (&str, &str),
    variants: &[String],
    baseline: &str,
) -> Block {
    let mut drawn = Drawn::of(experiment, panel);
    let mut rows = Vec::new();
    for variant in variants {
        let pair = Pair {
            panel: panel.to_owned(),
            downstream: task.to_owned(),
            variant: variant.clone(),
            baseline: baseline.to_owned(),
        };
        match experiment.auc_gains(&pair, &drawn.seeds) {
            Ok(gains) => rows.push(row(variant, &drawn.seeds, &gains)),
            Err(why) => drawn.notes.push(why),
        }
    }
    let x_title = format!("area under training curve minus that of {baseline}");
    let title = format!("{panel}: {task} labels, {} seeds", drawn.seeds.len());
    let dataset = experiment.dataset(panel).to_owned();
    let body = Body::Dots(Dots { x_title, span: Span::Differences, rows });
    Block { panel: format!("{panel}.{task}"), title, dataset, notes: drawn.notes, body }
}

fn row(variant: &str, seeds: &[Seed], gains: &[f64]) -> DotRow {
    let dots = seeds.iter().zip(gains).map(|(seed, &gain)| (seed.get(), gain, true));
    DotRow { name: variant.to_owned(), dots: dots.collect(), mean: average(0.0, gains) }
}
