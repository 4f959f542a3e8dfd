//! Drawings that compare variants, layers and panels, from runs whose numbers are known by formula.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use randlab_core::RunId;
use randlab_report::{CurveRow, ReportedRun};
use randlab_store::{
    Status,
    table::{ActivityRow, LayerRow, MetricRow, read_table},
};
use randlab_studies::{
    Drawings, FigureSpec, Pair, ReportConfig, ReportedExperiment, activity::figures::*,
    transfer::figures::*,
};

use crate::fabricate::{TABLES, dir, info, training, write};

const LAYERS: i32 = 9;
const IMAGES: i32 = 40;
/// Steps downstream, of 10 epochs.
const STEPS: usize = 40;

/// Of `STEPS`, those a variant spends at accuracy 0.2 before it is at 1. `whole` harms in panel hot and helps in mild,
/// `first` is undecided.
fn slow(panel: &str, variant: &str, seed: usize) -> usize {
    match (panel, variant) {
        (_, "scratch") => 20,
        ("hot", "whole") => 32 + seed,
        (_, "whole") => 8 + seed,
        _ => 16 + 4 * seed,
    }
}

/// Share of active units; deeper layers lose more of them.
fn active(layer: i32, step: i64, last: i64) -> f64 {
    let progress = (step as f64).ln_1p() / (last as f64).ln_1p();
    0.5 - 0.04 * f64::from(layer) * progress
}

fn layer_rows(run: &ReportedRun, steps: &[i64], start: f64, rms: f64) -> Vec<LayerRow> {
    let last = steps[steps.len() - 1];
    let row = |layer: i32, step: i64, metric: &str, value: f64| LayerRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        step,
        layer: format!("conv{}", layer + 1),
        metric: metric.to_owned(),
        layer_index: layer,
        value,
    };
    let of = |layer: i32, step: i64| {
        let share = start * active(layer, step, last);
        [row(layer, step, "active_fraction", share), row(layer, step, "output_rms", rms)]
    };
    (0..LAYERS).flat_map(|layer| steps.iter().flat_map(move |&s| of(layer, s))).collect()
}

/// Units of the layers: `dead` of 1000 active on no image, the others spread evenly up to `most` images.
fn activity_rows(run: &ReportedRun, times: &[(i64, i64, i32)]) -> Vec<ActivityRow> {
    let row = |layer: i32, step: i64, active_on: i32, n_units: i64| ActivityRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        step,
        layer: format!("conv{}", layer + 1),
        active_on,
        layer_index: layer,
        n_images: IMAGES,
        n_units,
    };
    let of = |layer: i32, &(step, dead, most): &(i64, i64, i32)| {
        let each = (1000 - dead) / i64::from(most);
        let rest = 1000 - dead - each * i64::from(most - 1);
        let spread = (1..most).map(move |n| row(layer, step, n, each));
        spread.chain([row(layer, step, 0, dead), row(layer, step, most, rest)]).collect::<Vec<_>>()
    };
    (0..LAYERS).flat_map(|layer| times.iter().flat_map(move |t| of(layer, t))).collect()
}

/// Held-out accuracy at every epoch, half that on the training images at its end.
fn hold_out(dir: &Path, run: &ReportedRun, slow: usize) {
    let path = dir.join("metrics.parquet");
    let mut rows = read_table::<MetricRow>(&path).unwrap();
    rows.extend((0..=STEPS).step_by(4).map(|step| MetricRow {
        stage: run.stage.clone(),
        run_id: run.info.id.to_string(),
        step: i64::try_from(step).unwrap(),
        split: "holdout".to_owned(),
        labels: "real".to_owned(),
        pass: "full".to_owned(),
        metric: "accuracy".to_owned(),
        epoch: step as f64 / 4.0,
        value: if step < slow { 0.1 } else { 0.5 },
        ..MetricRow::default()
    }));
    write(dir, rows);
}

