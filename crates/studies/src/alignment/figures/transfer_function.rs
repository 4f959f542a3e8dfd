//! Transfer function f (paper, Definition 3; Figures 4 and 20).

use std::rc::Rc;

use randlab_report::{
    ArmRef, Converged, Drawing, Layout, ReportError, Runs,
    figure::{Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone},
};
use serde::{Deserialize, Serialize};

use crate::{
    alignment::{
        Reference, check,
        view::{AlignRun, Spectrum, common_steps},
    },
    average::{Drawn, Head, average_curves, thin},
};

/// Checkpoints drawn at most: more shades cannot be told apart.
const MOST_STEPS: usize = 8;

/// Transfer function f over the data eigenvalue or its root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferFunction {
    /// Panels.
    pub panels: Vec<String>,
    /// Abscissa: the eigenvalue (log scale) or its root (linear scale).
    pub x: SpectrumAxis,
    /// `last`, or `all` checkpoints as separate curves.
    pub steps: Steps,
    /// Divide by the value at step 0.
    pub relative: bool,
    /// Values read off the paper's figure, one list per panel; empty for none.
    pub paper: Vec<Reference>,
}

/// Abscissa of spectral figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpectrumAxis {
    /// Eigenvalue of the data covariance.
    Eigenvalue,
    /// Its root, the standard deviation of the inputs.
    Std,
}

/// Which checkpoints are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steps {
    /// The last one.
    Last,
    /// All.
    All,
}

impl Drawing for TransferFunction {
    fn arms(&self) -> Vec<ArmRef> {
        self.panels.iter().map(|p| ArmRef::net(p)).collect()
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        check(&self.arms(), layout)
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        Ok(self.panels.iter().map(|panel| self.block(runs, panel)).collect())
    }
}

impl TransferFunction {
    fn block(&self, runs: &Runs, panel: &str) -> Block {
        let mut drawn = Drawn::of(runs, panel);
        let aligned = drawn.found(|seed| AlignRun::net(runs, panel, seed));
        let mut series = match self.steps {
            Steps::Last => vec![last(runs, panel, &aligned, self)],
            Steps::All => all_steps(&aligned, self),
        };
        for s in &mut series {
            if drawn.dashed {
                s.mark = Mark::DashedLine;
            }
        }
        series.extend(self.paper.iter().filter(|p| p.panel == panel).map(paper));
        let title = format!("{panel}, {} seeds", aligned.len());
        let body = Body::Plot(Plot { x: self.x_axis(), y: self.y_axis(), series });
        drawn.block(runs, panel, Head { name: panel.to_owned(), title }, body)
    }

    fn abscissae(&self, spectrum: &Spectrum) -> Vec<f64> {
        match self.x {
            SpectrumAxis::Eigenvalue => spectrum.eigenvalue.clone(),
            SpectrumAxis::Std => spectrum.std(),
        }
    }

    /// Abscissae and f of one run at one step, divided by f at step 0 if asked for.
    fn curve(&self, run: &AlignRun, step: i64) -> Option<(Vec<f64>, Vec<f64>)> {
        let spectrum = run.spectrum(step)?;
        let f = if self.relative {
            let start = run.spectrum(0)?;
            spectrum.f.iter().zip(&start.f).map(|(a, b)| a / b).collect()
        } else {
            spectrum.f.clone()
        };
        Some((self.abscissae(spectrum), f))
    }

    fn x_axis(&self) -> Axis {
        let (title, scale) = match self.x {
            SpectrumAxis::Eigenvalue => ("eigenvalue of the data (variance)", Scale::Log),
            SpectrumAxis::Std => ("standard deviation of the inputs", Scale::Linear),
        };
        Axis { title: title.to_owned(), scale }
    }

    fn y_axis(&self) -> Axis {
        let title =
            if self.relative { "f over f before training" } else { "f, weight standard deviation" };
        Axis { title: title.to_owned(), scale: Scale::Linear }
    }
}

/// The last checkpoint: f of the pooled filters with the seeds' interval, or the seeds' mean where there is no clean pool.
fn last(runs: &Runs, panel: &str, aligned: &[Rc<AlignRun>], view: &TransferFunction) -> Series {
    let curve = |r: &Rc<AlignRun>| view.curve(r, r.last().ok()?.step);
    let mut points = average_curves(&aligned.iter().filter_map(curve).collect::<Vec<_>>());
    let mut name = "mean over seeds, 95 %";
    if let (false, Ok(pool)) = (view.relative, AlignRun::pool(runs, panel))
        && !pool.tainted(&Converged::of(runs, &[panel]))
        && let Ok(spectrum) = pool.last_spectrum()
    {
        let pooled = average_curves(&[(view.abscissae(spectrum), spectrum.f.clone())]);
        if pooled.len() == points.len() {
            let banded = pooled.iter().zip(&points).map(|(p, q)| Point { band: q.band, ..*p });
            points = banded.collect();
            name = "pooled filters, 95 % over seeds";
        }
    }
    Series {
        name: name.to_owned(),
        part: None,
        mark: Mark::LineAndDots,
        tone: Tone::Colour(0),
        points,
        interval: Interval::MeanT95,
        n_seeds: aligned.len(),
    }
}

/// One curve per checkpoint, from pale to full; the last has its interval.
fn all_steps(runs: &[Rc<AlignRun>], view: &TransferFunction) -> Vec<Series> {
    let steps = thin(&common_steps(runs), MOST_STEPS);
    let end = steps.len().saturating_sub(1);
    let series = |(i, &step): (usize, &i64)| {
        let curves: Vec<_> = runs.iter().filter_map(|r| view.curve(r, step)).collect();
        let mut points = average_curves(&curves);
        if i < end {
            for p in &mut points {
                p.band = None;
            }
        }
        Series {
            name: format!("step {step}"),
            part: None,
            mark: Mark::Line,
            tone: Tone::Shade(i as f64 / end.max(1) as f64),
            points,
            interval: if i < end { Interval::None } else { Interval::MeanT95 },
            n_seeds: curves.len(),
        }
    };
    steps.iter().enumerate().map(series).collect()
}

fn paper(reference: &Reference) -> Series {
    let points = reference.x.iter().zip(&reference.y).map(|(&x, &y)| Point { x, y, band: None });
    Series {
        name: "read off the paper".to_owned(),
        part: None,
        mark: Mark::OpenCircles,
        tone: Tone::Colour(1),
        points: points.collect(),
        interval: Interval::None,
        n_seeds: 0,
    }
}
