//! Energy profile of the weight change, with the closed form of Chowers and Weiss.

use super::{
    Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone,
    average::{Drawn, average_curves},
};
use crate::{
    input::{AlignRun, Experiment},
    stats::mean,
};

/// Points of the drawn closed form.
const FINE: u32 = 80;

pub(super) fn block(experiment: &Experiment<'_>, panel: &str) -> Block {
    let mut drawn = Drawn::of(experiment, panel);
    let runs = drawn.aligned(experiment, panel);
    let curves: Vec<_> = runs.iter().filter_map(|r| profile(r)).collect();
    let points = average_curves(&curves);
    let body = if points.is_empty() {
        drawn.notes.push("no weight change was measured".to_owned());
        Body::Nothing
    } else {
        let mark = if drawn.dashed { Mark::DashedLine } else { Mark::LineAndDots };
        let fitted = fitted(&runs, &points);
        let measured = Series {
            name: "measured, 95 % over seeds".to_owned(),
            part: None,
            mark,
            tone: Tone::Colour(0),
            points,
            interval: Interval::MeanT95,
            n_seeds: curves.len(),
        };
        let x = "eigenvalue of the data (variance)".to_owned();
        let y = "root of the energy of the change, largest = 1".to_owned();
        Body::Plot(Plot {
            x: Axis { title: x, scale: Scale::Log },
            y: Axis { title: y, scale: Scale::Linear },
            series: fitted.into_iter().chain([measured]).collect(),
        })
    };
    let dataset = experiment.dataset(panel).to_owned();
    let title = format!("{panel}, {} seeds", curves.len());
    Block { panel: panel.to_owned(), title, dataset, notes: drawn.notes, body }
}

/// Root of the energy at the last checkpoint over the eigenvalue, divided by its largest value.
fn profile(run: &AlignRun) -> Option<(Vec<f64>, Vec<f64>)> {
    let spectrum = run.last_spectrum().ok()?;
    let change: Vec<f64> = spectrum.change.iter().copied().collect::<Option<_>>()?;
    let most = change.iter().copied().fold(0.0, f64::max);
    let scaled = change.iter().map(|c| c / most).collect();
    (most > 0.0).then(|| (spectrum.eigenvalue.clone(), scaled))
}

/// The closed form at the geometric mean of the seeds' fitted rates, divided by its largest value.
fn fitted(runs: &[&AlignRun], points: &[Point]) -> Option<Series> {
    let rates: Vec<_> =
        runs.iter().filter_map(|r| r.last().ok()?.profile_fit_rate).map(f64::ln).collect();
    let (first, last) = (points.first()?.x, points.last()?.x);
    if rates.is_empty() || first <= 0.0 || last <= first {
        return None;
    }
    let rate = mean(&rates).exp();
    let x = |i: u32| first * (last / first).powf(f64::from(i) / f64::from(FINE));
    let form: Vec<_> = (0..=FINE).map(|i| (x(i), closed_form(x(i), rate))).collect();
    let most = form.iter().map(|p| p.1).fold(0.0, f64::max);
    let points = form.iter().map(|&(x, y)| Point { x, y: y / most, band: None });
    Some(Series {
        name: "closed form, best fit".to_owned(),
        part: None,
        mark: Mark::Line,
        tone: Tone::Colour(1),
        points: points.collect(),
        interval: Interval::None,
        n_seeds: rates.len(),
    })
}

/// What linear dynamics learn along a direction of variance `l` (Chowers and Weiss).
fn closed_form(l: f64, rate: f64) -> f64 {
    -(-rate * l).exp_m1() / l.sqrt()
}
