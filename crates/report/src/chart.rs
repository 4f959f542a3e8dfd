//! Curves that belong to no experiment.

use randlab_store::table::CurveRow;

use crate::{
    figure::{Axis, Block, Body, Figure, Interval, Mark, Plot, Point, Scale, Series, Tone},
    svg,
};

/// One SVG document of curves, both axes logarithmic: a plot for each run of rows with one panel, a curve for each with one
/// series, bands where rows have ends. The order is that of the rows.
pub fn chart(name: &str, title: &str, caption: &str, rows: &[CurveRow]) -> String {
    let panels = rows.chunk_by(|a, b| a.panel == b.panel);
    svg::document(&Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        caption: caption.to_owned(),
        blocks: panels.filter_map(block).collect(),
        panels: Vec::new(),
    })
}

fn block(rows: &[CurveRow]) -> Option<Block> {
    let first = rows.first()?;
    let axis = |title: &str| Axis { title: title.to_owned(), scale: Scale::Log };
    let curves = rows.chunk_by(|a, b| a.series == b.series).enumerate();
    let plot = Plot {
        x: axis(&first.x_name),
        y: axis(&first.y_name),
        series: curves.filter_map(|(i, rows)| series(i, rows)).collect(),
    };
    Some(Block {
        panel: first.panel.clone(),
        title: first.panel.clone(),
        dataset: first.dataset.clone(),
        notes: Vec::new(),
        body: Body::Plot(plot),
    })
}

fn series(i: usize, rows: &[CurveRow]) -> Option<Series> {
    let point = |r: &CurveRow| Point { x: r.x, y: r.y, band: r.lo.zip(r.hi) };
    Some(Series {
        name: rows.first()?.series.clone(),
        part: None,
        mark: Mark::LineAndDots,
        tone: Tone::Colour(i),
        points: rows.iter().map(point).collect(),
        interval: Interval::None,
        n_seeds: 1,
    })
}
