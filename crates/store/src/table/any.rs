//! Tables of any layout, by column name: for files that other versions of the schemas wrote.

use std::{cmp::Ordering, path::Path, sync::Arc};

use arrow_array::{
    Array, ArrayRef, RecordBatch, StringArray,
    cast::AsArray,
    types::{Float64Type, Int32Type, Int64Type},
};
use arrow_schema::{DataType, Field, Schema};

use super::file::decode_with;
use crate::{StoreError, publish::read};

/// One cell.
#[derive(Debug, Clone)]
pub enum Value {
    /// Not measured or not applicable.
    Null,
    /// Int32 or Int64.
    Int(i64),
    /// Float64.
    Float(f64),
    /// Boolean.
    Bool(bool),
    /// Utf8, or a dictionary of it.
    Text(Arc<str>),
}

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// True if its field says that it belongs to the key.
    pub key: bool,
    /// One cell a row.
    pub cells: Vec<Value>,
}

/// A table as its file describes it.
#[derive(Debug, Clone, Default)]
pub struct AnyTable {
    /// In the order of the file.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: usize,
}

impl Value {
    /// Total order: by kind, then by value; floats by their bits, any NaN like any other.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) if a.is_nan() && b.is_nan() => Ordering::Equal,
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (a, b) => a.kind().cmp(&b.kind()),
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Int(_) => 1,
            Self::Float(_) => 2,
            Self::Bool(_) => 3,
            Self::Text(_) => 4,
        }
    }

    /// The cell as a number, if it is one.
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Int(x) => Some(*x as f64),
            Self::Float(x) => Some(*x),
            Self::Null | Self::Bool(_) | Self::Text(_) => None,
        }
    }
}

impl AnyTable {
    /// Reads the table in a Parquet file.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be read, [`StoreError::Corrupt`] when it is damaged or has a column of a type that
    /// no table of this project has had.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        decode_with(read(path)?, |_| Ok(()), Self::of)
            .map_err(|problem| StoreError::corrupt(path, problem))
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    fn of(schema: &Schema, batches: &[RecordBatch]) -> Result<Self, String> {
        let column = |field: &Arc<Field>| {
            let mut cells = Vec::new();
            for batch in batches {
                let column = batch.column_by_name(field.name());
                cells.extend(values(field, column.ok_or("a batch without its columns")?)?);
            }
            let key = field.metadata().get("key").is_some_and(|key| key == "true");
            Ok::<_, String>(Column { name: field.name().clone(), key, cells })
        };
        let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
        Ok(Self { columns, rows: batches.iter().map(RecordBatch::num_rows).sum() })
    }
}

fn values(field: &Field, column: &ArrayRef) -> Result<Vec<Value>, String> {
    let column = column.as_ref();
    let all = |value: &dyn Fn(usize) -> Value| {
        let cell = |i| if column.is_valid(i) { value(i) } else { Value::Null };
        (0..column.len()).map(cell).collect()
    };
    Ok(match column.data_type() {
        DataType::Int32 => {
            let typed = column.as_primitive::<Int32Type>();
            all(&|i| Value::Int(typed.value(i).into()))
        }
        DataType::Int64 => {
            let typed = column.as_primitive::<Int64Type>();
            all(&|i| Value::Int(typed.value(i)))
        }
        DataType::Float64 => {
            let typed = column.as_primitive::<Float64Type>();
            all(&|i| Value::Float(typed.value(i)))
        }
        DataType::Boolean => {
            let typed = column.as_boolean();
            all(&|i| Value::Bool(typed.value(i)))
        }
        DataType::Utf8 => {
            let typed = column.as_string::<i32>();
            all(&|i| Value::Text(typed.value(i).into()))
        }
        other => return words(column).ok_or_else(|| unknown(field, other)),
    })
}

/// Cells of a dictionary of strings; each string is stored once.
fn words(column: &dyn Array) -> Option<Vec<Value>> {
    let typed = column.as_dictionary_opt::<Int32Type>()?;
    let words = typed.values().as_any().downcast_ref::<StringArray>()?;
    let words: Vec<Arc<str>> = (0..words.len())
        .map(|i| if words.is_valid(i) { words.value(i) } else { "" }.into())
        .collect();
    let cell = |key: Option<usize>| key.and_then(|k| words.get(k).cloned());
    let cells = (0..column.len()).map(|i| cell(typed.key(i)).map_or(Value::Null, Value::Text));
    Some(cells.collect())
}

fn unknown(field: &Field, found: &DataType) -> String {
    format!("column '{}' is {found}, expected Int32, Int64, Float64, Boolean or text", field.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        table,
        table::{LayerRow, write_table},
    };

    table! { "invented" "7" "one cell of each kind" => InventedRow {
        key name: String, "1", "name";
        key count: i32, "1", "count";
        col long: Option<i64>, "1", "long";
        col flag: bool, "1", "flag";
        col value: Option<f64>, "1", "value";
        col word: Option<String>, "1", "word";
    }}

    #[test]
    fn a_table_without_a_schema_of_ours_is_read_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("invented.parquet");
        let row = |count, word: Option<&str>| InventedRow {
            name: "a".into(),
            count,
            long: (count == 1).then_some(1 << 40),
            flag: count == 1,
            value: Some(f64::NAN),
            word: word.map(str::to_owned),
        };
        write_table(&path, vec![row(1, None), row(2, Some("b"))]).unwrap();
        let table = AnyTable::read(&path).unwrap();
        assert_eq!(table.rows, 2);
        let keys: Vec<_> = table.columns.iter().map(|c| (c.name.as_str(), c.key)).collect();
        let expected = ["name", "count", "long", "flag", "value", "word"];
        assert_eq!(keys, expected.map(|name| (name, ["name", "count"].contains(&name))));
        let cells = |name: &str| format!("{:?}", table.column(name).unwrap().cells);
        assert_eq!(cells("name"), r#"[Text("a"), Text("a")]"#);
        assert_eq!(cells("count"), "[Int(1), Int(2)]");
        assert_eq!(cells("long"), "[Int(1099511627776), Null]");
        assert_eq!(cells("flag"), "[Bool(true), Bool(false)]");
        assert_eq!(cells("value"), "[Float(NaN), Float(NaN)]");
        assert_eq!(cells("word"), r#"[Null, Text("b")]"#);
    }

    #[test]
    fn floats_differ_by_their_bits_but_for_nan() {
        let order = |a, b| Value::Float(a).order(&Value::Float(b));
        assert_eq!(order(f64::NAN, -f64::NAN), Ordering::Equal);
        assert_ne!(order(0.0, -0.0), Ordering::Equal);
        assert_ne!(Value::Null.order(&Value::Int(0)), Ordering::Equal);
        assert_ne!(Value::Int(1).order(&Value::Float(1.0)), Ordering::Equal);
    }

    #[test]
    fn an_empty_table_has_its_columns_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layers.parquet");
        write_table::<LayerRow>(&path, vec![]).unwrap();
        let table = AnyTable::read(&path).unwrap();
        assert!(table.rows == 0 && table.column("layer_index").is_some());
        crate::publish(&path, b"PAR1 and no more").unwrap();
        assert!(AnyTable::read(&path).unwrap_err().to_string().contains("layers.parquet"));
    }
}
