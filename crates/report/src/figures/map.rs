//! Mean gains in area under the training curve as a map: where transfer helps and where it harms.

use randlab_recipe::{MapCell, Pair};

use super::{Block, Body, Difference, HeatCell, HeatMap, pairs};
use crate::{
    input::{Experiment, Fit},
    stats::Mean,
};

/// One cell per pair. Runs that missed their target are left out, and a cell without a number says why.
pub(super) fn block(
    experiment: &Experiment<'_>,
    (rows, columns): (&[String], &[String]),
    cells: &[MapCell],
) -> Block {
    let mut notes = Vec::new();
    let mut all = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        for (j, column) in columns.iter().enumerate() {
            let cell = cells.iter().find(|c| (&c.row, &c.column) == (row, column));
            let content = match cell.map(|c| difference(experiment, &c.pair)) {
                None => Err("not planned".to_owned()),
                Some(Ok(None)) => Err("not fitted".to_owned()),
                Some(Ok(Some(difference))) => Ok(difference),
                Some(Err(why)) => {
                    notes.push(format!("{row}, {column}: {why}"));
                    Err("no run".to_owned())
                }
            };
            all.push(HeatCell { row: i, column: j, content });
        }
    }
    let body = Body::Map(HeatMap {
        title: "gain in area under the training curve".to_owned(),
        rows: rows.to_vec(),
        columns: columns.to_vec(),
        cells: all,
    });
    let pairs: Vec<_> = cells.iter().map(|c| &c.pair).collect();
    pairs::block(experiment, &pairs, ("map", "mean over seeds"), (notes, body))
}

/// The gain of a pair, none if no net fitted; the text names the run that is missing.
fn difference(experiment: &Experiment<'_>, pair: &Pair) -> Result<Option<Difference>, String> {
    let seeds = Fit::of(experiment, &[&pair.panel]).kept;
    let gains = Mean::of(&experiment.auc_gains(pair, &seeds)?);
    let difference = Difference { mean: gains.value, interval: gains.interval(), n_seeds: gains.n };
    Ok((gains.n > 0).then_some(difference))
}