/// Panels hot (three seeds, all fit), mild (three, one does not) and bad (two, none does), each with a task of real and one
/// of random labels.
fn write_runs(root: &Path) -> Vec<ReportedRun> {
    let mut runs = Vec::new();
    for panel in ["hot", "mild", "bad"] {
        for seed in 0..if panel == "bad" { 2 } else { 3 } {
            let missed = panel == "bad" || panel == "mild" && seed == 1;
            let status = if missed { Status::NotConverged } else { Status::Ok };
            let run = info("pretrain", &format!("{panel}.s{seed}"), panel, "", seed);
            training(root, &run, ("photos", status), &[0.1, 0.2, 0.3, 0.4], 2);
            // Seed 2 stops early.
            let last = if seed == 2 { 600 } else { 1000 };
            let grid = [0, 1, 3, 10, 30, 100, 300].into_iter().chain([last]).collect::<Vec<_>>();
            let place = dir(root, &run);
            let layers = layer_rows(&run, &grid, 1.0, 1.0);
            write(&place, layers);
            if panel != "bad" {
                let times = [(0, 0, 40), (last, 200 + 10 * i64::from(seed), 20)];
                write(&place, activity_rows(&run, &times));
            }
            runs.push(run);
            runs.extend(downstream(root, panel, seed));
        }
    }
    runs
}

fn downstream(root: &Path, panel: &str, seed: u32) -> Vec<ReportedRun> {
    let mut runs = Vec::new();
    for (task, variant) in
        ["real", "random"].into_iter().flat_map(|t| ["scratch", "whole", "first"].map(|v| (t, v)))
    {
        let id = format!("{panel}.{task}.{variant}.s{seed}");
        let run = info("finetune", &id, panel, &format!("{task}.{variant}"), seed);
        let slow = slow(panel, variant, seed as usize);
        let accuracy: Vec<_> = (0..STEPS).map(|i| if i < slow { 0.2 } else { 1.0 }).collect();
        training(root, &run, ("photos", Status::Ok), &accuracy, 4);
        let place = dir(root, &run);
        if task == "real" {
            hold_out(&place, &run, slow);
        }
        let rms = match (panel, variant) {
            (_, "scratch") => 2.0,
            ("hot", "whole") => 0.04 * f64::from(seed + 1),
            (_, "whole") => 1.5,
            // Two seeds with the same share.
            _ => 1.0,
        };
        let start = if variant == "whole" { 0.6 } else { 1.0 };
        let layers = layer_rows(&run, &[0, 1, 3, 10, 40], start, rms);
        write(&place, layers);
        if panel != "bad" {
            let times = [(0, 200, 20), (40, 500, 10)];
            write(&place, activity_rows(&run, &times));
        }
        runs.push(run);
    }
    runs
}

fn pair(panel: &str, downstream: &str, variant: &str) -> Pair {
    Pair {
        panel: panel.to_owned(),
        downstream: downstream.to_owned(),
        variant: variant.to_owned(),
        baseline: "scratch".to_owned(),
    }
}

/// Rows are variants and columns panels and tasks; one cell is not planned.
fn map() -> Drawings {
    let rows = [("whole net", "whole"), ("first layers only", "first")];
    let columns = [
        ("hot, real", "hot", "real"),
        ("hot, random", "hot", "random"),
        ("mild, real", "mild", "real"),
        ("bad", "bad", "real"),
    ];
    let cells = rows.iter().flat_map(|&(row, variant)| {
        columns.iter().map(move |&(column, panel, task)| MapCell {
            row: row.to_owned(),
            column: column.to_owned(),
            pair: pair(panel, task, variant),
        })
    });
    Drawings::Map(Map {
        rows: rows.map(|r| r.0.to_owned()).into(),
        columns: columns.map(|c| c.0.to_owned()).into(),
        cells: cells
            .filter(|c| (c.row.as_str(), c.column.as_str()) != ("first layers only", "hot, random"))
            .collect(),
    })
}

