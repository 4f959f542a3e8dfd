//! Differences in rows and columns.

use super::{
    WIDTH,
    canvas::{Canvas, text_width, wrap},
};
use crate::figure::{Difference, HeatCell, HeatMap};

/// Width of row labels at most; longer ones are broken.
const LABELS: f64 = 104.0;
const HEIGHT: f64 = 44.0;
const GAP: f64 = 3.0;
const LINE: f64 = 16.0;
/// How much more small text holds than text of normal size.
const SMALL: f64 = 13.0 / 11.0;
/// Opacity of an undecided cell, and of the weakest and the strongest decided one. Text must stay readable on all.
const PALE: f64 = 0.07;
const WEAK: f64 = 0.15;
const STRONG: f64 = 0.6;

/// Draws the map below `top`; returns where it ends.
pub(super) fn draw(canvas: &mut Canvas, map: &HeatMap, top: f64) -> f64 {
    let labels: Vec<_> = map.rows.iter().map(|label| wrap(label, LABELS)).collect();
    let widest = labels.iter().flatten().map(|line| text_width(line)).fold(0.0, f64::max);
    let left = widest.min(LABELS) + 8.0;
    let cell_width = (WIDTH - left + GAP) / map.columns.len().max(1) as f64 - GAP;
    canvas.text((0.0, top + 14.0), "m", &map.title);
    let top = columns(canvas, &map.columns, (left, cell_width), top + 20.0);
    for (i, lines) in labels.iter().enumerate() {
        let middle = top + i as f64 * (HEIGHT + GAP) + HEIGHT / 2.0;
        centred(canvas, lines, (left - 8.0, middle), "e");
    }
    let most = map.cells.iter().filter_map(|c| Some(c.content.as_ref().ok()?.mean.abs()));
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    for cell in &map.cells {
        let x = left + cell.column as f64 * (cell_width + GAP);
        let y = top + cell.row as f64 * (HEIGHT + GAP);
        draw_cell(canvas, cell, most, ((x, y), cell_width));
    }
    key(canvas, top + map.rows.len() as f64 * (HEIGHT + GAP) + 4.0)
}

/// Labels above the columns, in small text and ending at one base line; returns where cells begin.
fn columns(canvas: &mut Canvas, labels: &[String], (left, width): (f64, f64), top: f64) -> f64 {
    let labels: Vec<_> = labels.iter().map(|label| wrap(label, width * SMALL)).collect();
    let height = labels.iter().map(Vec::len).max().unwrap_or(0) as f64 * LINE;
    for (i, lines) in labels.iter().enumerate() {
        let x = left + i as f64 * (width + GAP) + width / 2.0;
        let y = top + height - lines.len() as f64 * LINE / 2.0;
        centred(canvas, lines, (x, y), "s c");
    }
    top + height + 4.0
}

/// Lines of text around the height `y`.
fn centred(canvas: &mut Canvas, lines: &[String], (x, y): (f64, f64), class: &str) {
    let first = y - (lines.len() as f64 - 1.0) * LINE / 2.0 + 4.5;
    for (i, line) in lines.iter().enumerate() {
        canvas.text((x, first + i as f64 * LINE), class, line);
    }
}

/// A decided cell is as strong as its gain is large, an undecided one pale with a dashed border, one without a number empty.
fn draw_cell(canvas: &mut Canvas, cell: &HeatCell, most: f64, ((x, y), width): ((f64, f64), f64)) {
    let place = ((x, y), (width, HEIGHT));
    let (middle, height) = (x + width / 2.0, y + HEIGHT / 2.0);
    let difference = match &cell.content {
        Ok(difference) => difference,
        Err(why) => {
            canvas.rect(place, "axis faint", 1.0);
            return centred(canvas, &wrap(why, width * SMALL), (middle, height), "m s c");
        }
    };
    let fill = if difference.mean < 0.0 { "f1" } else { "f0" };
    if difference.decided() {
        let opacity = WEAK + (STRONG - WEAK) * difference.mean.abs() / most;
        canvas.rect(place, fill, opacity);
    } else {
        canvas.rect(place, fill, PALE);
        canvas.rect(place, "axis dash", 1.0);
    }
    canvas.text((middle, height - 2.0), "c", &signed(difference.mean));
    canvas.text((middle, height + 14.0), "s c", &half_width(difference));
}

/// Two decimals with a sign, but none on a zero.
fn signed(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    if rounded == 0.0 { "0.00".to_owned() } else { format!("{rounded:+.2}") }
}

fn half_width(difference: &Difference) -> String {
    difference
        .interval
        .map_or_else(|| "1 seed".to_owned(), |(lo, hi)| format!("\u{b1}{:.2}", (hi - lo) / 2.0))
}

/// What colours and borders mean; returns where it ends.
fn key(canvas: &mut Canvas, top: f64) -> f64 {
    const SIDE: f64 = 13.0;
    let swatch = |canvas: &mut Canvas, x: f64, y: f64, class: &str, opacity: f64| {
        canvas.rect(((x, y), (SIDE + 6.0, SIDE)), class, opacity);
    };
    swatch(canvas, 0.0, top + 6.0, "f0", STRONG);
    canvas.text((25.0, top + 17.0), "", "above the baseline");
    swatch(canvas, 180.0, top + 6.0, "f1", STRONG);
    canvas.text((205.0, top + 17.0), "", "below the baseline");
    swatch(canvas, 0.0, top + 26.0, "axis dash", 1.0);
    canvas.text((25.0, top + 37.0), "", "undecided: the 95 % interval holds 0");
    canvas.text((0.0, top + 57.0), "m", "\u{b1}: half the interval");
    top + 64.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_sign_and_zero_has_none() {
        assert_eq!([-0.396, 0.16, -0.004].map(signed), ["-0.40", "+0.16", "0.00"]);
    }

    #[test]
    fn the_interval_decides_and_one_seed_cannot() {
        let of = |interval| Difference { mean: 0.1, interval, n_seeds: 2 };
        assert!(of(Some((0.02, 0.18))).decided());
        assert!(!of(Some((-0.02, 0.22))).decided());
        assert!(!of(None).decided());
        assert_eq!(half_width(&of(Some((0.02, 0.18)))), "\u{b1}0.08");
        assert_eq!(half_width(&of(None)), "1 seed");
    }
}
