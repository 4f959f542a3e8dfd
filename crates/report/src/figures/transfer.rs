//! Transfer function f (paper, Definition 3; Figures 4 and 20).

use randlab_recipe::{Reference, SpectrumAxis, Steps};

use super::{
    Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone,
    average::{Drawn, average_curves, common_steps, thin},
};
use crate::input::{AlignRun, Experiment, Fit, Spectrum};

/// Checkpoints drawn at most: more shades cannot be told apart.
const MOST_STEPS: usize = 8;

/// What of f is drawn.
pub(super) struct View<'a> {
    pub x: SpectrumAxis,
    pub steps: Steps,
    pub relative: bool,
    pub paper: &'a [Reference],
}

pub(super) fn block(experiment: &Experiment<'_>, panel: &str, view: &View<'_>) -> Block {
    let mut drawn = Drawn::of(experiment, panel);
    let runs = drawn.aligned(experiment, panel);
    let mut series = match view.steps {
        Steps::Last => vec![last(experiment, panel, &runs, view)],
        Steps::All => all_steps(&runs, view),
    };
    for s in &mut series {
        if drawn.dashed {
            s.mark = Mark::DashedLine;
        }
    }
    series.extend(view.paper.iter().filter(|p| p.panel == panel).map(paper));
    let title = format!("{panel}, {} seeds", runs.len());
    let dataset = experiment.dataset(panel).to_owned();
    let body = Body::Plot(Plot { x: view.x_axis(), y: view.y_axis(), series });
    Block { panel: panel.to_owned(), title, dataset, notes: drawn.notes, body }
}

/// The last checkpoint: f of the pooled filters with the seeds' interval, or the seeds' mean where there is no clean pool.
fn last(experiment: &Experiment<'_>, panel: &str, runs: &[&AlignRun], view: &View<'_>) -> Series {
    let curve = |r: &&AlignRun| view.curve(r, r.last().ok()?.step);
    let mut points = average_curves(&runs.iter().filter_map(curve).collect::<Vec<_>>());
    let mut name = "mean over seeds, 95 %";
    if let (false, Ok(pool)) = (view.relative, experiment.pool(panel))
        && !Fit::of(experiment, &[panel]).taints(pool)
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
        n_seeds: runs.len(),
    }
}

/// One curve per checkpoint, from pale to full; the last has its interval.
fn all_steps(runs: &[&AlignRun], view: &View<'_>) -> Vec<Series> {
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

impl View<'_> {
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
