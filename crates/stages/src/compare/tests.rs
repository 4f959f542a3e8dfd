use std::{collections::BTreeMap, path::Path};

use randlab_store::{
    TensorData, TensorFile, publish,
    table::{AnyTable, Column, LayerRow, RunRow, TimingRow, Value, write_table},
};
use tempfile::TempDir;

use super::{findings as compared, findings::Findings};

/// What makes one folder differ from the next.
#[derive(Clone, Copy, Default)]
struct Made {
    /// Added to one weight of run s1.
    weight: f32,
    /// Added to one cell of run s1.
    cell: f64,
    /// Put before the names of runs.
    prefix: &'static str,
    version: i32,
    with_bias: bool,
    seeds: i64,
}

const PLAIN: Made =
    Made { weight: 0.0, cell: 0.0, prefix: "", version: 1, with_bias: false, seeds: 2 };

fn folder(made: Made) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for seed in 0..made.seeds {
        let run = format!("{}a.s{seed}", made.prefix);
        write(&root.path().join("pretrain").join(&run), &run, seed, made);
    }
    let page = root.path().join("report/photos");
    publish(&page.join("run.json"), b"{}").unwrap();
    publish(&page.join("report.html"), format!("page {}", made.version).as_bytes()).unwrap();
    root
}

fn write(dir: &Path, run: &str, seed: i64, made: Made) {
    let changed = if seed == 1 { (made.weight, made.cell) } else { (0.0, 0.0) };
    let mut tensors = BTreeMap::from([(
        "conv1.weight".to_owned(),
        TensorData::f32(&[3], vec![1.0, 2.0 + changed.0, 3.0]),
    )]);
    if made.with_bias {
        tensors.insert("conv1.bias".to_owned(), TensorData::f32(&[1], vec![0.0]));
    }
    let header = serde_json::json!({ "version": made.version });
    TensorFile { header, tensors }.write(&dir.join("final.safetensors")).unwrap();
    let row = RunRow {
        stage: "pretrain".into(),
        run_id: run.into(),
        experiment: "x".into(),
        panel: "p".into(),
        arm: Some("a".into()),
        seed,
        stage_version: made.version,
        ..RunRow::default()
    };
    write_table(&dir.join("runs.parquet"), vec![row]).unwrap();
    let layer = |step: u32| LayerRow {
        run_id: run.into(),
        step: step.into(),
        value: f64::from(step) + if step == 3 { changed.1 } else { 0.0 },
        ..LayerRow::default()
    };
    write_table(&dir.join("layers.parquet"), (0..5).map(layer).collect()).unwrap();
    let timing = TimingRow { seconds: f64::from(made.version), ..TimingRow::default() };
    write_table(&dir.join("timing.parquet"), vec![timing]).unwrap();
    publish(&dir.join("run.json"), b"{}").unwrap();
}

fn compare(a: &TempDir, b: &TempDir) -> Findings {
    compared(a.path(), b.path(), &[]).unwrap()
}

