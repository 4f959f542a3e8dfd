//! From tables to verdicts, figures and the page that shows them.
//!
//! [`build`] reads what the runs of a page left behind and never trains, draws from chance or looks at a clock: equal
//! inputs give equal bytes, but for `timing.parquet`, which is merged as it is. A figure is first a set of points and
//! then a drawing, so every point on the page is a row of `curves`.
//!
//! No rule, drawing or table is known here by name. What can be judged are the kinds of a registry over [`Rule`], what
//! can be drawn those of a registry over [`Drawing`]; both read the runs through [`Runs`].

mod arm;
mod config;
mod converged;
mod drawing;
mod error;
mod estimate;
pub mod figure;
mod judge;
mod layout;
mod merge;
mod page;
mod rule;
mod runs;
pub mod stats;
mod svg;
mod tables;
mod verdict;

use std::path::Path;

use randlab_store::{
    publish,
    table::{TableInfo, write_table},
};

pub use arm::{Arm, ArmRef, panels};
pub use config::{ReportConfig, ReportedExperiment, ReportedRun};
pub use converged::Converged;
pub use drawing::{Drawing, FigureSpec, Files};
pub use error::ReportError;
pub use estimate::{Estimate, PAIRED, STUDENT, Spread, StandardError, Units, finite};
pub use layout::Layout;
pub use rule::{Bound, ClaimSpec, Range, Rule};
pub use runs::{Run, Runs, View};
pub use tables::{ClaimRow, CurveRow};

use figure::Figure;
use page::{Page, Section};

/// Raised when the report's numbers change.
pub const STAGE_VERSION: u32 = 4;

/// Reads the runs a page names from `root` (`ROOT/STAGE/RUN/`) and writes the page into `out`, with `tables` merged over
/// the runs. Returns the names of the files written, relative to `out`.
///
/// # Errors
/// [`ReportError`], naming the file, when a table is missing, damaged or not the one expected.
pub fn build<R, D>(
    config: &ReportConfig<R, D>,
    tables: &[TableInfo],
    root: &Path,
    out: &Path,
) -> Result<Vec<String>, ReportError>
where
    R: AsRef<dyn Rule>,
    D: AsRef<dyn Drawing>,
{
    let experiments = config.experiments.iter().map(|e| Runs::read(&e.runs, root));
    let experiments = experiments.collect::<Result<Vec<_>, _>>()?;
    let mut sections = Vec::new();
    for (spec, runs) in config.experiments.iter().zip(&experiments) {
        sections.push(section(config, spec, runs)?);
    }
    let mut written = merge::merge(tables, &experiments, out)?;
    written.extend(write_results(&sections, out)?);
    let ReportConfig { id, scale, dataset, .. } = config;
    let tables = tables.iter().map(|table| table.name).collect();
    written.extend(write_page(&Page { id, scale, dataset, tables, sections }, out)?);
    Ok(written)
}

/// The figures and verdicts of one experiment.
fn section<'a, R, D>(
    config: &ReportConfig<R, D>,
    spec: &'a ReportedExperiment<R, D>,
    runs: &'a Runs,
) -> Result<Section<'a>, ReportError>
where
    R: AsRef<dyn Rule>,
    D: AsRef<dyn Drawing>,
{
    let ReportedExperiment { name, title, summary, .. } = spec;
    let figures = spec.figures.iter().map(|figure| draw(figure, name, runs));
    let figures = figures.collect::<Result<_, _>>()?;
    let ReportConfig { scale, dataset, seeds, .. } = config;
    let docket = judge::Docket { experiment: name, scale, dataset, seeds, runs };
    let claims = judge::judge_all(&spec.claims, &docket);
    runs.sound()?;
    Ok(Section { name, title, summary, runs, figures, claims })
}

fn draw<D: AsRef<dyn Drawing>>(
    spec: &FigureSpec<D>,
    experiment: &str,
    runs: &Runs,
) -> Result<Figure, ReportError> {
    let drawing = spec.draw.as_ref();
    let name = format!("{experiment}.{}", spec.id);
    Ok(Figure {
        blocks: drawing.blocks(runs, &name)?,
        panels: panels(&drawing.arms()).into_iter().map(str::to_owned).collect(),
        name,
        title: spec.title.clone(),
        caption: spec.caption.clone(),
    })
}

/// `curves`, `claims` and the figures as files of their own.
fn write_results(sections: &[Section<'_>], out: &Path) -> Result<Vec<String>, ReportError> {
    let figures = || sections.iter().flat_map(|s| &s.figures);
    let curves = figures().flat_map(Figure::rows).collect();
    write_table(&out.join("tables/curves.parquet"), curves)?;
    let claims = sections.iter().flat_map(|s| s.claims.iter().cloned()).collect();
    write_table(&out.join("tables/claims.parquet"), claims)?;
    let mut written = vec!["tables/curves.parquet".to_owned(), "tables/claims.parquet".to_owned()];
    for figure in figures() {
        let name = figure.file_name();
        publish(&out.join(&name), svg::document(figure).as_bytes())?;
        written.push(name);
    }
    Ok(written)
}

fn write_page(page: &Page<'_>, out: &Path) -> Result<Vec<String>, ReportError> {
    publish(&out.join("report.html"), page::html(page).as_bytes())?;
    publish(&out.join("report.md"), page::markdown(page).as_bytes())?;
    Ok(vec!["report.html".to_owned(), "report.md".to_owned()])
}
