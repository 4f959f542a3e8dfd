//! An experiment of three panels, on which every rule and drawing of aligned filters and first layers gives a number computed by
//! hand.

use std::path::Path;

use randlab_report::{Bound, ReportedRun};
use randlab_store::Status;
use randlab_studies::{
    ClaimSpec, Drawings, FigureSpec, Pair, Rules,
    alignment::{Reference, figures::*, rules::*},
    transfer::{figures::*, rules::*},
};

use crate::{
    accuracies, claim,
    fabricate::{Checkpoint, align, any_run, checkpoints, eigenbasis, info, training},
};

const SHAPE: [usize; 3] = [1, 2, 2];

/// Data eigenvalue, f before and after training, for seed `s`; the largest eigenvalue first.
fn spectrum(s: f64, trained: bool) -> Vec<(f64, f64, Option<f64>)> {
    let f = if trained { [2.0, 6.0 + s, 3.0, 1.0] } else { [1.0; 4] };
    let change = trained.then_some(4.0);
    [9.0, 4.0, 1.0, 0.25].iter().zip(f).map(|(&l, f)| (l, f, change)).collect()
}

/// Checkpoints 0, 10 and 100 of seed `s`.
fn history(s: f64) -> Vec<Checkpoint> {
    let step = |step, misalignment, random| Checkpoint {
        step,
        misalignment,
        floor: 0.1,
        random,
        random_sd: 0.5,
        spectrum: spectrum(s, step > 0),
        fit: (step > 0).then_some((2.0, 0.9 + 0.01 * s, 0.4 + 0.01 * s)),
        ..Checkpoint::default()
    };
    vec![step(0, 0.2, 0.5), step(10, 0.3, 0.9), step(100, 0.6 + 0.1 * s, 2.1)]
}

fn pooled() -> Checkpoint {
    Checkpoint {
        step: -1,
        misalignment: 0.5,
        floor: 0.1,
        random: 1.1,
        random_sd: 0.5,
        error: Some(0.02),
        spectrum: spectrum(1.0, true),
        chi2: Some(12.5),
        ..Checkpoint::default()
    }
}

/// Writes panels `p` (three seeds, all fit), `q` (three, one does not) and `x` (two, none does); returns their runs.
pub fn write_runs(root: &Path) -> Vec<ReportedRun> {
    let mut runs = Vec::new();
    for panel in ["p", "q", "x"] {
        for seed in 0..if panel == "x" { 2 } else { 3 } {
            let missed = panel == "x" || panel == "q" && seed == 1;
            let status = if missed { Status::NotConverged } else { Status::Ok };
            let run = info("pretrain", &format!("{panel}.s{seed}"), panel, "", seed);
            training(root, &run, ("photos", status), &[0.1, 0.2, 0.3, 0.4], 2);
            checkpoints(root, &run, &[5, 1, 2, 2], |k| (k as f32).sin());
            let aligned = info("align", &format!("{panel}.s{seed}"), panel, "", seed);
            align(root, &aligned, "photos", 1, &history(f64::from(seed)));
            runs.extend([run, aligned]);
        }
        let pool = info("align", &format!("{panel}.pool"), panel, "pool", 0);
        align(root, &pool, "photos", if panel == "x" { 2 } else { 3 }, &[pooled()]);
        eigenbasis(root, &pool, SHAPE);
        runs.push(pool);
    }
    // Out of 10 steps scratch is slow for 6, 7 or 5, covariance for 4 or 5, pre-trained for 2 or 3, and `never` for all.
    for seed in 0..3 {
        let late = seed as usize % 2;
        for (variant, slow) in [
            ("scratch", [6, 7, 5][seed as usize]),
            ("pretrained", 2 + late),
            ("covariance", 4 + late),
            ("never", 10),
        ] {
            let id = format!("p.task.{variant}.s{seed}");
            let run = info("finetune", &id, "p", &format!("task.{variant}"), seed);
            training(root, &run, ("photos", Status::Ok), &accuracies(slow, 10), 2);
            runs.push(run);
        }
    }
    let data = info("prepare", "data.s0", "images", "", 0);
    any_run(root, &data, "photos", Status::Ok);
    runs.push(data);
    runs
}

