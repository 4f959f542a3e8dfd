//! A table as a value, for lists of tables.

use std::path::{Path, PathBuf};

use arrow_schema::Field;

use super::{Table, read_table, write_table};
use crate::StoreError;

/// What is known of a table without its row type.
#[derive(Debug, Clone, Copy)]
pub struct TableInfo {
    /// File name without `.parquet`.
    pub name: &'static str,
    /// `major` or `major.minor`.
    pub version: &'static str,
    /// What one row is.
    pub row: &'static str,
    /// The columns, in order, with their documentation as metadata.
    pub fields: fn() -> Vec<Field>,
    /// Writes the rows of several files into one. Fails like [`read_table`] and [`write_table`]: a key must not occur in
    /// two of the files.
    pub merge: fn(&[PathBuf], &Path) -> Result<(), StoreError>,
}

impl TableInfo {
    /// Describes the table with rows of type `T`.
    pub const fn of<T: Table>() -> Self {
        Self {
            name: T::NAME,
            version: T::VERSION,
            row: T::ROW,
            fields: T::fields,
            merge: merge::<T>,
        }
    }
}

fn merge<T: Table>(files: &[PathBuf], into: &Path) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for file in files {
        rows.extend(read_table::<T>(file)?);
    }
    write_table(into, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::table! { "points" "2" "one point" => PointRow {
        key x: i32, "m", "place";
    }}

    #[test]
    fn merged_files_hold_the_rows_of_all_and_no_key_twice() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let info = TableInfo::of::<PointRow>();
        write_table(&file("a"), vec![PointRow { x: 3 }, PointRow { x: 1 }]).unwrap();
        write_table(&file("b"), vec![PointRow { x: 2 }]).unwrap();
        (info.merge)(&[file("a"), file("b")], &file("all")).unwrap();
        let xs: Vec<_> =
            read_table::<PointRow>(&file("all")).unwrap().iter().map(|r| r.x).collect();
        assert_eq!(xs, [1, 2, 3]);
        let twice = (info.merge)(&[file("a"), file("a")], &file("twice")).unwrap_err().to_string();
        assert!(twice.contains("share a key"), "{twice}");
        let missing = (info.merge)(&[file("c")], &file("none")).unwrap_err().to_string();
        assert!(missing.contains('c') && !file("none").exists(), "{missing}");
    }
}
