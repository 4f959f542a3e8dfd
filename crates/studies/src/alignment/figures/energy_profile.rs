//! Energy profile of the weight change, with the closed form of Chowers and Weiss.

use std::rc::Rc;

use randlab_moments::closed_form;
use randlab_report::{
    ArmRef, Drawing, Layout, ReportError, Runs,
    figure::{Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone},
    stats::mean,
};
use serde::{Deserialize, Serialize};

use crate::{
    alignment::{check, view::AlignRun},
    average::{Drawn, Head, average_curves},
};

/// Points of the drawn closed form.
const FINE: u32 = 80;

/// Energy profile of the weight change over the data eigenvalue, with the closed form of Chowers and Weiss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyProfile {
    /// Panels.
    pub panels: Vec<String>,
}

impl Drawing for EnergyProfile {
    fn arms(&self) -> Vec<ArmRef> {
        self.panels.iter().map(|p| ArmRef::net(p)).collect()
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        Ok(self.panels.iter().map(|panel| block(runs, panel)).collect())
    }
}

fn block(runs: &Runs, panel: &str) -> Block {
    let mut drawn = Drawn::of(runs, panel);
    let aligned = drawn.found(|seed| AlignRun::net(runs, panel, seed));
    let curves: Vec<_> = aligned.iter().filter_map(|r| profile(r)).collect();
    let points = average_curves(&curves);
    let body = if points.is_empty() {
        drawn.notes.push("no weight change was measured".to_owned());
        Body::Nothing
    } else {
        let fitted = fitted(&aligned, &points);
        let measured = Series {
            name: "measured, 95 % over seeds".to_owned(),
            part: None,
            mark: if drawn.dashed { Mark::DashedLine } else { Mark::LineAndDots },
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
    let title = format!("{panel}, {} seeds", curves.len());
    drawn.block(runs, panel, Head { name: panel.to_owned(), title }, body)
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
fn fitted(runs: &[Rc<AlignRun>], points: &[Point]) -> Option<Series> {
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