#[expect(clippy::too_many_lines, reason = "a list of claims")]
pub fn claims() -> Vec<ClaimSpec> {
    let panel = || "p".to_owned();
    let above = |x| Bound { above: Some(x), below: None };
    let below = |x| Bound { above: None, below: Some(x) };
    let pair = |variant: &str| Pair {
        panel: panel(),
        downstream: "task".to_owned(),
        variant: variant.to_owned(),
        baseline: "scratch".to_owned(),
    };
    let of = || "pretrained".to_owned();
    let paper = || Reference { panel: panel(), x: vec![0.5, 2.0, 2.5], y: vec![1.0, 7.0, 4.0] };
    let (numerator, denominator) = (SpectrumPoint::Peak, SpectrumPoint::Last);
    vec![
        claim("excess", Rules::ExcessRatio(ExcessRatio { panel: panel() }), below(0.5)),
        claim(
            "excess-missed",
            Rules::ExcessRatio(ExcessRatio { panel: "q".to_owned() }),
            below(0.1),
        ),
        claim("excess-none", Rules::ExcessRatio(ExcessRatio { panel: "x".to_owned() }), below(0.5)),
        claim("slope", Rules::SlopeRatio(SlopeRatio { panel: panel() }), below(0.25)),
        claim(
            "random-trend",
            Rules::RandomBasisTrend(RandomBasisTrend { panel: panel() }),
            above(0.8),
        ),
        claim("peak", Rules::InteriorPeak(InteriorPeak { panel: panel() }), above(2.0)),
        claim(
            "shape",
            Rules::ShapeCorrelation(ShapeCorrelation { panel: panel(), other: "q".to_owned() }),
            above(0.7),
        ),
        claim(
            "form",
            Rules::ClosedForm(ClosedForm { panel: panel(), initial: false }),
            above(0.85),
        ),
        claim(
            "form-init",
            Rules::ClosedForm(ClosedForm { panel: panel(), initial: true }),
            below(0.6),
        ),
        claim("pooled", Rules::PooledExcess(PooledExcess { panel: panel() }), below(0.4)),
        claim("pooled-x", Rules::PooledExcess(PooledExcess { panel: "q".to_owned() }), below(0.4)),
        claim(
            "pooled-random",
            Rules::PooledRandomExcess(PooledRandomExcess { panel: panel() }),
            above(0.35),
        ),
        claim(
            "rms",
            Rules::ReferenceRms(ReferenceRms { panel: panel(), paper: paper() }),
            below(0.1),
        ),
        claim("trend", Rules::Trend(Trend { panel: panel() }), above(0.8)),
        claim(
            "ends",
            Rules::EndRatio(EndRatio { panel: panel(), numerator, denominator }),
            above(1.0),
        ),
        claim("sphericity", Rules::Sphericity(Sphericity { panel: panel() }), below(21.7)),
        claim("auc", Rules::AucGain(AucGain { pair: pair("pretrained") }), above(0.0)),
        claim(
            "speed",
            Rules::SpeedUp(SpeedUp { pair: pair("pretrained"), accuracy: 0.8 }),
            above(1.15),
        ),
        claim("never", Rules::SpeedUp(SpeedUp { pair: pair("never"), accuracy: 0.8 }), above(1.15)),
        claim(
            "share",
            Rules::GainShare(GainShare { pair: pair("covariance"), of: of() }),
            above(0.7),
        ),
    ]
}

pub fn figures() -> Vec<FigureSpec> {
    let panels = || vec!["p".to_owned(), "q".to_owned(), "x".to_owned()];
    let transfer = |x, steps, relative, paper| {
        Drawings::TransferFunction(TransferFunction { panels: panels(), x, steps, relative, paper })
    };
    let paper = vec![Reference { panel: "p".to_owned(), x: vec![1.0], y: vec![3.0] }];
    let (downstream, variants) = (vec!["task".to_owned()], ["scratch", "never"].map(str::to_owned));
    let drawings = [
        ("misalignment", Drawings::Misalignment(Misalignment { panels: panels() })),
        ("f", transfer(SpectrumAxis::Std, Steps::Last, false, paper)),
        ("f-all", transfer(SpectrumAxis::Eigenvalue, Steps::All, true, Vec::new())),
        ("energy", Drawings::EnergyProfile(EnergyProfile { panels: panels() })),
        ("filters", Drawings::Filters(Filters { panels: panels(), eigenvectors: 3 })),
        (
            "curves",
            Drawings::LearningCurves(LearningCurves {
                panel: "p".to_owned(),
                downstream: downstream.clone(),
                variants: variants.to_vec(),
                held_out: false,
            }),
        ),
        (
            "steps",
            Drawings::TimeToAccuracy(TimeToAccuracy {
                panel: "p".to_owned(),
                downstream,
                variants: variants.to_vec(),
                accuracy: 0.8,
            }),
        ),
    ];
    let figure = |(id, draw): (&str, Drawings)| FigureSpec {
        id: id.to_owned(),
        title: format!("Title <script>alert('{id}')</script>"),
        caption: "Caption & more".to_owned(),
        draw,
    };
    drawings.map(figure).into()
}
