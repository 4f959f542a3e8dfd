//! What a comparison found, and how it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use randlab_store::StoreError;

/// Differences listed unless all are asked for.
const SHOWN: usize = 20;

/// One of the two folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    A,
    B,
}

/// How many things of a kind agree.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub equal: usize,
    /// Of those, how many files are equal byte for byte.
    pub same_bytes: usize,
    pub different: usize,
    pub only_a: usize,
    pub only_b: usize,
}

impl Tally {
    const fn lone(&mut self, side: Side) {
        match side {
            Side::A => self.only_a += 1,
            Side::B => self.only_b += 1,
        }
    }
}

#[derive(Debug)]
struct Difference {
    place: String,
    what: String,
    largest: Option<f64>,
}

/// What a comparison found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    allowed: BTreeSet<String>,
    runs: Tally,
    renamed: usize,
    pub tensors: Tally,
    /// Tensor files whose metadata differ.
    pub headers: usize,
    pub tables: Tally,
    pub files: Tally,
    /// Tables by the column of identity that differs in them.
    identity: BTreeMap<String, usize>,
    /// Tables by the allowed `TABLE.COLUMN` that differs in them.
    declared: BTreeMap<String, usize>,
    /// Runs by the `TABLE.COLUMN` that only B has.
    added: BTreeMap<String, usize>,
    /// The same for A.
    dropped: BTreeMap<String, usize>,
    differences: Vec<Difference>,
}

impl Findings {
    pub fn new(allowed: &[String]) -> Self {
        Self { allowed: allowed.iter().cloned().collect(), ..Self::default() }
    }

    /// True when every value of A is in B, and both have the same runs.
    pub fn agree(&self) -> bool {
        self.differences.is_empty() && self.dropped.is_empty()
    }

    /// Differences of values so far.
    pub const fn count(&self) -> usize {
        self.differences.len()
    }

    pub fn is_allowed(&self, table: &str, column: &str) -> bool {
        self.allowed.contains(&format!("{table}.{column}"))
    }

    pub fn difference(&mut self, place: String, what: String, largest: Option<f64>) {
        self.differences.push(Difference { place, what, largest });
    }

    pub fn pair(&mut self, same_name: bool) {
        self.runs.equal += 1;
        self.renamed += usize::from(!same_name);
    }

    pub fn lone_run(&mut self, name: String, side: Side) {
        self.runs.lone(side);
        self.difference(name, format!("run only in {side:?}"), None);
    }

    /// A tensor of one side; B may have more than A.
    pub fn lone_tensor(&mut self, place: &str, side: Side) {
        self.tensors.lone(side);
        if side == Side::A {
            self.difference(place.to_owned(), "only in A".to_owned(), None);
        }
    }

    /// A table of one side; B may have more than A.
    pub fn lone_table(&mut self, place: &str, side: Side) {
        self.tables.lone(side);
        if side == Side::A {
            self.difference(place.to_owned(), "only in A".to_owned(), None);
        }
    }

    /// A column of one side; B may have more than A.
    pub fn lone_column(&mut self, table: &str, column: &str, side: Side) {
        let name = format!("{table}.{column}");
        let list = match side {
            Side::A if self.allowed.contains(&name) => &mut self.declared,
            Side::A => &mut self.dropped,
            Side::B => &mut self.added,
        };
        *list.entry(name).or_default() += 1;
    }

    pub fn unreadable(&mut self, place: &str, error: &StoreError) {
        self.difference(place.to_owned(), error.to_string(), None);
    }

    pub fn identity(&mut self, column: &str) {
        *self.identity.entry(column.to_owned()).or_default() += 1;
    }

    pub fn declared(&mut self, table: &str, column: &str) {
        *self.declared.entry(format!("{table}.{column}")).or_default() += 1;
    }

    /// The findings as text: a line for each kind, then differences, the first few or all of them.
    pub fn text(&self, all: bool) -> String {
        let mut text = self.summary();
        let shown = if all { self.differences.len() } else { SHOWN };
        for Difference { place, what, largest } in self.differences.iter().take(shown) {
            let largest =
                largest.map_or_else(String::new, |x| format!(", largest difference {x:e}"));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {place}: {what}{largest}");
        }
        let rest = self.differences.len().saturating_sub(shown);
        if rest > 0 {
            let _ = writeln!(text, "  and {rest} more; --all lists them");
        }
        text
    }

    fn summary(&self) -> String {
        let Self { runs, tensors, tables, files, .. } = self;
        let mut lines = vec![
            format!(
                "runs: {} on both sides, {} only in A, {} only in B",
                runs.equal, runs.only_a, runs.only_b
            ),
            format!(
                "tensors: {} equal, {} different, {} only in A, {} only in B",
                tensors.equal, tensors.different, tensors.only_a, tensors.only_b
            ),
            format!(
                "tables: {} equal, {} of them byte for byte, {} different, {} only in A, {} only in B",
                tables.equal, tables.same_bytes, tables.different, tables.only_a, tables.only_b
            ),
            format!(
                "other files, not counted: {} equal, {} different, {} only in A, {} only in B",
                files.equal, files.different, files.only_a, files.only_b
            ),
        ];
        if self.renamed + self.headers > 0 {
            lines.push(format!(
                "not counted: {} runs are named otherwise, {} tensor files have another header",
                self.renamed, self.headers
            ));
        }
        let lists = [
            ("identity differs in", "tables", &self.identity),
            ("allowed columns that differ", "tables", &self.declared),
            ("columns only in B", "runs", &self.added),
            ("columns only in A", "runs", &self.dropped),
        ];
        for (title, unit, list) in lists.iter().filter(|(_, _, list)| !list.is_empty()) {
            let list: Vec<_> =
                list.iter().map(|(name, n)| format!("{name} ({n} {unit})")).collect();
            lines.push(format!("{title}: {}", list.join(", ")));
        }
        lines.push(match self.differences.len() {
            0 if self.agree() => "all values agree".to_owned(),
            n => format!("differences of values: {}", n + self.dropped.len()),
        });
        lines.join("\n") + "\n"
    }
}
