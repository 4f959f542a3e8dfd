//! What a figure consists of.

use randlab_store::table::CurveRow;

use crate::claims::count;

/// A figure: plots or pictures side by side.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// `EXPERIMENT.ID`: name of the file and of the rows in `curves`.
    pub name: String,
    pub title: String,
    pub caption: String,
    pub blocks: Vec<Block>,
    /// Panels of the experiment it shows.
    pub panels: Vec<String>,
}

/// One plot or picture of a figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    /// Name in `curves`, unique within the figure.
    pub panel: String,
    pub title: String,
    pub dataset: String,
    /// What the reader must know before looking: runs left out, data missing.
    pub notes: Vec<String>,
    pub body: Body,
}

/// What a block shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    /// Curves.
    Plot(Plot),
    /// One row of dots per variant.
    Dots(Dots),
    /// Differences in rows and columns.
    Map(HeatMap),
    /// A grid of small images.
    Pictures(Pictures),
    /// Nothing; the notes say why.
    Nothing,
}

/// Curves over common axes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plot {
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

/// An axis: its title, with unit, and its scale.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub title: String,
    pub scale: Scale,
}

/// How numbers become places on an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    Linear,
    Log,
    /// `ln(1 + x)`: logarithmic, and yet with a place for step 0.
    LogFromZero,
    /// [`Scale::LogFromZero`] up to a switch, and from there anew: what happens soon after the switch has room.
    Phases {
        /// Where the second phase begins.
        switch: f64,
    },
}

/// A curve, or a set of marks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// Name in the legend, which lists a name once, and in `curves`.
    pub name: String,
    /// Told from others of its name in `curves` by this.
    pub part: Option<String>,
    pub mark: Mark,
    pub tone: Tone,
    pub points: Vec<Point>,
    /// What `lo` and `hi` of its points are.
    pub interval: Interval,
    pub n_seeds: usize,
}

/// A point with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub x: f64,
    pub y: f64,
    pub band: Option<(f64, f64)>,
}

/// What an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interval {
    MeanT95,
    Quantile10To90,
    None,
}

impl Interval {
    /// The name used in tables.
    const fn name(self) -> &'static str {
        match self {
            Self::MeanT95 => "mean-t95",
            Self::Quantile10To90 => "quantile-10-90",
            Self::None => "none",
        }
    }
}

/// How points are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Line,
    LineAndDots,
    DashedLine,
    Dots,
    OpenCircles,
}

/// Colour of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tone {
    /// By number in the palette.
    Colour(usize),
    /// One colour from pale (0) to full (1): an order.
    Shade(f64),
    /// Grey, for what is not a measurement.
    Grey,
}

/// One row of dots per variant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dots {
    /// Title of the axis, with unit.
    pub x_title: String,
    pub span: Span,
    pub rows: Vec<DotRow>,
}

/// What an axis of dots reaches over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Span {
    /// From 0 to where runs stop: those that never got there are drawn beyond.
    Horizon(f64),
    /// Around 0, which is marked.
    Differences,
}

/// The seeds of one variant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DotRow {
    pub name: String,
    /// Seed, number, and whether it was reached.
    pub dots: Vec<(i64, f64, bool)>,
    /// Mean over seeds with its interval.
    pub mean: Point,
}

/// A map of differences, with labels and cells in the order they are read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeatMap {
    /// What the numbers are, with unit.
    pub title: String,
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    pub cells: Vec<HeatCell>,
}

/// A cell of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeatCell {
    /// Number of the row, from 0.
    pub row: usize,
    /// Number of the column, from 0.
    pub column: usize,
    /// The difference; a few words say why there is none.
    pub content: Result<Difference, String>,
}

/// Mean difference over seeds, with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Difference {
    pub mean: f64,
    pub interval: Option<(f64, f64)>,
    pub n_seeds: usize,
}

impl Difference {
    /// Whether the interval lies on one side of 0.
    pub(crate) fn decided(&self) -> bool {
        self.interval.is_some_and(|(lo, hi)| lo > 0.0 || hi < 0.0)
    }
}

/// A grid of small images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pictures {
    pub columns: usize,
    /// PNG bytes and a number to print below; none prints nothing.
    pub items: Vec<Picture>,
    /// Eigenvalues of numbered pictures, from the first.
    pub eigenvalues: Vec<f64>,
}

/// A small image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    pub png: Vec<u8>,
    pub number: Option<usize>,
}

