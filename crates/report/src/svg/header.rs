//! Head of a block: title, dataset and warnings.

use super::{
    WIDTH,
    canvas::{Canvas, wrap},
};
use crate::figure::Block;

/// Draws the head; returns where it ends.
pub(super) fn draw(canvas: &mut Canvas, block: &Block) -> f64 {
    let mut y = 16.0;
    canvas.text((0.0, y), "t", &block.title);
    y += 18.0;
    canvas.text((0.0, y), "m", &format!("data: {}", block.dataset));
    for note in &block.notes {
        // Warnings are bold, hence a little wider.
        for line in wrap(note, WIDTH / 1.05) {
            y += 17.0;
            canvas.text((0.0, y), "w", &line);
        }
    }
    y + 6.0
}
