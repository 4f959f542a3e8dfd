//! How a field of a row becomes a column and back, for each column type.

use std::{cmp::Ordering, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array,
    StringArray,
    cast::AsArray,
    types::{Float64Type, Int32Type, Int64Type},
};
use arrow_schema::DataType;

/// A type a column can have. Strings are dictionaries (categories in pandas, factors in R); `None` is null.
pub trait Cell: Sized + Clone {
    /// Whether the column may hold nulls, which it does exactly for an `Option`.
    const NULLABLE: bool;
    /// The Arrow type of the column.
    fn data_type() -> DataType;
    /// The column of these cells.
    fn column<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef
    where
        Self: 'a;
    /// The cell in `row` of a column of [`Cell::data_type`]; `None` for a null where there must be a value.
    fn get(column: &dyn Array, row: usize) -> Option<Self>;
    /// The order of keys; total for floating-point numbers, null first.
    fn order(&self, other: &Self) -> Ordering;
}

macro_rules! plain_cell {
    ($type:ty, $data:expr, $array:ty, $get:expr, $order:expr, $clean:expr) => {
        impl Cell for $type {
            const NULLABLE: bool = false;
            fn data_type() -> DataType {
                $data
            }
            fn column<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
                Arc::new(cells.map(|c| Some($clean(*c))).collect::<$array>())
            }
            fn get(column: &dyn Array, row: usize) -> Option<Self> {
                column.is_valid(row).then(|| $get(column, row))
            }
            fn order(&self, other: &Self) -> Ordering {
                $order(self, other)
            }
        }
        impl Cell for Option<$type> {
            const NULLABLE: bool = true;
            fn data_type() -> DataType {
                $data
            }
            fn column<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
                Arc::new(cells.map(|c| c.map($clean)).collect::<$array>())
            }
            fn get(column: &dyn Array, row: usize) -> Option<Self> {
                Some(<$type as Cell>::get(column, row))
            }
            fn order(&self, other: &Self) -> Ordering {
                match (self, other) {
                    (Some(a), Some(b)) => $order(a, b),
                    (a, b) => a.is_some().cmp(&b.is_some()),
                }
            }
        }
    };
}

plain_cell!(
    i32,
    DataType::Int32,
    Int32Array,
    |c: &dyn Array, r| c.as_primitive::<Int32Type>().value(r),
    Ord::cmp,
    |x| x
);
plain_cell!(
    i64,
    DataType::Int64,
    Int64Array,
    |c: &dyn Array, r| c.as_primitive::<Int64Type>().value(r),
    Ord::cmp,
    |x| x
);
plain_cell!(
    bool,
    DataType::Boolean,
    BooleanArray,
    |c: &dyn Array, r| c.as_boolean().value(r),
    Ord::cmp,
    |x| x
);
plain_cell!(
    f64,
    DataType::Float64,
    Float64Array,
    |c: &dyn Array, r| c.as_primitive::<Float64Type>().value(r),
    f64::total_cmp,
    canonical
);

/// One bit pattern for NaN, and no negative zero.
fn canonical(x: f64) -> f64 {
    if x.is_nan() { f64::NAN } else { x + 0.0 }
}

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn text(column: &dyn Array, row: usize) -> Option<String> {
    let typed = column.as_dictionary::<Int32Type>().downcast_dict::<StringArray>()?;
    column.is_valid(row).then(|| arrow_array::ArrayAccessor::value(&typed, row).to_owned())
}

impl Cell for String {
    const NULLABLE: bool = false;
    fn data_type() -> DataType {
        dictionary()
    }
    fn column<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
        Arc::new(cells.map(|c| Some(c.as_str())).collect::<DictionaryArray<Int32Type>>())
    }
    fn get(column: &dyn Array, row: usize) -> Option<Self> {
        text(column, row)
    }
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

impl Cell for Option<String> {
    const NULLABLE: bool = true;
    fn data_type() -> DataType {
        dictionary()
    }
    fn column<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
        Arc::new(cells.map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
    }
    fn get(column: &dyn Array, row: usize) -> Option<Self> {
        Some(text(column, row))
    }
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}
