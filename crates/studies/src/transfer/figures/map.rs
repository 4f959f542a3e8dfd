//! Mean gains in area under the training curve as a map: where transfer helps and where it harms.

use std::collections::BTreeSet;

use randlab_report::{
    ArmRef, Converged, Drawing, Layout, ReportError, Runs,
    figure::{Block, Body, Difference, HeatCell, HeatMap},
    stats::Mean,
};
use serde::{Deserialize, Serialize};

use crate::{Pair, average::Head, pair::arms, pairs, transfer::auc_gains};

/// More would not fit the width of a phone, on which numbers must stay readable.
const MOST_COLUMNS: usize = 5;

/// Heat map of mean gains in area under the training curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// Labels from top to bottom.
    pub rows: Vec<String>,
    /// Labels from left to right, five at most.
    pub columns: Vec<String>,
    /// What stands where; a place may stay empty.
    pub cells: Vec<MapCell>,
}

/// A comparison and its place in a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapCell {
    /// Label of its row.
    pub row: String,
    /// Label of its column.
    pub column: String,
    /// What is compared.
    pub pair: Pair,
}

impl Drawing for Map {
    fn arms(&self) -> Vec<ArmRef> {
        arms(self.cells.iter().map(|cell| &cell.pair))
    }

    /// Labels must be unambiguous, and each cell must have a place of its own.
    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        let Self { rows, columns, cells } = self;
        if columns.len() > MOST_COLUMNS {
            let n = columns.len();
            return Err(format!("{n} columns; {MOST_COLUMNS} fit, and any number of rows"));
        }
        for labels in [rows, columns] {
            let mut seen = BTreeSet::new();
            if let Some(label) = labels.iter().find(|label| !seen.insert(*label)) {
                return Err(format!("duplicate label {label:?}"));
            }
        }
        for (i, cell) in cells.iter().enumerate() {
            let MapCell { row, column, pair } = cell;
            if !rows.contains(row) || !columns.contains(column) {
                return Err(format!("cell {row:?}, {column:?} is in no row and column of the map"));
            }
            if cells[..i].iter().any(|other| (&other.row, &other.column) == (row, column)) {
                return Err(format!("duplicate cell {row:?}, {column:?}"));
            }
            let named = |what| format!("cell {row:?}, {column:?}: {what}");
            layout.arms(&pair.arms()).map_err(named)?;
        }
        Ok(())
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        let mut notes = Vec::new();
        let mut cells = Vec::new();
        for (row, row_name) in self.rows.iter().enumerate() {
            for (column, column_name) in self.columns.iter().enumerate() {
                let cell = self.cell(row_name, column_name);
                let content = match cell.map(|c| difference(runs, &c.pair)) {
                    None => Err("not planned".to_owned()),
                    Some(Ok(None)) => Err("not fitted".to_owned()),
                    Some(Ok(Some(difference))) => Ok(difference),
                    Some(Err(why)) => {
                        notes.push(format!("{row_name}, {column_name}: {why}"));
                        Err("no run".to_owned())
                    }
                };
                cells.push(HeatCell { row, column, content });
            }
        }
        let body = Body::Map(HeatMap {
            title: "gain in area under the training curve".to_owned(),
            rows: self.rows.clone(),
            columns: self.columns.clone(),
            cells,
        });
        let pairs: Vec<_> = self.cells.iter().map(|c| &c.pair).collect();
        let head = Head { name: "map".to_owned(), title: "mean over seeds".to_owned() };
        Ok(vec![pairs::block(runs, &pairs, head, notes, body)])
    }
}

impl Map {
    fn cell(&self, row: &str, column: &str) -> Option<&MapCell> {
        self.cells.iter().find(|c| (c.row.as_str(), c.column.as_str()) == (row, column))
    }
}

/// The gain of a pair, none if no net fitted; the text names the run that is missing.
fn difference(runs: &Runs, pair: &Pair) -> Result<Option<Difference>, String> {
    let seeds = Converged::of(runs, &[&pair.panel]).kept;
    let gains = Mean::of(&auc_gains(runs, pair, &seeds)?);
    let difference = Difference { mean: gains.value, interval: gains.interval(), n_seeds: gains.n };
    Ok((gains.n > 0).then_some(difference))
}