impl Figure {
    /// Path of the SVG file, relative to the page.
    pub(crate) fn file_name(&self) -> String {
        format!("figures/{}.svg", self.name)
    }

    /// Whether it shows grids of images and not plots.
    pub(crate) fn has_pictures(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block.body, Body::Pictures(_)))
    }

    /// Its rows of `curves`.
    pub(crate) fn rows(&self) -> Vec<CurveRow> {
        self.blocks.iter().flat_map(|block| block.rows(&self.name)).collect()
    }
}

impl Block {
    fn rows(&self, figure: &str) -> Vec<CurveRow> {
        match &self.body {
            Body::Plot(plot) => {
                let titles = (plot.x.title.as_str(), plot.y.title.as_str());
                plot.series.iter().flat_map(|s| self.series_rows(figure, s, titles)).collect()
            }
            Body::Dots(dots) => dots
                .rows
                .iter()
                .enumerate()
                .flat_map(|(i, row)| self.dot_rows(figure, (i, row), &dots.x_title))
                .collect(),
            Body::Map(map) => {
                map.cells.iter().filter_map(|c| self.cell_row(figure, map, c)).collect()
            }
            Body::Pictures(pictures) => self.picture_rows(figure, &pictures.eigenvalues),
            Body::Nothing => Vec::new(),
        }
    }

    fn series_rows(&self, figure: &str, s: &Series, titles: (&str, &str)) -> Vec<CurveRow> {
        let name = match &s.part {
            Some(part) => format!("{}, {part}", s.name),
            None => s.name.clone(),
        };
        let row = |p: &Point| self.row(figure, &name, *p, (s.interval, s.n_seeds), titles);
        s.points.iter().map(row).collect()
    }

    /// Two seeds may need equally many steps, so the seed and not the steps is the abscissa.
    fn dot_rows(&self, figure: &str, (i, row): (usize, &DotRow), title: &str) -> Vec<CurveRow> {
        let dot = |&(seed, y, reached): &(i64, f64, bool)| {
            let suffix = if reached { "" } else { ", never reached" };
            let series = format!("{}{suffix}", row.name);
            let point = Point { x: seed as f64, y, band: None };
            self.row(figure, &series, point, (Interval::None, 1), ("seed", title))
        };
        let mean = Point { x: i as f64, ..row.mean };
        let interval = if mean.band.is_some() { Interval::MeanT95 } else { Interval::None };
        let series = format!("{}, mean", row.name);
        let titles = ("row, from the top", title);
        let mean = self.row(figure, &series, mean, (interval, row.dots.len()), titles);
        row.dots.iter().map(dot).chain([mean]).collect()
    }

    fn cell_row(&self, figure: &str, map: &HeatMap, cell: &HeatCell) -> Option<CurveRow> {
        let Difference { mean, interval: band, n_seeds } = *cell.content.as_ref().ok()?;
        let series = format!("{}, {}", map.rows.get(cell.row)?, map.columns.get(cell.column)?);
        let point = Point { x: (cell.column + 1) as f64, y: mean, band };
        let interval = if band.is_some() { Interval::MeanT95 } else { Interval::None };
        let titles = ("column, from the left", map.title.as_str());
        Some(self.row(figure, &series, point, (interval, n_seeds), titles))
    }

    fn picture_rows(&self, figure: &str, eigenvalues: &[f64]) -> Vec<CurveRow> {
        let row = |(i, &y): (usize, &f64)| {
            let point = Point { x: (i + 1) as f64, y, band: None };
            let titles = ("number of the eigenvector", "eigenvalue");
            self.row(figure, "eigenvalue", point, (Interval::None, 1), titles)
        };
        eigenvalues.iter().enumerate().map(row).collect()
    }

    fn row(
        &self,
        figure: &str,
        series: &str,
        point: Point,
        (interval, n_seeds): (Interval, usize),
        (x_name, y_name): (&str, &str),
    ) -> CurveRow {
        CurveRow {
            figure: figure.to_owned(),
            panel: self.panel.clone(),
            series: series.to_owned(),
            dataset: self.dataset.clone(),
            x: point.x,
            y: point.y,
            lo: point.band.map(|b| b.0),
            hi: point.band.map(|b| b.1),
            interval: interval.name().to_owned(),
            n_seeds: count(n_seeds),
            x_name: x_name.to_owned(),
            y_name: y_name.to_owned(),
        }
    }
}
