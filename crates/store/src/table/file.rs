//! Parquet files of tables: byte-stable writing, guarded reading.

use std::{cmp::Ordering, collections::HashMap, path::Path, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties},
};

use super::{Table, quiet::quietly};
use crate::{StoreError, publish, publish::read};

const SCHEMA_KEY: &str = "randlab.schema";
const ROW_GROUP: usize = 131_072;

/// Sorts `rows` by key and writes them to `path`.
///
/// # Errors
/// [`StoreError::Invalid`] when two rows share a key, [`StoreError::Io`] when the file cannot be written.
pub fn write_table<T: Table>(path: &Path, mut rows: Vec<T>) -> Result<(), StoreError> {
    rows.sort_by(T::order);
    if rows.windows(2).any(|pair| matches!(pair, [a, b] if T::order(a, b) == Ordering::Equal)) {
        return Err(StoreError::invalid(path, format!("two rows of '{}' share a key", T::NAME)));
    }
    let bytes = encode(&rows).map_err(|e| StoreError::invalid(path, e))?;
    publish(path, &bytes)
}

/// Reads a table, checking its name, major version and columns.
///
/// # Errors
/// [`StoreError::Io`] when it cannot be read, [`StoreError::Corrupt`] when it is not a Parquet file or not this table.
pub fn read_table<T: Table>(path: &Path) -> Result<Vec<T>, StoreError> {
    let bytes = read(path)?;
    decode(bytes).map_err(|problem| StoreError::corrupt(path, problem))
}

fn schema<T: Table>() -> Arc<Schema> {
    let version = format!("{}/{}", T::NAME, T::VERSION);
    Arc::new(Schema::new_with_metadata(
        T::fields(),
        HashMap::from([(SCHEMA_KEY.to_owned(), version)]),
    ))
}

fn encode<T: Table>(rows: &[T]) -> Result<Vec<u8>, parquet::errors::ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("randlab".to_owned())
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema::<T>(), Some(properties))?;
    for chunk in rows.chunks(ROW_GROUP) {
        writer.write(&RecordBatch::try_new(schema::<T>(), T::arrays(chunk))?)?;
    }
    writer.close()?;
    Ok(bytes)
}

fn decode<T: Table>(bytes: Vec<u8>) -> Result<Vec<T>, String> {
    decode_with(bytes, check_schema::<T>, |_, batches| {
        let rows = batches.iter().map(T::rows).collect::<Result<Vec<_>, _>>()?;
        Ok(rows.concat())
    })
}

/// What `convert` makes of the content of a Parquet file whose schema passes `check`.
pub(super) fn decode_with<R>(
    bytes: Vec<u8>,
    check: fn(&Schema) -> Result<(), String>,
    convert: fn(&Schema, &[RecordBatch]) -> Result<R, String>,
) -> Result<R, String> {
    if bytes.len() < 12 || !bytes.starts_with(b"PAR1") || !bytes.ends_with(b"PAR1") {
        return Err(format!("not a Parquet file ({} bytes)", bytes.len()));
    }
    // Damaged files still make the Parquet reader panic in places; here that is an error like any other.
    let work = move || {
        let (schema, batches) = decode_batches(bytes, check)?;
        convert(&schema, &batches)
    };
    quietly(work).unwrap_or_else(|_| Err("damaged Parquet file".to_owned()))
}

fn decode_batches(
    bytes: Vec<u8>,
    check: fn(&Schema) -> Result<(), String>,
) -> Result<(Arc<Schema>, Vec<RecordBatch>), String> {
    let damaged = |e: &dyn std::fmt::Display| format!("damaged Parquet file: {e}");
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))
        .map_err(|e| damaged(&e))?;
    let schema = Arc::clone(builder.schema());
    check(&schema)?;
    let expected = builder.metadata().file_metadata().num_rows();
    let batches = builder.build().map_err(|e| damaged(&e))?.collect::<Result<Vec<_>, _>>();
    let batches = batches.map_err(|e| damaged(&e))?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if i64::try_from(rows) == Ok(expected) {
        Ok((schema, batches))
    } else {
        Err(format!("{rows} rows, its footer says {expected}"))
    }
}

