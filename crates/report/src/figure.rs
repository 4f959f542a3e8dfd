//! What a figure consists of.

use crate::{CurveRow, judge::count};

/// A figure: plots or pictures side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// `EXPERIMENT.ID`: name of the file and of the rows in `curves`.
    pub name: String,
    /// Heading.
    pub title: String,
    /// What to see, and what the paper shows.
    pub caption: String,
    /// What it consists of, in order.
    pub blocks: Vec<Block>,
    /// Panels of the experiment it shows.
    pub panels: Vec<String>,
}

/// One plot or picture of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Name in `curves`, unique within the figure.
    pub panel: String,
    /// Heading.
    pub title: String,
    /// Source of its data, as the tables call it.
    pub dataset: String,
    /// What the reader must know before looking: runs left out, data missing.
    pub notes: Vec<String>,
    /// What it shows.
    pub body: Body,
}

/// What a block shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
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
pub struct Plot {
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Curves, from the back to the front.
    pub series: Vec<Series>,
}

/// An axis: its title, with unit, and its scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Title, with unit.
    pub title: String,
    /// Scale.
    pub scale: Scale,
}

/// How numbers become places on an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// Equal distances for equal differences.
    Linear,
    /// Equal distances for equal ratios.
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
pub struct Series {
    /// Name in the legend, which lists a name once, and in `curves`.
    pub name: String,
    /// Told from others of its name in `curves` by this.
    pub part: Option<String>,
    /// How its points are marked.
    pub mark: Mark,
    /// Its colour.
    pub tone: Tone,
    /// Its points, in order.
    pub points: Vec<Point>,
    /// What `lo` and `hi` of its points are.
    pub interval: Interval,
    /// Seeds behind each point.
    pub n_seeds: usize,
}

/// A point with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Abscissa.
    pub x: f64,
    /// Ordinate.
    pub y: f64,
    /// Lower and upper end of its interval.
    pub band: Option<(f64, f64)>,
}

/// What an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Student's 95 % interval of a mean.
    MeanT95,
    /// From the 10 % to the 90 % quantile.
    Quantile10To90,
    /// There is none.
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
pub enum Mark {
    /// A line.
    Line,
    /// A line with a dot at each point.
    LineAndDots,
    /// A dashed line.
    DashedLine,
    /// Dots.
    Dots,
    /// Circles.
    OpenCircles,
}

/// Colour of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tone {
    /// By number in the palette.
    Colour(usize),
    /// One colour from pale (0) to full (1): an order.
    Shade(f64),
    /// Grey, for what is not a measurement.
    Grey,
}

/// One row of dots per variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Dots {
    /// Title of the axis, with unit.
    pub x_title: String,
    /// What the axis reaches over.
    pub span: Span,
    /// From top to bottom.
    pub rows: Vec<DotRow>,
}

/// What an axis of dots reaches over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Span {
    /// From 0 to where runs stop: those that never got there are drawn beyond.
    Horizon(f64),
    /// Around 0, which is marked.
    Differences,
}

/// The seeds of one variant.
#[derive(Debug, Clone, PartialEq)]
pub struct DotRow {
    /// Name of the variant.
    pub name: String,
    /// One per seed.
    pub dots: Vec<Dot>,
    /// Mean over seeds with its interval.
    pub mean: Point,
}

/// The number of one seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    /// Root seed.
    pub seed: i64,
    /// The number.
    pub value: f64,
    /// Whether it was reached; else `value` is where the run ended.
    pub reached: bool,
}

/// A map of differences, with labels and cells in the order they are read.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// What the numbers are, with unit.
    pub title: String,
    /// Labels from top to bottom.
    pub rows: Vec<String>,
    /// Labels from left to right.
    pub columns: Vec<String>,
    /// Cells, row by row.
    pub cells: Vec<HeatCell>,
}

/// A cell of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatCell {
    /// Number of the row, from 0.
    pub row: usize,
    /// Number of the column, from 0.
    pub column: usize,
    /// The difference; a few words say why there is none.
    pub content: Result<Difference, String>,
}

/// Mean difference over seeds, with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The mean.
    pub mean: f64,
    /// Lower and upper end of its 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Seeds behind it.
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
pub struct Pictures {
    /// Images side by side.
    pub columns: usize,
    /// The images, row by row.
    pub items: Vec<Picture>,
    /// Eigenvalues of numbered pictures, from the first.
    pub eigenvalues: Vec<f64>,
}

