//! Figures: first a set of points, then a drawing.
//!
//! The modules here choose and average; how it looks is decided in [`crate::svg`]. Whatever is drawn as a point is a row
//! of `curves` first.

mod activity;
mod average;
mod energy;
mod filters;
mod gains;
mod histogram;
mod learning;
mod map;
mod misalignment;
mod model;
mod pairs;
mod reach;
mod signal;
mod transfer;

use randlab_recipe::{Drawing, FigureSpec};

pub(crate) use model::{
    Axis, Block, Body, Difference, DotRow, Dots, Figure, HeatCell, HeatMap, Interval, Mark,
    Picture, Pictures, Plot, Point, Scale, Series, Span, Tone,
};

use crate::{ReportError, input::Experiment};

/// Draws every figure of an experiment, in its order.
pub(crate) fn draw_all(experiment: &Experiment<'_>) -> Result<Vec<Figure>, ReportError> {
    experiment.spec.figures.iter().map(|spec| draw(spec, experiment)).collect()
}

fn draw(spec: &FigureSpec, experiment: &Experiment<'_>) -> Result<Figure, ReportError> {
    let name = format!("{}.{}", experiment.spec.name, spec.id);
    let each = |panels: &[String], block: &dyn Fn(&str) -> Block| -> Vec<Block> {
        panels.iter().map(|p| block(p)).collect()
    };
    let (blocks, panels) = match &spec.draw {
        Drawing::Misalignment { panels } => {
            (each(panels, &|p| misalignment::block(experiment, p)), panels.clone())
        }
        Drawing::EnergyProfile { panels } => {
            (each(panels, &|p| energy::block(experiment, p)), panels.clone())
        }
        Drawing::TransferFunction { panels, x, steps, relative, paper } => {
            let view = transfer::View { x: *x, steps: *steps, relative: *relative, paper };
            (each(panels, &|p| transfer::block(experiment, p, &view)), panels.clone())
        }
        Drawing::Filters { panels, eigenvectors } => {
            (filters::blocks(experiment, panels, *eigenvectors, &name)?, panels.clone())
        }
        Drawing::LearningCurves { panel, downstream, variants, held_out } => {
            let block =
                |task: &str| learning::block(experiment, (panel, task), variants, *held_out);
            (each(downstream, &block), vec![panel.clone()])
        }
        Drawing::TimeToAccuracy { panel, downstream, variants, accuracy } => {
            let block = |task: &str| reach::block(experiment, (panel, task), variants, *accuracy);
            (each(downstream, &block), vec![panel.clone()])
        }
        Drawing::Gains { panels, downstream, variants, baseline } => {
            let of = |panel: &String| {
                each(downstream, &|task| {
                    gains::block(experiment, (panel, task), variants, baseline)
                })
            };
            (panels.iter().flat_map(of).collect(), panels.clone())
        }
        Drawing::Activity { panels, downstream, variant } => {
            let block = |p: &str| activity::block(experiment, p, (downstream, variant));
            (each(panels, &block), panels.clone())
        }
        Drawing::ActivityHistogram { panels, downstream, variant } => {
            (histogram::blocks(experiment, panels, (downstream, variant))?, panels.clone())
        }
        Drawing::Signal { pairs } => {
            (vec![signal::block(experiment, pairs)], pairs::panels(pairs.iter()))
        }
        Drawing::Map { rows, columns, cells } => {
            let panels = pairs::panels(cells.iter().map(|c| &c.pair));
            (vec![map::block(experiment, (rows, columns), cells)], panels)
        }
    };
    let (title, caption) = (spec.title.clone(), spec.caption.clone());
    Ok(Figure { name, title, caption, blocks, panels })
}