fn figures() -> Vec<FigureSpec> {
    let owned = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
    let panels = || owned(&["hot", "mild", "bad"]);
    let (downstream, variant) = (|| "real".to_owned(), || "whole".to_owned());
    let pairs = ["hot", "mild", "bad"].into_iter().flat_map(|p| {
        [pair(p, "real", "whole"), pair(p, "random", "whole"), pair(p, "real", "first")]
    });
    let drawings = [
        (
            "curves",
            Drawings::LearningCurves(LearningCurves {
                panel: "hot".to_owned(),
                downstream: owned(&["real", "random"]),
                variants: owned(&["scratch", "whole"]),
                held_out: true,
            }),
        ),
        (
            "gains",
            Drawings::Gains(Gains {
                panels: panels(),
                downstream: owned(&["real", "random"]),
                variants: owned(&["whole", "first"]),
                baseline: "scratch".to_owned(),
            }),
        ),
        (
            "activity",
            Drawings::Activity(Activity {
                panels: panels(),
                downstream: downstream(),
                variant: variant(),
            }),
        ),
        (
            "units",
            Drawings::ActivityHistogram(ActivityHistogram {
                panels: panels(),
                downstream: downstream(),
                variant: variant(),
            }),
        ),
        ("signal", Drawings::Signal(Signal { pairs: pairs.collect() })),
        ("map", map()),
    ];
    let figure = |(id, draw): (&str, Drawings)| FigureSpec {
        id: id.to_owned(),
        title: format!("Figure {id}"),
        caption: "Caption.".to_owned(),
        draw,
    };
    drawings.map(figure).into()
}

/// What is looked at of a page. Its files are gone.
struct Built {
    rows: Vec<CurveRow>,
    activity: Vec<ActivityRow>,
    /// By name.
    svg: BTreeMap<String, String>,
}

/// Built once: most of the time goes into writing hundreds of files to disk.
static PAGE: LazyLock<Built> = LazyLock::new(Built::new);

impl Built {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let figures = figures();
        let names: Vec<_> = figures.iter().map(|f| f.id.clone()).collect();
        let trial = ReportedExperiment {
            name: "trial".to_owned(),
            title: "Trial".to_owned(),
            summary: "Summary.".to_owned(),
            runs: write_runs(&home.path().join("runs")),
            figures,
            claims: Vec::new(),
        };
        let config = ReportConfig {
            id: RunId::try_from("photos".to_owned()).unwrap(),
            scale: "laptop".to_owned(),
            dataset: "photos".to_owned(),
            seeds: Vec::new(),
            experiments: vec![trial],
        };
        let out = home.path().join("page");
        randlab_report::build(&config, &TABLES, &home.path().join("runs"), &out).unwrap();
        let svg = |name: &String| {
            let path = out.join(format!("figures/trial.{name}.svg"));
            (name.clone(), fs::read_to_string(path).unwrap())
        };
        Self {
            rows: read_table(&out.join("tables/curves.parquet")).unwrap(),
            activity: read_table(&out.join("tables/activity.parquet")).unwrap(),
            svg: names.iter().map(svg).collect(),
        }
    }

    fn row(&self, (figure, panel, series): (&str, &str, &str), x: f64) -> Option<&CurveRow> {
        self.rows.iter().find(|r| {
            r.figure == format!("trial.{figure}")
                && r.panel == panel
                && r.series == series
                && (r.x - x).abs() < 1e-9
        })
    }

    fn check(&self, place: (&str, &str, &str), x: f64, expected: f64) -> &CurveRow {
        let row = self.row(place, x).unwrap_or_else(|| panic!("{place:?} has no {x}"));
        assert!((row.y - expected).abs() < 1e-9, "{row:?}, expected {expected}");
        row
    }
}

#[test]
fn held_out_accuracy_is_drawn_where_it_was_measured_on_the_way() {
    let page = &*PAGE;
    // Seeds leave 0.1 at steps 32, 33, 34, so at 32 one of them is at 0.5.
    page.check(("curves", "hot.real", "whole, held out"), 32.0, 0.7 / 3.0);
    page.check(("curves", "hot.real", "whole"), 36.0, 0.8);
    assert!(page.row(("curves", "hot.random", "whole, held out"), 32.0).is_none());
    assert!(page.row(("curves", "hot.random", "whole"), 36.0).is_some());
}

