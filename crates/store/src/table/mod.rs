//! The tables, one schema each, the same in code, in files and in the documentation.
//!
//! A table is declared once, in `schemas.rs`; its row type, Arrow schema, writer, reader and documentation all follow from
//! that declaration. Files are byte-stable: rows sorted by key, fixed writer settings, one spelling of NaN and zero, no
//! time stamps.

mod any;
mod cell;
mod declare;
mod file;
mod format;
mod quiet;
mod schemas;

pub use any::{AnyTable, Column, Value};
pub use file::{read_table, write_table};
pub use format::format_docs;
pub use schemas::*;

use std::{cmp::Ordering, fmt::Display};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::Field;

use crate::StoreError;

/// A table: its name and version, its documented columns, and how rows become columns and back.
pub trait Table: Sized + Clone {
    /// File name without `.parquet`.
    const NAME: &'static str;
    /// What one row is.
    const ROW: &'static str;
    /// `major` or `major.minor`: a new nullable column raises the minor number, any other change the major one.
    const VERSION: &'static str;

    /// The columns, in order, with their documentation as metadata.
    fn fields() -> Vec<Field>;
    /// Rows as arrays, in the order of [`Table::fields`].
    fn arrays(rows: &[Self]) -> Vec<ArrayRef>;
    /// Rows of a batch whose schema has been checked; a text says what does not fit.
    fn rows(batch: &RecordBatch) -> Result<Vec<Self>, String>;
    /// Order by the key columns.
    fn order(a: &Self, b: &Self) -> Ordering;
}

/// A count as the column `column` of table `T` holds it.
///
/// # Errors
/// [`StoreError::Invalid`] naming table and column when it is out of the range of the column's type.
pub fn count<T: Table, N>(
    column: &str,
    number: impl TryInto<N> + Copy + Display,
) -> Result<N, StoreError> {
    number.try_into().map_err(|_| {
        let problem = format!("column '{column}' cannot hold {number}");
        StoreError::invalid(format!("{}.parquet", T::NAME), problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_out_of_range_names_table_and_column() {
        assert_eq!(count::<MetricRow, i32>("step", 7_u64).unwrap(), 7);
        let error = count::<MetricRow, i32>("step", 1_u64 << 31).unwrap_err().to_string();
        assert_eq!(error, "metrics.parquet: not written: column 'step' cannot hold 2147483648");
        assert!(count::<MetricRow, i64>("count", u64::MAX).is_err());
    }
}
