//! Grids of small images.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{WIDTH, canvas::Canvas};
use crate::figure::Pictures;

const GAP: f64 = 5.0;
/// Height of a printed number.
const NUMBER: f64 = 15.0;

/// Draws the grid below `top`; returns where it ends.
pub(super) fn draw(canvas: &mut Canvas, pictures: &Pictures, top: f64) -> f64 {
    let columns = pictures.columns.max(1);
    let side = (WIDTH + GAP) / columns as f64 - GAP;
    let numbered = pictures.items.iter().any(|p| p.number.is_some());
    let row_height = side + GAP + if numbered { NUMBER } else { 0.0 };
    let top = top + 4.0;
    for (i, picture) in pictures.items.iter().enumerate() {
        let x = (i % columns) as f64 * (side + GAP);
        let y = top + (i / columns) as f64 * row_height;
        canvas.picture((x, y), side, &STANDARD.encode(&picture.png));
        if let Some(number) = picture.number {
            canvas.text((x + side / 2.0, y + side + 13.0), "m c", &number.to_string());
        }
    }
    top + pictures.items.len().div_ceil(columns) as f64 * row_height
}
