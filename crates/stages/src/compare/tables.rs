//! One table against another, by the names of its columns.

use std::cmp::Ordering;

use randlab_store::table::{AnyTable, Column};

use super::findings::{Findings, Side};

/// Columns that say which run a row belongs to, which may be named otherwise in another version.
const IDENTITY: [&str; 6] =
    ["run_id", "run_uid", "fingerprint", "config_digest", "stage_version", "parent_run_id"];

/// A column of both tables.
type Both<'a> = (&'a Column, &'a Column);

/// Compares the tables called `table` that are found at `place`. Rows are matched by the key columns that both have.
pub(super) fn compare(
    findings: &mut Findings,
    (place, table): (&str, &str),
    a: &AnyTable,
    b: &AnyTable,
) {
    let before = findings.count();
    let mut shared: Vec<Both<'_>> = Vec::new();
    for column in &a.columns {
        match b.column(&column.name) {
            Some(other) => shared.push((column, other)),
            None => findings.lone_column(table, &column.name, Side::A),
        }
    }
    for column in b.columns.iter().filter(|column| a.column(&column.name).is_none()) {
        findings.lone_column(table, &column.name, Side::B);
    }
    let (compared, exempt): (Vec<Both<'_>>, Vec<Both<'_>>) =
        shared.into_iter().partition(|(column, _)| !is_exempt(findings, table, &column.name));
    let (keys, values): (Vec<Both<'_>>, Vec<Both<'_>>) =
        compared.into_iter().partition(|(a, b)| a.key || b.key);
    let rows = matched(&keys, &values, (a.rows, b.rows));
    for (number, side) in [(rows.only_a, "A"), (rows.only_b, "B")] {
        if number > 0 {
            findings.difference(place.to_owned(), format!("{number} rows only in {side}"), None);
        }
    }
    for (column, other) in values {
        let (count, largest) = difference((column, other), &rows.pairs);
        if count > 0 {
            let what = format!("{count} of {} rows", rows.pairs.len());
            findings.difference(format!("{place}: column {}", column.name), what, largest);
        }
    }
    for (column, other) in exempt {
        if difference((column, other), &rows.pairs).0 > 0 {
            if IDENTITY.contains(&column.name.as_str()) {
                findings.identity(&column.name);
            } else {
                findings.declared(table, &column.name);
            }
        }
    }
    let equal = findings.count() == before;
    *(if equal { &mut findings.tables.equal } else { &mut findings.tables.different }) += 1;
}

fn is_exempt(findings: &Findings, table: &str, column: &str) -> bool {
    IDENTITY.contains(&column) || findings.is_allowed(table, column)
}

/// Rows of both tables that belong together, and how many are left over.
struct Rows {
    pairs: Vec<(usize, usize)>,
    only_a: usize,
    only_b: usize,
}

fn matched(keys: &[Both<'_>], values: &[Both<'_>], (n, m): (usize, usize)) -> Rows {
    let columns = || keys.iter().chain(values);
    let left: Vec<&Column> = columns().map(|(a, _)| *a).collect();
    let right: Vec<&Column> = columns().map(|(_, b)| *b).collect();
    let (left, right) = (sorted(&left, n), sorted(&right, m));
    let mut rows = Rows { pairs: Vec::new(), only_a: 0, only_b: 0 };
    let (mut i, mut j) = (0, 0);
    while let (Some(&a), Some(&b)) = (left.get(i), right.get(j)) {
        let order = |(x, y): &Both<'_>| x.cells[a].order(&y.cells[b]);
        let order = keys.iter().map(order).find(|o| o.is_ne()).unwrap_or(Ordering::Equal);
        match order {
            Ordering::Less => rows.only_a += 1,
            Ordering::Greater => rows.only_b += 1,
            Ordering::Equal => rows.pairs.push((a, b)),
        }
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    rows.only_a += n - i;
    rows.only_b += m - j;
    rows
}

/// Row numbers in the order of the columns, the first one deciding.
fn sorted(columns: &[&Column], rows: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..rows).collect();
    numbers.sort_by(|&x, &y| {
        let order = |column: &&Column| column.cells[x].order(&column.cells[y]);
        columns.iter().map(order).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    });
    numbers
}

/// In how many rows the columns differ, and by how much at most where they hold numbers.
fn difference((a, b): Both<'_>, rows: &[(usize, usize)]) -> (usize, Option<f64>) {
    let cells = rows.iter().map(|&(i, j)| (&a.cells[i], &b.cells[j]));
    let mut count = 0;
    let mut largest: Option<f64> = None;
    for (a, b) in cells.filter(|(a, b)| a.order(b).is_ne()) {
        count += 1;
        if let Some((x, y)) = a.number().zip(b.number()) {
            let by = (x - y).abs();
            let by = if by.is_nan() { f64::INFINITY } else { by };
            largest = Some(largest.map_or(by, |l| l.max(by)));
        }
    }
    (count, largest)
}
