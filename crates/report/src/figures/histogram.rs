//! Units by the share of held-out images that activate them, at three times (paper, Figures 7 and 8).

use randlab_core::Seed;
use randlab_store::table::ActivityRow;

use super::{
    Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone,
    average::{Drawn, average},
};
use crate::{
    ReportError,
    input::{Activity, BINS, Experiment, Histogram, Run},
};

/// Layers shown, counted from the last hidden one: the effect is theirs.
const LAYERS: usize = 4;

/// Both phases of one seed.
type Phases = (Activity, Activity);

/// One plot per panel and late layer.
pub(super) fn blocks(
    experiment: &Experiment<'_>,
    panels: &[String],
    (task, variant): (&str, &str),
) -> Result<Vec<Block>, ReportError> {
    let mut blocks = Vec::new();
    for panel in panels {
        let mut drawn = Drawn::of(experiment, panel);
        let arm = format!("{task}.{variant}");
        let block = |name: &str, notes: Vec<String>, body: Body| Block {
            panel: format!("{panel}.{name}"),
            title: format!("{panel}, {variant}: {name}, {} seeds", drawn.seeds.len()),
            dataset: experiment.dataset(panel).to_owned(),
            notes,
            body,
        };
        match runs(experiment, panel, &arm, &drawn.seeds) {
            Err(why) => {
                drawn.notes.push(why);
                blocks.push(block("hidden layers", drawn.notes.clone(), Body::Nothing));
            }
            Ok(runs) => {
                let phases = read(&runs)?;
                let layers = phases.first().map_or_else(Vec::new, |p| p.0.layers());
                for &(depth, name) in &layers[layers.len().saturating_sub(LAYERS)..] {
                    let plot = plot(&phases, depth, (task, drawn.dashed));
                    blocks.push(block(name, drawn.notes.clone(), Body::Plot(plot)));
                }
            }
        }
    }
    Ok(blocks)
}

/// Both runs of every seed; the text says which is missing or counted no units.
fn runs<'e>(
    experiment: &'e Experiment<'_>,
    panel: &str,
    arm: &str,
    seeds: &[Seed],
) -> Result<Vec<(&'e Run, &'e Run)>, String> {
    let find = |stage: &str, arm: &str, seed: Seed| {
        let mut runs = experiment.of(stage, panel);
        let run = runs.find(|r| r.info.arm == arm && r.info.seed == seed);
        run.filter(|r| r.wrote::<ActivityRow>())
            .ok_or_else(|| format!("panel {panel} counts no active units in {stage}, seed {seed}"))
    };
    let both = |&seed: &Seed| Ok((find("pretrain", "", seed)?, find("finetune", arm, seed)?));
    seeds.iter().map(both).collect()
}

fn read(runs: &[(&Run, &Run)]) -> Result<Vec<Phases>, ReportError> {
    runs.iter()
        .map(|(before, after)| Ok((Activity::read(before)?, Activity::read(after)?)))
        .collect()
}

fn plot(phases: &[Phases], depth: i32, (task, dashed): (&str, bool)) -> Plot {
    let series = |i: u32, name: &str, of: &dyn Fn(&Phases) -> Option<Histogram>| {
        let histograms: Vec<_> = phases.iter().filter_map(of).collect();
        // Three shades need not begin at the palest, which thin circles on a dark page would be lost in.
        curves(name, Tone::Shade(f64::from(1 + 2 * i) / 5.0), &histograms, dashed)
    };
    let times = [
        series(0, "initialisation", &|p| p.0.first(depth)),
        series(1, "after pre-training", &|p| p.0.last(depth)),
        series(2, &format!("after {task} labels"), &|p| p.1.last(depth)),
    ];
    Plot {
        x: Axis { title: "share of images; circles: dead units".to_owned(), scale: Scale::Linear },
        y: Axis {
            title: format!("share of units, {BINS} bins, by images they are active on"),
            scale: Scale::Linear,
        },
        series: times.into_iter().flatten().collect(),
    }
}

/// The histogram as a line through the middle of its bins, and the share of dead units as a mark at 0.
fn curves(name: &str, tone: Tone, histograms: &[Histogram], dashed: bool) -> [Series; 2] {
    let at = |x: f64, of: &dyn Fn(&Histogram) -> f64| {
        average(x, &histograms.iter().map(of).collect::<Vec<_>>())
    };
    let middle = |k: usize| (k as f64 + 0.5) / BINS as f64;
    let bins = (0..BINS).map(|k| at(middle(k), &|h| h.bins[k])).collect();
    let series = |part: Option<&str>, mark, points: Vec<Point>| Series {
        name: name.to_owned(),
        part: part.map(str::to_owned),
        mark,
        tone,
        points,
        interval: Interval::MeanT95,
        n_seeds: histograms.len(),
    };
    let line = if dashed { Mark::DashedLine } else { Mark::Line };
    let dead = vec![at(0.0, &|h| h.dead)];
    [series(None, line, bins), series(Some("dead"), Mark::OpenCircles, dead)]
}
