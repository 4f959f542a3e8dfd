//! Curves over axes.

use super::{
    WIDTH,
    canvas::{Canvas, text_width},
    scale::Mapped,
};
use crate::figure::{Axis, Mark, Plot, Point, Scale, Series, Tone};

const LEFT: f64 = 50.0;
const RIGHT: f64 = WIDTH - 10.0;
const HEIGHT: f64 = 220.0;
/// Colours of the palette; the last is the text's.
const COLOURS: usize = 7;

/// Draws a plot below `top`; returns where it ends.
pub(super) fn draw(canvas: &mut Canvas, plot: &Plot, top: f64, clip: &str) -> f64 {
    let top = legend(canvas, &plot.series, top);
    canvas.text((0.0, top + 14.0), "m", &plot.y.title);
    let (top, bottom) = (top + 24.0, top + 24.0 + HEIGHT);
    let points = || plot.series.iter().flat_map(|s| &s.points);
    let x = Mapped::over(plot.x.scale, points().map(|p| p.x), (LEFT, RIGHT));
    let y = Mapped::over(plot.y.scale, ordinates(&plot.series).into_iter(), (bottom, top));
    axes(canvas, (&x, &y), (top, bottom));
    if let Scale::Phases { switch } = plot.x.scale {
        canvas.line((x.at(switch), top), (x.at(switch), bottom), "axis dash");
    }
    canvas.clip(&format!("{clip}b"), (LEFT, top), (RIGHT - LEFT, HEIGHT));
    for s in &plot.series {
        band(canvas, s, &x, &y);
    }
    canvas.end();
    // Marks on the border are shown whole.
    canvas.clip(clip, (LEFT - 5.0, top - 5.0), (RIGHT - LEFT + 10.0, HEIGHT + 10.0));
    for s in &plot.series {
        curve(canvas, s, &x, &y);
    }
    canvas.end();
    titles(canvas, &plot.x, bottom + 38.0);
    bottom + 46.0
}

/// The title of the abscissa; with two phases one for each.
fn titles(canvas: &mut Canvas, axis: &Axis, y: f64) {
    if matches!(axis.scale, Scale::Phases { .. }) {
        canvas.text((LEFT, y), "m", "pre-training steps");
        canvas.text((RIGHT, y), "m e", "steps after the switch");
    } else {
        canvas.text((f64::midpoint(LEFT, RIGHT), y), "m c", &axis.title);
    }
}

/// What the axis of ordinates must hold: all points, and bands as far as they do not dwarf them. With two seeds a 95 %
/// interval is thirteen standard errors wide.
fn ordinates(series: &[Series]) -> Vec<f64> {
    let points = || series.iter().flat_map(|s| &s.points);
    let (lo, hi) = points()
        .filter(|p| p.y.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), p| (lo.min(p.y), hi.max(p.y)));
    let room = 0.4 * (hi - lo);
    let floor = if lo >= 0.0 { (lo - room).max(lo * 0.3) } else { lo - room };
    let ends = points().filter_map(|p| p.band).flat_map(|b| [b.0, b.1]);
    ends.map(|e| e.clamp(floor.min(hi), (hi + room).max(lo))).chain(points().map(|p| p.y)).collect()
}

fn axes(canvas: &mut Canvas, (x, y): (&Mapped, &Mapped), (top, bottom): (f64, f64)) {
    for (at, label) in y.ticks() {
        canvas.line((LEFT, at), (RIGHT, at), "grid");
        canvas.text((LEFT - 7.0, at + 4.5), "m e", &label);
    }
    abscissa(canvas, x, bottom);
    canvas.line((LEFT, bottom), (RIGHT, bottom), "axis");
    canvas.line((LEFT, top), (LEFT, bottom), "axis");
}

/// Ticks below a plot. Where labels would run into each other, only every second or third has one, and 0 if it is there.
pub(super) fn abscissa(canvas: &mut Canvas, x: &Mapped, bottom: f64) {
    const GAP: f64 = 4.0;
    let ticks = x.ticks();
    let zero = ticks.iter().position(|(_, label)| label == "0").unwrap_or(0);
    let chosen = |every: usize| ticks.iter().skip(zero % every).step_by(every);
    let fits = |every: &usize| {
        let ends = chosen(*every).map(|(at, label)| (*at, text_width(label) / 2.0));
        let ends: Vec<_> = ends.collect();
        ends.windows(2).all(|w| w[0].0 + w[0].1 + GAP < w[1].0 - w[1].1)
    };
    for (at, _) in &ticks {
        canvas.line((*at, bottom), (*at, bottom + 5.0), "axis");
    }
    for (at, label) in chosen((1..ticks.len()).find(fits).unwrap_or(ticks.len().max(1))) {
        canvas.text((*at, bottom + 19.0), "m c", label);
    }
}

