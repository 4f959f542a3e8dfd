//! One row of dots per variant.

use super::{
    WIDTH,
    canvas::{Canvas, text_width},
    plot::abscissa,
    scale::Mapped,
};
use crate::figure::{Dot, DotRow, Dots, Scale, Span};

const ROW: f64 = 30.0;
/// Room for runs that never got there, right of the horizon.
const NEVER: f64 = 48.0;

/// Draws the rows below `top`; returns where they end.
pub(super) fn draw(canvas: &mut Canvas, dots: &Dots, top: f64) -> f64 {
    let names = dots.rows.iter().map(|r| text_width(&r.name));
    let left = names.fold(40.0, f64::max) + 10.0;
    let top = top + 4.0;
    let bottom = top + 16.0 + ROW * dots.rows.len() as f64;
    let (values, right) = match dots.span {
        Span::Horizon(horizon) => (vec![0.0, horizon], WIDTH - NEVER - 4.0),
        Span::Differences => (around_zero(&dots.rows), WIDTH - 8.0),
    };
    let frame = Frame {
        x: Mapped::over(Scale::Linear, values.into_iter(), (left, right)),
        ends: (left, right),
    };
    frame.axis(canvas, (top, bottom));
    match dots.span {
        Span::Horizon(_) => {
            canvas.text((WIDTH, top + 10.0), "m e", "never");
            canvas.line((right + 6.0, top), (right + 6.0, bottom), "axis dash");
        }
        Span::Differences => {
            let zero = frame.x.at(0.0);
            canvas.line((zero, top), (zero, bottom), "axis");
        }
    }
    for (i, row) in dots.rows.iter().enumerate() {
        let y = top + 16.0 + ROW * (i as f64 + 0.5);
        canvas.text((left - 10.0, y + 4.5), "e", &row.name);
        canvas.line((left, y), (right, y), "grid");
        frame.row(canvas, row, y);
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

/// What an axis around 0 must hold: all dots, and intervals as far as they do not dwarf them.
fn around_zero(rows: &[DotRow]) -> Vec<f64> {
    let dots = || rows.iter().flat_map(|r| &r.dots).map(|d| d.value).filter(|v| v.is_finite());
    let (lo, hi) = dots().fold((0.0_f64, 0.0_f64), |(lo, hi), v| (lo.min(v), hi.max(v)));
    let room = 0.4 * (hi - lo);
    let ends = rows.iter().filter_map(|r| r.mean.band).flat_map(|b| [b.0, b.1]);
    ends.map(|e| e.clamp(lo - room, hi + room)).chain([lo, hi]).collect()
}

/// The axis and its ends, in user units.
struct Frame {
    x: Mapped,
    ends: (f64, f64),
}

impl Frame {
    fn axis(&self, canvas: &mut Canvas, (top, bottom): (f64, f64)) {
        let (left, right) = self.ends;
        abscissa(canvas, &self.x, bottom);
        canvas.line((left, bottom), (right, bottom), "axis");
        canvas.line((left, top), (left, bottom), "axis");
    }

    fn row(&self, canvas: &mut Canvas, row: &DotRow, y: f64) {
        let (left, right) = self.ends;
        let mean = self.x.at(row.mean.y);
        if let Some((lo, hi)) = row.mean.band {
            let end = |v: f64| self.x.at(v).clamp(left, right);
            canvas.line((end(lo), y), (end(hi), y), "line l1");
        }
        canvas.line((mean, y - 10.0), (mean, y + 10.0), "line l1");
        // Dots of equal steps would hide each other, so seeds stand at slightly different heights.
        let n = row.dots.len().max(2) as f64 - 1.0;
        for (i, &Dot { value, reached, .. }) in row.dots.iter().enumerate() {
            let share = if row.dots.len() < 2 { 0.0 } else { i as f64 / n - 0.5 };
            let y = y + share * 14.0;
            if reached {
                canvas.circle((self.x.at(value), y), 3.5, "dot f0");
            } else {
                canvas.circle((right + 6.0 + NEVER / 2.0, y), 3.5, "ring l0");
            }
        }
    }
}
