//! One row of dots per variant.

use super::{
    WIDTH,
    canvas::{Canvas, text_width},
    scale::Mapped,
};
use crate::figures::{DotRow, Dots, Scale};

const ROW: f64 = 30.0;
/// Room for runs that never got there, right of the horizon.
const NEVER: f64 = 48.0;
const RIGHT: f64 = WIDTH - NEVER - 4.0;

/// Draws the rows below `top`; returns where they end.
pub(super) fn draw(canvas: &mut Canvas, dots: &Dots, top: f64) -> f64 {
    let names = dots.rows.iter().map(|r| text_width(&r.name));
    let left = names.fold(40.0, f64::max) + 10.0;
    let top = top + 4.0;
    let bottom = top + 16.0 + ROW * dots.rows.len() as f64;
    let x = Mapped::over(Scale::Linear, [0.0, dots.horizon].into_iter(), (left, RIGHT));
    axis(canvas, &x, (left, top, bottom));
    canvas.text((WIDTH, top + 10.0), "m e", "never");
    canvas.line((RIGHT + 6.0, top), (RIGHT + 6.0, bottom), "axis dash");
    for (i, row) in dots.rows.iter().enumerate() {
        let y = top + 16.0 + ROW * (i as f64 + 0.5);
        canvas.text((left - 10.0, y + 4.5), "e", &row.name);
        canvas.line((left, y), (RIGHT, y), "grid");
        draw_row(canvas, row, &x, y);
    }
    // Below all of the axis, from its very left: the title is longer than the axis.
    canvas.text((WIDTH, bottom + 38.0), "m e", &dots.x_title);
    let key = bottom + 58.0;
    canvas.circle((5.0, key - 4.5), 4.0, "dot f0");
    canvas.text((14.0, key), "", "one seed");
    canvas.line((92.0, key - 13.0), (92.0, key + 3.0), "line l1");
    canvas.text((100.0, key), "", "mean, with 95 % interval");
    key + 8.0
}

fn axis(canvas: &mut Canvas, x: &Mapped, (left, top, bottom): (f64, f64, f64)) {
    let mut free = f64::NEG_INFINITY;
    for (at, label) in x.ticks() {
        canvas.line((at, bottom), (at, bottom + 5.0), "axis");
        let half = text_width(&label) / 2.0;
        if at - half > free {
            canvas.text((at, bottom + 19.0), "m c", &label);
            free = at + half + 4.0;
        }
    }
    canvas.line((left, bottom), (RIGHT, bottom), "axis");
    canvas.line((left, top), (left, bottom), "axis");
}

fn draw_row(canvas: &mut Canvas, row: &DotRow, x: &Mapped, y: f64) {
    let mean = x.at(row.mean.y);
    if let Some((lo, hi)) = row.mean.band {
        let end = |v: f64| x.at(v.max(0.0)).min(RIGHT);
        canvas.line((end(lo), y), (end(hi), y), "line l1");
    }
    canvas.line((mean, y - 10.0), (mean, y + 10.0), "line l1");
    // Dots of equal steps would hide each other, so seeds stand at slightly different heights.
    let n = row.dots.len().max(2) as f64 - 1.0;
    for (i, &(_, steps, reached)) in row.dots.iter().enumerate() {
        let share = if row.dots.len() < 2 { 0.0 } else { i as f64 / n - 0.5 };
        let y = y + share * 14.0;
        if reached {
            canvas.circle((x.at(steps), y), 3.5, "dot f0");
        } else {
            canvas.circle((RIGHT + 6.0 + NEVER / 2.0, y), 3.5, "ring l0");
        }
    }
}
