//! The macro that turns one declaration into a table.

/// Declares a table: name, version, what one row is, the row type, and its columns (`key` columns first) with type, unit
/// and meaning.
///
/// The row type is a public struct that implements [`Table`](crate::table::Table). A column is an `i32`, `i64`, `f64`,
/// `bool` or `String`, or an `Option` of one of these; `None` is null in the file.
///
/// ```
/// use randlab_store::{table, table::{TableInfo, format_docs, read_table, write_table}};
///
/// table! { "melting" "1" "one substance" => MeltingRow {
///     key substance: String, "1", "name of the substance";
///     col point: Option<f64>, "K", "melting point at 101325 Pa; null if it sublimes";
/// }}
///
/// let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("melting.parquet");
/// let tin = MeltingRow { substance: "tin".into(), point: Some(505.08) };
/// write_table(&path, vec![tin.clone()]).unwrap();
/// assert_eq!(read_table::<MeltingRow>(&path).unwrap(), [tin]);
/// assert!(format_docs(&[TableInfo::of::<MeltingRow>()]).contains("| point | Float64, null | K |"));
/// ```
#[macro_export]
macro_rules! table {
    ($name:literal $version:literal $what:literal => $row:ident {
        $(key $key:ident : $key_type:ty, $key_unit:literal, $key_doc:literal;)*
        $(col $column:ident : $type:ty, $unit:literal, $doc:literal;)*
    }) => {
        #[doc = concat!("One row of `", $name, "`: ", $what, ".")]
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct $row {
            $(#[doc = concat!($key_doc, " (unit ", $key_unit, "; key).")] pub $key: $key_type,)*
            $(#[doc = concat!($doc, " (unit ", $unit, ").")] pub $column: $type,)*
        }

        impl $crate::table::Table for $row {
            const NAME: &'static str = $name;
            const ROW: &'static str = $what;
            const VERSION: &'static str = $version;

            fn fields() -> Vec<$crate::table::support::Field> {
                use $crate::table::support::{Cell, field};
                vec![
                    $(field(stringify!($key), <$key_type>::data_type(), <$key_type>::NULLABLE, $key_unit, $key_doc, true),)*
                    $(field(stringify!($column), <$type>::data_type(), <$type>::NULLABLE, $unit, $doc, false),)*
                ]
            }

            fn arrays(rows: &[Self]) -> Vec<$crate::table::support::ArrayRef> {
                use $crate::table::support::Cell;
                vec![
                    $(<$key_type>::column(rows.iter().map(|r| &r.$key)),)*
                    $(<$type>::column(rows.iter().map(|r| &r.$column)),)*
                ]
            }

            fn rows(batch: &$crate::table::support::RecordBatch) -> Result<Vec<Self>, String> {
                use $crate::table::support::{Cell, column, null};
                $(let $key = column::<$key_type>(batch, stringify!($key))?;)*
                $(let $column = column::<$type>(batch, stringify!($column))?;)*
                (0..batch.num_rows())
                    .map(|i| {
                        Ok(Self {
                            $($key: <$key_type>::get(&$key, i).ok_or_else(|| null(stringify!($key), i))?,)*
                            $($column: <$type>::get(&$column, i).ok_or_else(|| null(stringify!($column), i))?,)*
                        })
                    })
                    .collect()
            }

            fn order(a: &Self, b: &Self) -> std::cmp::Ordering {
                use $crate::table::support::Cell;
                std::cmp::Ordering::Equal $(.then_with(|| a.$key.order(&b.$key)))*
            }
        }
    };
}

use std::collections::HashMap;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{DataType, Field};

use super::cell::Cell;

/// A column of a schema, with its unit, meaning and whether it is part of the key as metadata.
pub fn field(
    name: &str,
    data: DataType,
    nullable: bool,
    unit: &str,
    doc: &str,
    key: bool,
) -> Field {
    let pairs = [("doc", doc), ("unit", unit), ("key", if key { "true" } else { "false" })];
    let metadata = pairs.map(|(k, v)| (k.to_owned(), v.to_owned()));
    Field::new(name, data, nullable).with_metadata(HashMap::from(metadata))
}

/// The column called `name`. A nullable column may be missing, since it may have been added after the file was written.
///
/// # Errors
/// A text that names the column if it is missing and must not be null.
pub fn column<T: Cell>(batch: &RecordBatch, name: &str) -> Result<ArrayRef, String> {
    match batch.column_by_name(name) {
        Some(column) => Ok(column.clone()),
        None if T::NULLABLE => Ok(new_null_array(&T::data_type(), batch.num_rows())),
        None => Err(format!("no column '{name}'")),
    }
}

/// The error text for a null where there must be a value.
pub fn null(name: &str, row: usize) -> String {
    format!("column '{name}' is null in row {row}")
}