#[test]
fn gains_are_areas_paired_by_seed() {
    let page = &*PAGE;
    // 0.8 / 40 per step: 20 - (32 + seed) of them.
    page.check(("gains", "hot.real", "whole"), 2.0, -14.0 * 0.02);
    let mean = page.check(("gains", "hot.random", "whole, mean"), 0.0, -13.0 * 0.02);
    assert!((mean.hi.unwrap() - (-0.26 + 4.302_652_73 * 0.02 / 3.0_f64.sqrt())).abs() < 1e-6);
    // Seed 1 of mild is left out.
    assert!(page.row(("gains", "mild.real", "whole"), 1.0).is_none());
    assert!(page.svg["gains"].contains("1 of 3 runs did not fit"));
}

#[test]
fn activity_goes_on_from_the_end_of_pre_training() {
    let page = &*PAGE;
    let last = "conv9";
    page.check(("activity", "hot", last), 0.0, 0.5);
    // Layer 8 loses 0.32 of 0.5 in every seed; the one that ended at step 600 keeps its value.
    page.check(("activity", "hot", last), 1000.0, 0.18);
    page.check(("activity", "hot", "conv9, downstream"), 1000.0, 0.3);
    page.check(("activity", "hot", "conv9, downstream"), 1040.0, 0.6 * 0.18);
    assert!(page.row(("activity", "hot", last), 600.0).is_none());
    assert!(page.svg["activity"].contains("stopped early keep their last value"));
}

#[test]
fn units_are_counted_at_three_times_in_the_last_layers() {
    let page = &*PAGE;
    // 25 of 1000 units per image count, two of which make a bin.
    page.check(("units", "hot.conv9", "initialisation"), 0.025, 0.05);
    page.check(("units", "hot.conv9", "initialisation, dead"), 0.0, 0.0);
    let dead = page.check(("units", "hot.conv9", "after pre-training, dead"), 0.0, 0.21);
    assert_eq!((dead.interval.as_str(), dead.n_seeds), ("mean-t95", 3));
    page.check(("units", "hot.conv6", "after real labels"), 0.225, 0.1);
    page.check(("units", "hot.conv6", "after real labels, dead"), 0.0, 0.5);
    assert!(page.row(("units", "hot.conv5", "initialisation"), 0.025).is_none());
    assert!(page.svg["units"].contains("panel bad counts no active units"));
    // Layers times counts 0 to 40 and 0 to 20 of six pretrain runs, and 0 to 20 and 0 to 10 of 36 others.
    assert_eq!(page.activity.len(), 9 * (6 * (41 + 21) + 36 * (21 + 11)));
}

#[test]
fn the_signal_is_the_last_hidden_layer_over_that_of_the_baseline() {
    let page = &*PAGE;
    page.check(("signal", "signal", "hot whole, real, seed 1"), 0.04, -13.0 * 0.02);
    page.check(("signal", "signal", "mild whole, random, seed 2"), 0.75, 10.0 * 0.02);
    // Equal abscissae are two rows.
    page.check(("signal", "signal", "hot first, real, seed 0"), 0.5, 4.0 * 0.02);
    page.check(("signal", "signal", "hot first, real, seed 1"), 0.5, 0.0);
    assert!(!page.rows.iter().any(|r| r.series.starts_with("bad whole")));
    // Listed once, not once per seed.
    assert_eq!(page.svg["signal"].matches(">hot whole, real<").count(), 1);
}

#[test]
fn a_map_cell_has_a_mean_or_a_reason() {
    let page = &*PAGE;
    let cell = page.check(("map", "map", "whole net, mild, real"), 3.0, 11.0 * 0.02);
    assert_eq!((cell.n_seeds, cell.interval.as_str()), (2, "mean-t95"));
    page.check(("map", "map", "first layers only, hot, real"), 1.0, 0.0);
    assert!(page.row(("map", "map", "whole net, bad"), 4.0).is_none());
    let svg = &page.svg["map"];
    for part in ["-0.26", "\u{b1}0.05", ">planned<", ">not fitted<", "bad: 2 of 2 runs did not fit"]
    {
        assert!(svg.contains(part), "{part}");
    }
}
