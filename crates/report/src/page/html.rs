//! The page as one HTML file: no scripts, no fonts or images from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::{CLAIM_HEADINGS, Page, RUN_HEADINGS, Section, run_cells, text};
use crate::{ClaimRow, figure::Figure, svg};

const STYLE: &str = include_str!("style.css");

/// The page.
pub(crate) fn html(page: &Page<'_>) -> String {
    let title = format!("randlab: {}", page.id);
    let content = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(svg::STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    (introduction(page))
                    @if page.judges() { (verdicts(page)) }
                    @for section in &page.sections { (experiment(section)) }
                    (runs(page))
                }
            }
        }
    };
    content.into_string()
}

fn introduction(page: &Page<'_>) -> Markup {
    markup! {
        @if let Some(warning) = text::banner(page) {
            p.banner role="alert" { (warning) }
        }
        p { (text::asked(page)) }
        dl {
            @for (term, description) in text::facts(page) {
                div { dt { (term) } dd { (description) } }
            }
        }
    }
}

fn verdicts(page: &Page<'_>) -> Markup {
    markup! {
        h2 #verdicts { "Verdicts" }
        p { strong { (text::tally(page)) } " " (text::RULES) }
        div.wide { table.cards {
            thead { tr { @for heading in CLAIM_HEADINGS { th scope="col" { (heading) } } } }
            tbody { @for claim in page.claims() { (verdict(claim)) } }
        } }
        p.links { "Table: " a href="tables/claims.parquet" { "tables/claims.parquet" } }
    }
}

fn verdict(claim: &ClaimRow) -> Markup {
    let [_, verdict, _, figure, estimate, seeds, paper, criterion, remarks] = CLAIM_HEADINGS;
    markup! {
        tr {
            th scope="row" { (claim.claim_id) }
            td data-label=(verdict) {
                span class={ "verdict " (claim.verdict) } {
                    (text::symbol(&claim.verdict)) " " (claim.verdict)
                }
            }
            td.statement { (claim.statement) }
            td data-label=(figure) { (claim.figure) }
            td.number data-label=(estimate) { (text::estimate(claim)) }
            td.number data-label=(seeds) { (claim.n_seeds) }
            td.number data-label=(paper) {
                (claim.paper_value.map_or_else(|| "-".to_owned(), text::number))
            }
            td.criterion data-label=(criterion) { (claim.criterion) }
            td.remarks data-label=(remarks) {
                (text::remarks(claim)) " "
                details { summary { "reproduce" } code { (claim.command) } }
            }
        }
    }
}

fn experiment(section: &Section<'_>) -> Markup {
    markup! {
        h2 id=(section.name) { (section.title) }
        p { (section.summary) }
        @for f in &section.figures { (figure(section, f)) }
    }
}

fn figure(section: &Section<'_>, figure: &Figure) -> Markup {
    markup! {
        figure id=(figure.name) {
            h3 { (figure.title) }
            div.plots.pairs[figure.has_pictures()] {
                @for i in 0..figure.blocks.len() { div { (PreEscaped(svg::inline(figure, i))) } }
            }
            figcaption { (figure.caption) }
            p.links {
                a href=(figure.file_name()) { "SVG" } " "
                a href="tables/curves.parquet" { "points (tables/curves.parquet)" }
                ", rows with figure = " code { (figure.name) }
            }
            details {
                summary { "Runs behind this figure" }
                ul.runs { @for run in section.runs_of(figure) {
                    li { (run.stage) "/" (run.info.id.to_string())
                        @if !run.fits() { " " strong.missed { "did not fit" } }
                    }
                } }
            }
        }
    }
}

fn runs(page: &Page<'_>) -> Markup {
    markup! {
        h2 #runs { "Runs" }
        details {
            summary { "All " (page.runs().count()) " runs, with the accuracy they reached" }
            div.scroll { table {
                thead { tr { @for heading in RUN_HEADINGS { th scope="col" { (heading) } } } }
                tbody { @for run in page.runs() {
                    tr class=[(!run.fits()).then_some("missed")] {
                        @for cell in run_cells(run) { td { (cell) } }
                    }
                } }
            } }
        }
        p.links {
            "Tables of all runs: "
            @for name in &page.tables {
                a href={ "tables/" (name) ".parquet" } { (name) } " "
            }
        }
    }
}