fn band(canvas: &mut Canvas, series: &Series, x: &Mapped, y: &Mapped) {
    let banded = || series.points.iter().filter_map(|p| Some((p.x, p.band?)));
    if banded().count() < 2 {
        // A band needs two points; a lone interval is a bar.
        for (at, (lo, hi)) in banded() {
            let ends = [(x.at(at), y.at(lo)), (x.at(at), y.at(hi))];
            canvas.path(&ends, &stroke(series.tone), opacity(series.tone));
        }
        return;
    }
    let upper = banded().map(|(at, b)| (x.at(at), y.at(b.1)));
    let lower = banded().map(|(at, b)| (x.at(at), y.at(b.0)));
    let mut outline: Vec<_> = upper.collect();
    let mut back: Vec<_> = lower.collect();
    back.reverse();
    outline.extend(back);
    canvas.area(&outline, &format!("band {}", fill(series.tone)));
}

fn curve(canvas: &mut Canvas, series: &Series, x: &Mapped, y: &Mapped) {
    let visible = |p: &&Point| p.x.is_finite() && p.y.is_finite();
    let points: Vec<_> =
        series.points.iter().filter(visible).map(|p| (x.at(p.x), y.at(p.y))).collect();
    if is_line(series) {
        canvas.path(&points, &line_class(series), opacity(series.tone));
    }
    for &point in &points {
        if series.mark == Mark::LineAndDots {
            canvas.circle(point, 2.6, &format!("dot {}", fill(series.tone)));
        } else {
            lone_mark(canvas, series, point);
        }
    }
}

/// The mark of a series without a line.
fn lone_mark(canvas: &mut Canvas, series: &Series, at: (f64, f64)) {
    let faint = opacity(series.tone);
    match series.mark {
        Mark::OpenCircles => {
            canvas.faint_circle(at, 4.0, &format!("ring {}", stroke(series.tone)), faint);
        }
        Mark::Dots => canvas.faint_circle(at, 3.5, &format!("dot {}", fill(series.tone)), faint),
        Mark::Line | Mark::LineAndDots | Mark::DashedLine => {}
    }
}

fn is_line(series: &Series) -> bool {
    !matches!(series.mark, Mark::OpenCircles | Mark::Dots)
}

/// Swatches and names above the plot, where they cover no data.
fn legend(canvas: &mut Canvas, series: &[Series], top: f64) -> f64 {
    const SWATCH: f64 = 22.0;
    let (mut x, mut y) = (0.0, top + 12.0);
    for (i, s) in series.iter().enumerate() {
        if series[..i].iter().any(|other| other.name == s.name) {
            continue;
        }
        let width = SWATCH + 5.0 + text_width(&s.name) + 12.0;
        if x > 0.0 && x + width > WIDTH {
            (x, y) = (0.0, y + 18.0);
        }
        let middle = y - 4.5;
        if is_line(s) {
            let ends = [(x, middle), (x + SWATCH, middle)];
            canvas.path(&ends, &line_class(s), opacity(s.tone));
        } else {
            lone_mark(canvas, s, (x + SWATCH / 2.0, middle));
        }
        canvas.text((x + SWATCH + 5.0, y), "", &s.name);
        x += width;
    }
    y + 8.0
}

fn line_class(series: &Series) -> String {
    let dash = if series.mark == Mark::DashedLine { " dash" } else { "" };
    format!("line {}{dash}", stroke(series.tone))
}

fn stroke(tone: Tone) -> String {
    format!("l{}", number(tone))
}

fn fill(tone: Tone) -> String {
    format!("f{}", number(tone))
}

fn number(tone: Tone) -> String {
    match tone {
        Tone::Colour(i) => (i % COLOURS).to_string(),
        Tone::Shade(_) => "0".to_owned(),
        Tone::Grey => "g".to_owned(),
    }
}

fn opacity(tone: Tone) -> f64 {
    if let Tone::Shade(share) = tone { 0.35 + 0.65 * share } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_evenly_spaced_where_they_do_not_all_fit() {
        let labels = |width: f64| {
            let x = Mapped::over(Scale::Linear, [-0.09, 0.05].into_iter(), (0.0, width));
            let mut canvas = Canvas::default();
            abscissa(&mut canvas, &x, 0.0);
            let text = canvas.finish();
            let between = |part: &str| part.split('<').next().unwrap().to_owned();
            text.split("class=\"m c\">").skip(1).map(between).collect::<Vec<_>>()
        };
        assert_eq!(labels(400.0), ["-0.08", "-0.06", "-0.04", "-0.02", "0", "0.02", "0.04"]);
        assert_eq!(labels(200.0), ["-0.08", "-0.04", "0", "0.04"]);
        assert_eq!(labels(20.0), ["0"]);
    }
}
