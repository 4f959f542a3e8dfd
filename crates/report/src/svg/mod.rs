//! Drawings as SVG text.
//!
//! Every block is 370 units wide, about a phone's screen, so that its text of 13 units stays readable there; wider pages
//! set blocks side by side. Coordinates have one decimal, so equal points give equal bytes. Colours are classes, with
//! others for dark screens; the palette is Okabe and Ito's, which colour-blind readers can tell apart.

mod canvas;
mod dots;
mod header;
mod map;
mod pictures;
mod plot;
mod scale;

use std::fmt::Write;

use canvas::{Canvas, escape};

use crate::figure::{Block, Body, Figure};

/// Style of every drawing, for pages that hold them inline.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Width of a block, in user units.
const WIDTH: f64 = 370.0;

/// Space between blocks of a document.
const GAP: f64 = 24.0;

/// One block of a figure as an `svg` element for a page that holds [`STYLE`].
pub(crate) fn inline(figure: &Figure, index: usize) -> String {
    let Some(block) = figure.blocks.get(index) else { return String::new() };
    let (body, height) = draw(block, &clip_name(figure, index));
    let id = clip_name(figure, index);
    format!(
        "<svg class=\"fig\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">{}{body}</svg>",
        description(block, figure, &id)
    )
}

/// A whole figure as a file of its own.
pub(crate) fn document(figure: &Figure) -> String {
    let columns = figure.blocks.len().clamp(1, 2);
    let blocks: Vec<_> = figure
        .blocks
        .iter()
        .enumerate()
        .map(|(i, block)| draw(block, &clip_name(figure, i)))
        .collect();
    let mut body = String::new();
    let mut y = GAP / 2.0;
    for row in blocks.chunks(columns) {
        for (i, (content, height)) in row.iter().enumerate() {
            let x = GAP / 2.0 + i as f64 * (WIDTH + GAP);
            let _ = writeln!(
                body,
                "<svg x=\"{x:.0}\" y=\"{y:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" viewBox=\"0 0 {WIDTH} {height:.0}\">{content}</svg>"
            );
        }
        y += row.iter().map(|b| b.1).fold(0.0, f64::max) + GAP / 2.0;
    }
    let width = columns as f64 * (WIDTH + GAP);
    let title = escape(&figure.title);
    let caption = escape(&figure.caption);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" viewBox=\"0 0 {width:.0} {y:.0}\" width=\"{width:.0}\" height=\"{y:.0}\" role=\"img\">\n\
         <title>{title}</title>\n<desc>{caption}</desc>\n<style>\n{STYLE}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n{body}</svg>\n"
    )
}

/// Content of a block and its height.
fn draw(block: &Block, clip: &str) -> (String, f64) {
    let mut canvas = Canvas::default();
    let top = header::draw(&mut canvas, block);
    let height = match &block.body {
        Body::Plot(plot) => plot::draw(&mut canvas, plot, top, clip),
        Body::Dots(dots) => dots::draw(&mut canvas, dots, top),
        Body::Map(map) => map::draw(&mut canvas, map, top),
        Body::Pictures(pictures) => pictures::draw(&mut canvas, pictures, top),
        Body::Nothing => top + 4.0,
    };
    (canvas.finish(), height.ceil())
}

fn description(block: &Block, figure: &Figure, id: &str) -> String {
    let title = escape(&format!("{}: {}", figure.title, block.title));
    let text = escape(&format!("{} Data: {}.", figure.caption, block.dataset));
    format!("<title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{text}</desc>")
}

/// A name for use in ids, unique on the page.
fn clip_name(figure: &Figure, index: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("{}-{index}", figure.name.chars().map(plain).collect::<String>())
}
