//! Elements of a drawing, as text.

use std::fmt::Write;

/// A drawing under way. Writing to a String cannot fail, so results of `write!` are dropped.
#[derive(Debug, Default)]
pub(super) struct Canvas(String);

impl Canvas {
    /// The elements so far.
    pub(super) fn finish(self) -> String {
        self.0
    }

    /// Text with its base line at `y`.
    pub(super) fn text(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        let text = escape(text);
        let _ = write!(self.0, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>");
    }

    /// A straight line.
    pub(super) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        let _ = write!(
            self.0,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>"
        );
    }

    /// A line through points; `opacity` 1 is full.
    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str, opacity: f64) {
        let faint =
            if opacity < 1.0 { format!(" stroke-opacity=\"{opacity:.2}\"") } else { String::new() };
        let _ = write!(self.0, "<polyline points=\"{}\" class=\"{class}\"{faint}/>", list(points));
    }

    /// A filled area.
    pub(super) fn area(&mut self, outline: &[(f64, f64)], class: &str) {
        let _ = write!(self.0, "<polygon points=\"{}\" class=\"{class}\"/>", list(outline));
    }

    /// A circle.
    pub(super) fn circle(&mut self, centre: (f64, f64), radius: f64, class: &str) {
        self.faint_circle(centre, radius, class, 1.0);
    }

    /// A circle; `opacity` 1 is full.
    pub(super) fn faint_circle(
        &mut self,
        (x, y): (f64, f64),
        radius: f64,
        class: &str,
        opacity: f64,
    ) {
        let faint = faint(opacity);
        let _ = write!(
            self.0,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" class=\"{class}\"{faint}/>"
        );
    }

    /// A rectangle by its upper left corner and its size; `opacity` 1 is full.
    pub(super) fn rect(
        &mut self,
        ((x, y), (width, height)): ((f64, f64), (f64, f64)),
        class: &str,
        opacity: f64,
    ) {
        let faint = faint(opacity);
        let _ = write!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"{faint}/>"
        );
    }

    /// A square PNG.
    pub(super) fn picture(&mut self, (x, y): (f64, f64), side: f64, base64: &str) {
        let _ = write!(
            self.0,
            "<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{side:.1}\" height=\"{side:.1}\" href=\"data:image/png;base64,{base64}\"/>"
        );
    }

    /// Draws inside a rectangle only, until [`Canvas::end`].
    pub(super) fn clip(&mut self, id: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let _ = write!(
            self.0,
            "<clipPath id=\"{id}\"><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/></clipPath><g clip-path=\"url(#{id})\">"
        );
    }

    /// Ends what [`Canvas::clip`] began.
    pub(super) fn end(&mut self) {
        self.0 += "</g>";
    }
}

fn list(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

/// Text as XML content or attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // Other control characters are not allowed in XML at all.
            c if c.is_control() && c != '\n' => {}
            c => out.push(c),
        }
    }
    out
}

/// The attribute of what is not full; nothing for what is.
fn faint(opacity: f64) -> String {
    if opacity < 1.0 { format!(" opacity=\"{opacity:.2}\"") } else { String::new() }
}

/// Width of `text` at 13 units, on the wide side, as fonts differ.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 7.5
}

/// Breaks text between words into lines of `width` at most, where words are that short.
pub(super) fn wrap(text: &str, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(word);
        } else if text_width(&format!("{line} {word}")) <= width {
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
    fn long_text_is_broken_between_words() {
        let text = "2 of 5 runs did not fit their labels (below 0.95): shown dashed, excluded from every estimate";
        let lines = wrap(text, 370.0);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn text_cannot_leave_its_element() {
        assert_eq!(escape("<a & \"b\">\u{1}"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}