/// A small image.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The file.
    pub png: Vec<u8>,
    /// Printed below it.
    pub number: Option<usize>,
}

/// Names of the columns `x` and `y`.
#[derive(Clone, Copy)]
struct Titles<'a> {
    x: &'a str,
    y: &'a str,
}

/// What the rows of one series share.
struct Named<'a> {
    figure: &'a str,
    series: &'a str,
    titles: Titles<'a>,
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
                plot.series.iter().flat_map(|s| self.series_rows(figure, s, plot)).collect()
            }
            Body::Dots(dots) => dots
                .rows
                .iter()
                .enumerate()
                .flat_map(|(i, row)| self.dot_rows(figure, i, row, &dots.x_title))
                .collect(),
            Body::Map(map) => {
                map.cells.iter().filter_map(|c| self.cell_row(figure, map, c)).collect()
            }
            Body::Pictures(pictures) => self.picture_rows(figure, &pictures.eigenvalues),
            Body::Nothing => Vec::new(),
        }
    }

    fn series_rows(&self, figure: &str, s: &Series, plot: &Plot) -> Vec<CurveRow> {
        let name = match &s.part {
            Some(part) => format!("{}, {part}", s.name),
            None => s.name.clone(),
        };
        let titles = Titles { x: &plot.x.title, y: &plot.y.title };
        let series = Named { figure, series: &name, titles };
        let row = |p: &Point| self.row(&series, *p, s.interval, s.n_seeds);
        s.points.iter().map(row).collect()
    }

    /// Two seeds may need equally many steps, so the seed and not the steps is the abscissa.
    fn dot_rows(&self, figure: &str, i: usize, row: &DotRow, title: &str) -> Vec<CurveRow> {
        let dot = |&Dot { seed, value: y, reached }: &Dot| {
            let suffix = if reached { "" } else { ", never reached" };
            let series = format!("{}{suffix}", row.name);
            let point = Point { x: seed as f64, y, band: None };
            let titles = Titles { x: "seed", y: title };
            self.row(&Named { figure, series: &series, titles }, point, Interval::None, 1)
        };
        let mean = Point { x: i as f64, ..row.mean };
        let interval = if mean.band.is_some() { Interval::MeanT95 } else { Interval::None };
        let series = format!("{}, mean", row.name);
        let titles = Titles { x: "row, from the top", y: title };
        let named = Named { figure, series: &series, titles };
        let mean = self.row(&named, mean, interval, row.dots.len());
        row.dots.iter().map(dot).chain([mean]).collect()
    }

    fn cell_row(&self, figure: &str, map: &HeatMap, cell: &HeatCell) -> Option<CurveRow> {
        let Difference { mean, interval: band, n_seeds } = *cell.content.as_ref().ok()?;
        let series = format!("{}, {}", map.rows.get(cell.row)?, map.columns.get(cell.column)?);
        let point = Point { x: (cell.column + 1) as f64, y: mean, band };
        let interval = if band.is_some() { Interval::MeanT95 } else { Interval::None };
        let titles = Titles { x: "column, from the left", y: &map.title };
        Some(self.row(&Named { figure, series: &series, titles }, point, interval, n_seeds))
    }

    fn picture_rows(&self, figure: &str, eigenvalues: &[f64]) -> Vec<CurveRow> {
        let row = |(i, &y): (usize, &f64)| {
            let point = Point { x: (i + 1) as f64, y, band: None };
            let titles = Titles { x: "number of the eigenvector", y: "eigenvalue" };
            let named = Named { figure, series: "eigenvalue", titles };
            self.row(&named, point, Interval::None, 1)
        };
        eigenvalues.iter().enumerate().map(row).collect()
    }

    fn row(&self, named: &Named<'_>, point: Point, interval: Interval, n_seeds: usize) -> CurveRow {
        CurveRow {
            figure: named.figure.to_owned(),
            panel: self.panel.clone(),
            series: named.series.to_owned(),
            dataset: self.dataset.clone(),
            x: point.x,
            y: point.y,
            lo: point.band.map(|b| b.0),
            hi: point.band.map(|b| b.1),
            interval: interval.name().to_owned(),
            n_seeds: count(n_seeds),
            x_name: named.titles.x.to_owned(),
            y_name: named.titles.y.to_owned(),
        }
    }
}
