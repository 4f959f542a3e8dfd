//! Units by the share of held-out images that activate them, at three times (paper, Figures 7 and 8).

use randlab_core::Seed;
use randlab_report::{
    ArmRef, Drawing, ReportError, Run, Runs,
    figure::{Axis, Block, Body, Interval, Mark, Plot, Point, Scale, Series, Tone},
};
use randlab_store::table::ActivityRow;
use serde::{Deserialize, Serialize};

use super::arms;
use crate::{
    activity::histogram::{BINS, Histogram, Histograms},
    average::{Drawn, average},
};

/// Layers shown, counted from the last hidden one: the effect is theirs.
const LAYERS: usize = 4;

/// Units by the share of held-out images that activate them: at initialisation, after pre-training and after the downstream
/// task. Each of the last hidden layers becomes one plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityHistogram {
    /// Panels.
    pub panels: Vec<String>,
    /// Downstream task.
    pub downstream: String,
    /// Variant trained on it.
    pub variant: String,
}

impl Drawing for ActivityHistogram {
    fn arms(&self) -> Vec<ArmRef> {
        arms(&self.panels, &self.downstream, &self.variant)
    }

    fn blocks(&self, runs: &Runs, _name: &str) -> Result<Vec<Block>, ReportError> {
        Ok(self.panels.iter().flat_map(|panel| self.panel(runs, panel)).collect())
    }
}

/// Both phases of one seed.
struct Phases {
    before: Histograms,
    after: Histograms,
}

impl ActivityHistogram {
    /// One plot per late layer.
    fn panel(&self, runs: &Runs, panel: &str) -> Vec<Block> {
        let drawn = Drawn::of(runs, panel);
        let block = |name: &str, notes: Vec<String>, body: Body| Block {
            panel: format!("{panel}.{name}"),
            title: format!("{panel}, {}: {name}, {} seeds", self.variant, drawn.seeds.len()),
            dataset: runs.dataset(panel).to_owned(),
            notes,
            body,
        };
        match self.phases(runs, panel, &drawn.seeds) {
            Err(why) => {
                let notes = drawn.notes.iter().cloned().chain([why]).collect();
                vec![block("hidden layers", notes, Body::Nothing)]
            }
            Ok(phases) => {
                let layers = phases.first().map_or_else(Vec::new, |p| p.before.layers());
                let late = layers.iter().skip(layers.len().saturating_sub(LAYERS));
                let plot = |&(depth, name): &(i32, &str)| {
                    let plot = plot(&phases, depth, &self.downstream, drawn.dashed);
                    block(name, drawn.notes.clone(), Body::Plot(plot))
                };
                late.map(plot).collect()
            }
        }
    }

    /// Both runs of every seed; the text says which is missing or counted no units.
    fn phases(&self, runs: &Runs, panel: &str, seeds: &[Seed]) -> Result<Vec<Phases>, String> {
        let (net, variant) =
            (ArmRef::net(panel), ArmRef::variant(panel, &self.downstream, &self.variant));
        let units = |stage: &str, arm: &ArmRef, seed: Seed| {
            let counted = runs.find(stage, arm, seed).is_some_and(Run::wrote::<ActivityRow>);
            if !counted {
                return Err(format!(
                    "panel {panel} counts no active units in {stage}, seed {seed}"
                ));
            }
            Ok(Histograms::of(&runs.table::<ActivityRow>(stage, arm, seed)?))
        };
        let both = |&seed: &Seed| {
            let before = units("pretrain", &net, seed)?;
            Ok(Phases { before, after: units("finetune", &variant, seed)? })
        };
        seeds.iter().map(both).collect()
    }
}

fn plot(phases: &[Phases], depth: i32, task: &str, dashed: bool) -> Plot {
    let series = |i: u32, name: &str, of: &dyn Fn(&Phases) -> Option<Histogram>| {
        let histograms: Vec<_> = phases.iter().filter_map(of).collect();
        // Three shades need not begin at the palest, which thin circles on a dark page would be lost in.
        curves(name, Tone::Shade(f64::from(1 + 2 * i) / 5.0), &histograms, dashed)
    };
    let times = [
        series(0, "initialisation", &|p| p.before.first(depth)),
        series(1, "after pre-training", &|p| p.before.last(depth)),
        series(2, &format!("after {task} labels"), &|p| p.after.last(depth)),
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
