//! The macro that turns one declaration into a table.

/// Declares a table: `name version "what one row is" => RowType { [key] column: type, "unit", "meaning"; ... }`.
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

            fn fields() -> Vec<arrow_schema::Field> {
                use $crate::table::{cell::Cell, declare::field};
                vec![
                    $(field(stringify!($key), <$key_type>::data_type(), <$key_type>::NULLABLE, $key_unit, $key_doc, true),)*
                    $(field(stringify!($column), <$type>::data_type(), <$type>::NULLABLE, $unit, $doc, false),)*
                ]
            }

            fn arrays(rows: &[Self]) -> Vec<arrow_array::ArrayRef> {
                use $crate::table::cell::Cell;
                vec![
                    $(<$key_type>::column(rows.iter().map(|r| &r.$key)),)*
                    $(<$type>::column(rows.iter().map(|r| &r.$column)),)*
                ]
            }

            fn rows(batch: &arrow_array::RecordBatch) -> Result<Vec<Self>, String> {
                use $crate::table::{cell::Cell, declare::{column, null}};
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
                use $crate::table::cell::Cell;
                std::cmp::Ordering::Equal $(.then_with(|| a.$key.order(&b.$key)))*
            }
        }
    };
}
pub(super) use table;

use std::collections::HashMap;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{DataType, Field};

use super::cell::Cell;

pub(super) fn field(
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

/// A column; one that may be null need not be there, since older files do not have those added later.
pub(super) fn column<T: Cell>(batch: &RecordBatch, name: &str) -> Result<ArrayRef, String> {
    match batch.column_by_name(name) {
        Some(column) => Ok(column.clone()),
        None if T::NULLABLE => Ok(new_null_array(&T::data_type(), batch.num_rows())),
        None => Err(format!("no column '{name}'")),
    }
}

pub(super) fn null(name: &str, row: usize) -> String {
    format!("column '{name}' is null in row {row}")
}
