//! Curves with logarithmic axes, as SVG.

use anyhow::Result;
use plotters::prelude::*;

/// Width and height of a plot, in pixels.
const PLOT: (u32, u32) = (460, 340);

/// One point of a curve.
pub struct Sample {
    /// Title of its plot.
    pub panel: String,
    /// Name of its curve in the legend.
    pub series: String,
    pub x_name: String,
    pub y_name: String,
    pub x: f64,
    pub y: f64,
    /// Smallest and largest value measured.
    pub range: Option<(f64, f64)>,
}

/// Draws a plot for each run of samples with the same panel, two in a row, and in it a curve for each run with the same
/// series. Samples without a finite value are left out.
///
/// # Errors
/// When the drawing cannot be made, which no input causes.
pub fn chart(samples: &[Sample]) -> Result<String> {
    let panels: Vec<_> = samples.chunk_by(|a, b| a.panel == b.panel).collect();
    let rows = panels.len().div_ceil(2).max(1);
    let size = (2 * PLOT.0, PLOT.1 * u32::try_from(rows)?);
    let mut svg = String::new();
    {
        let page = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        page.fill(&WHITE)?;
        for (area, panel) in page.split_evenly((rows, 2)).iter().zip(panels) {
            plot(area, panel)?;
        }
        page.present()?;
    }
    Ok(svg)
}

fn plot(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    panel: &[Sample],
) -> Result<()> {
    let shown = || panel.iter().filter(|s| s.x.is_finite() && s.y.is_finite());
    let Some(first) = shown().next() else { return Ok(()) };
    let x = span(shown().map(|s| s.x));
    let y =
        span(shown().flat_map(|s| {
            [s.y].into_iter().chain(s.range.into_iter().flat_map(|(lo, hi)| [lo, hi]))
        }));
    let mut chart = ChartBuilder::on(area)
        .caption(&first.panel, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(x.log_scale(), y.log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(&first.x_name)
        .y_desc(&first.y_name)
        .draw()?;
    for (i, series) in panel.chunk_by(|a, b| a.series == b.series).enumerate() {
        let colour = Palette99::pick(i).to_rgba();
        let shown = || series.iter().filter(|s| s.x.is_finite() && s.y.is_finite());
        let ranges = shown().filter_map(|s| s.range.map(|(lo, hi)| (s.x, lo, s.y, hi)));
        chart.draw_series(
            ranges.map(|(x, lo, y, hi)| ErrorBar::new_vertical(x, lo, y, hi, colour, 6)),
        )?;
        let line =
            LineSeries::new(shown().map(|s| (s.x, s.y)), colour.stroke_width(2)).point_size(2);
        let drawn = chart.draw_series(line)?;
        if let Some(name) = series.first().map(|s| s.series.as_str()) {
            drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
        }
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// From a tenth below the smallest value to a tenth above the largest.
fn span(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (lo, hi) = values.fold((f64::INFINITY, 0.0_f64), |(lo, hi), v| (lo.min(v), hi.max(v)));
    lo / 1.1..hi * 1.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_and_series_is_drawn_and_missing_values_are_left_out() {
        let sample = |panel: &str, series: &str, x, y| Sample {
            panel: panel.into(),
            series: series.into(),
            x_name: "batch".into(),
            y_name: "images/s".into(),
            x,
            y,
            range: Some((0.9 * y, 1.1 * y)),
        };
        let samples = [
            sample("speed", "S2", 8.0, 1000.0),
            sample("speed", "S2", 16.0, f64::NAN),
            sample("speed", "vgg", 8.0, 50.0),
            sample("memory", "S2", 8.0, 80.0),
        ];
        let svg = chart(&samples).unwrap();
        for text in ["speed", "memory", "S2", "vgg", "batch", "images/s"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(svg.starts_with("<svg") && !svg.contains("NaN"));
    }
}
