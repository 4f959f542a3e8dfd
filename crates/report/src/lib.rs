//! From tables to verdicts, figures and the page that shows them.
//!
//! [`build`] reads what the runs of a page left behind and never trains, draws from chance or looks at a clock: equal
//! inputs give equal bytes, but for `timing.parquet`, which is merged as it is. A figure is first a set of points and
//! then a drawing, so every point on the page is a row of `curves`.

mod claims;
mod error;
mod figures;
mod input;
mod merge;
mod page;
mod stats;
mod svg;

use std::path::Path;

use randlab_recipe::ReportConfig;
use randlab_store::{publish, table::write_table};

pub use error::ReportError;

/// Raised when the report's numbers change.
pub const STAGE_VERSION: u32 = 3;

/// Reads the runs a page names from `root` (`ROOT/STAGE/RUN/`) and writes the page into `out`. Returns the names of the
/// files written, relative to `out`.
///
/// # Errors
/// [`ReportError`], naming the file, when a table is missing, damaged or not the one expected.
pub fn build(config: &ReportConfig, root: &Path, out: &Path) -> Result<Vec<String>, ReportError> {
    let experiments = config
        .experiments
        .iter()
        .map(|spec| input::Experiment::read(spec, root))
        .collect::<Result<Vec<_>, _>>()?;
    let mut sections = Vec::new();
    for experiment in &experiments {
        let figures = figures::draw_all(experiment)?;
        let claims = claims::judge_all(experiment, config);
        sections.push(page::Section { experiment, figures, claims });
    }
    let mut written = merge::tables(&experiments, out)?;
    written.extend(write_results(&sections, out)?);
    written.extend(write_page(&page::Page { config, sections }, out)?);
    Ok(written)
}

/// `curves`, `claims` and the figures as files of their own.
fn write_results(sections: &[page::Section<'_>], out: &Path) -> Result<Vec<String>, ReportError> {
    let figures = || sections.iter().flat_map(|s| &s.figures);
    let curves = figures().flat_map(figures::Figure::rows).collect();
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

fn write_page(page: &page::Page<'_>, out: &Path) -> Result<Vec<String>, ReportError> {
    publish(&out.join("report.html"), page::html(page).as_bytes())?;
    publish(&out.join("report.md"), page::markdown(page).as_bytes())?;
    Ok(vec!["report.html".to_owned(), "report.md".to_owned()])
}