fn check_schema<T: Table>(found: &Schema) -> Result<(), String> {
    let major = |v: &str| v.split('.').next().map(str::to_owned);
    let wanted = format!("{}/{}", T::NAME, T::VERSION);
    let stated =
        found.metadata().get(SCHEMA_KEY).ok_or("a Parquet file, but not a table of randlab")?;
    if major(stated) != major(&wanted) {
        return Err(format!("holds table {stated}, expected {wanted}"));
    }
    for field in T::fields() {
        let Ok(column) = found.field_with_name(field.name()) else {
            // Older files do not have what was added later, and that may be null.
            if field.is_nullable() {
                continue;
            }
            return Err(format!("no column '{}'", field.name()));
        };
        if column.data_type() != field.data_type() {
            return Err(format!(
                "column '{}' is {}, expected {}",
                field.name(),
                column.data_type(),
                field.data_type()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    table! { "images" "2" "one image" => ImageRow {
        key stage: String, "1", "stage";
        key image_id: i32, "1", "image";
        col split: String, "1", "split";
        col real: Option<i32>, "1", "class";
        col scheme: String, "1", "scheme";
    }}

    table! { "points" "1" "one point" => PointRow {
        key series: String, "1", "series";
        key x: f64, "1", "abscissa";
        col y: f64, "1", "ordinate";
        col hi: Option<f64>, "1", "upper end";
    }}

    fn image(id: i32) -> ImageRow {
        ImageRow {
            stage: "pretrain".into(),
            image_id: id,
            split: "upstream".into(),
            real: (id % 2 == 0).then_some(id),
            scheme: "random10".into(),
        }
    }

    fn point(x: f64, y: f64) -> PointRow {
        PointRow { series: "s".into(), x, y, hi: Some(f64::NAN) }
    }

    #[test]
    fn round_trip_sorts_by_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.parquet");
        write_table(&path, vec![image(2), image(0), image(1)]).unwrap();
        assert_eq!(read_table::<ImageRow>(&path).unwrap(), vec![image(0), image(1), image(2)]);
    }

    #[test]
    fn equal_rows_in_any_order_give_equal_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.parquet");
        write_table(&path, vec![point(1.0, -0.0), point(2.0, f64::NAN)]).unwrap();
        let first = read(&path).unwrap();
        for _ in 0..50 {
            write_table(&path, vec![point(2.0, -f64::NAN), point(1.0, 0.0)]).unwrap();
            assert_eq!(first, read(&path).unwrap());
        }
    }

    #[test]
    fn an_empty_table_is_a_table() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.parquet");
        write_table::<PointRow>(&path, vec![]).unwrap();
        assert!(read_table::<PointRow>(&path).unwrap().is_empty());
    }

    #[test]
    fn a_file_from_before_a_column_was_added_reads_as_null() {
        table! { "images" "2" "one image" => OlderRow {
            key stage: String, "1", "stage";
            key image_id: i32, "1", "image";
            col split: String, "1", "split";
            col scheme: String, "1", "scheme";
        }}
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.parquet");
        let older = OlderRow { image_id: 3, scheme: "real".into(), ..OlderRow::default() };
        write_table(&path, vec![older]).unwrap();
        let expected = ImageRow { image_id: 3, scheme: "real".into(), ..ImageRow::default() };
        assert_eq!(read_table::<ImageRow>(&path).unwrap(), vec![expected]);
        // The other way round, a column that must be there is missed.
        write_table(&path, vec![point(1.0, 2.0)]).unwrap();
        assert!(read_table::<OlderRow>(&path).is_err());
    }

    #[test]
    fn a_doubled_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.parquet");
        let message = write_table(&path, vec![image(1), image(1)]).unwrap_err().to_string();
        assert!(message.contains("share a key") && !path.exists(), "{message}");
    }

    #[test]
    fn foreign_and_damaged_files_are_one_line_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.parquet");
        write_table(&path, (0..300).map(image).collect()).unwrap();
        let wrong = read_table::<PointRow>(&path).unwrap_err().to_string();
        assert!(wrong.contains("holds table images/2, expected points/1"), "{wrong}");
        let good = read(&path).unwrap();
        publish(&path, b"stage,image_id\na,1\n").unwrap();
        let text = read_table::<ImageRow>(&path).unwrap_err().to_string();
        assert!(text.contains("not a Parquet file") && text.contains("images.parquet"), "{text}");
        for at in (0..good.len()).step_by(7) {
            let mut bytes = good.clone();
            bytes[at] ^= 0x55;
            // Any answer but a panic will do: not every byte matters.
            if let Err(problem) = decode::<ImageRow>(bytes) {
                assert!(!problem.is_empty());
            }
            assert!(decode::<ImageRow>(good[..at].to_vec()).is_err());
        }
    }
}