#[track_caller]
fn says(findings: &Findings, lines: &[&str]) {
    let text = findings.text(true);
    for line in lines {
        assert!(text.lines().any(|l| l.trim() == *line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn the_same_runs_agree() {
    let findings = compare(&folder(PLAIN), &folder(PLAIN));
    assert!(findings.agree());
    says(
        &findings,
        &[
            "runs: 3 on both sides, 0 only in A, 0 only in B",
            "tensors: 2 equal, 0 different, 0 only in A, 0 only in B",
            "tables: 6 equal, 6 of them byte for byte, 0 different, 0 only in A, 0 only in B",
            "all values agree",
        ],
    );
}

#[test]
fn another_version_may_name_runs_and_write_headers_otherwise() {
    let other = Made { prefix: "new.", version: 2, with_bias: true, ..PLAIN };
    let findings = compare(&folder(PLAIN), &folder(other));
    assert!(findings.agree(), "{}", findings.text(true));
    says(
        &findings,
        &[
            "runs: 3 on both sides, 0 only in A, 0 only in B",
            "tensors: 2 equal, 0 different, 0 only in A, 2 only in B",
            "tables: 6 equal, 0 of them byte for byte, 0 different, 0 only in A, 0 only in B",
            "other files, not counted: 0 equal, 1 different, 0 only in A, 0 only in B",
            "not counted: 2 runs are named otherwise, 2 tensor files have another header",
            "identity differs in: run_id (4 tables), stage_version (2 tables), timing (2 tables)",
        ],
    );
    // The other way round tensors are missing.
    assert!(!compare(&folder(other), &folder(PLAIN)).agree());
}

#[test]
fn a_changed_tensor_a_changed_cell_and_a_lost_run_are_named() {
    let weight = compare(&folder(PLAIN), &folder(Made { weight: 0.5, ..PLAIN }));
    says(
        &weight,
        &[
            "tensors: 1 equal, 1 different, 0 only in A, 0 only in B",
            "differences of values: 1",
            "pretrain/a.s1 final.safetensors: tensor conv1.weight: 1 of 3 values, largest difference 5e-1",
        ],
    );
    let cell = compare(&folder(PLAIN), &folder(Made { cell: 0.25, ..PLAIN }));
    says(
        &cell,
        &[
            "tables: 5 equal, 5 of them byte for byte, 1 different, 0 only in A, 0 only in B",
            "pretrain/a.s1 layers.parquet: column value: 1 of 5 rows, largest difference 2.5e-1",
        ],
    );
    let lost = compare(&folder(PLAIN), &folder(Made { seeds: 1, ..PLAIN }));
    says(
        &lost,
        &["runs: 2 on both sides, 1 only in A, 0 only in B", "pretrain/a.s1: run only in A"],
    );
    assert!(!weight.agree() && !cell.agree() && !lost.agree());
}

#[test]
fn a_lost_table_and_a_damaged_one_are_named() {
    let (a, b) = (folder(PLAIN), folder(PLAIN));
    let run = b.path().join("pretrain/a.s0");
    std::fs::remove_file(run.join("layers.parquet")).unwrap();
    publish(&run.join("final.safetensors"), b"short").unwrap();
    let text = compare(&a, &b).text(true);
    assert!(text.contains("pretrain/a.s0 layers.parquet: only in A"), "{text}");
    assert!(
        text.contains("pretrain/a.s0 final.safetensors: ") && text.contains("header"),
        "{text}"
    );
    assert!(text.contains("differences of values: 2"), "{text}");
}

#[test]
fn a_column_may_be_declared_to_differ() {
    let (a, b) = (folder(PLAIN), folder(Made { cell: 0.25, ..PLAIN }));
    let findings = compared(a.path(), b.path(), &["layers.value".to_owned()]).unwrap();
    assert!(findings.agree());
    says(&findings, &["allowed columns that differ: layers.value (1 tables)"]);
}

#[test]
fn the_first_differences_are_listed_unless_all_are_wanted() {
    let mut findings = Findings::new(&[]);
    for i in 0..25 {
        findings.difference(format!("f{i}"), "x".into(), None);
    }
    let text = findings.text(false);
    assert!(text.contains("f19:") && !text.contains("f20:") && text.contains("and 5 more"));
    assert!(findings.text(true).contains("f24:"));
}

#[test]
fn what_is_no_folder_of_runs_is_refused() {
    let (empty, good) = (tempfile::tempdir().unwrap(), folder(PLAIN));
    let error = compared(empty.path(), good.path(), &[]).unwrap_err();
    assert!(error.to_string().contains("no finished runs in it"), "{error}");
    assert_eq!(crate::HOST.code(&error), randlab_pipeline::BAD_INPUT);
    let missing = empty.path().join("none");
    let error = compared(&missing, good.path(), &[]).unwrap_err();
    assert_eq!(crate::HOST.code(&error), randlab_pipeline::BAD_INPUT);
}

fn column(name: &str, key: bool, cells: &[i64]) -> Column {
    let cells = cells.iter().map(|&x| Value::Int(x)).collect();
    Column { name: name.to_owned(), key, cells }
}

fn table(columns: &[Column]) -> AnyTable {
    AnyTable { rows: columns[0].cells.len(), columns: columns.to_vec() }
}

fn tables(a: &[Column], b: &[Column]) -> Findings {
    let mut findings = Findings::new(&[]);
    super::tables::compare(&mut findings, ("run t.parquet", "t"), &table(a), &table(b));
    findings
}

#[test]
fn added_columns_and_another_order_of_rows_are_no_difference() {
    let old = [column("k", true, &[1, 2, 3]), column("v", false, &[10, 20, 30])];
    let new = [
        column("stage", true, &[7, 5, 6]),
        column("v", false, &[30, 10, 20]),
        column("k", true, &[3, 1, 2]),
        column("extra", false, &[0, 0, 0]),
    ];
    let findings = tables(&old, &new);
    assert!(findings.agree(), "{}", findings.text(true));
    says(&findings, &["columns only in B: t.extra (1 runs), t.stage (1 runs)"]);
    let dropped = tables(&new, &old);
    assert!(!dropped.agree());
    says(&dropped, &["columns only in A: t.extra (1 runs), t.stage (1 runs)"]);
}

#[test]
fn rows_of_one_side_are_counted_and_the_others_compared() {
    let a = [column("k", true, &[1, 2, 3]), column("v", false, &[10, 20, 30])];
    let b = [column("k", true, &[2, 3, 4, 5]), column("v", false, &[20, 31, 40, 50])];
    let findings = tables(&a, &b);
    says(
        &findings,
        &[
            "run t.parquet: 1 rows only in A",
            "run t.parquet: 2 rows only in B",
            "run t.parquet: column v: 1 of 2 rows, largest difference 1e0",
        ],
    );
}
