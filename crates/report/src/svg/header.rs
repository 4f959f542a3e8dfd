//! Head of a block: title, dataset and warnings.

use super::{
    WIDTH,
    canvas::{Canvas, text_width},
};
use crate::figures::Block;

/// Draws the head; returns where it ends.
pub(super) fn draw(canvas: &mut Canvas, block: &Block) -> f64 {
    let mut y = 16.0;
    canvas.text((0.0, y), "t", &block.title);
    y += 18.0;
    canvas.text((0.0, y), "m", &format!("data: {}", block.dataset));
    for note in &block.notes {
        for line in wrap(note) {
            y += 17.0;
            canvas.text((0.0, y), "w", &line);
        }
    }
    y + 6.0
}

/// Breaks text into lines that fit a block.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        // Warnings are bold, hence a little wider.
        if line.is_empty() {
            line.push_str(word);
        } else if text_width(&format!("{line} {word}")) * 1.05 <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_notes_are_broken_between_words() {
        let text = "2 of 5 runs did not fit their labels (below 0.95): shown all the same, they prove nothing";
        let lines = wrap(text);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines.join(" "), text);
    }
}
