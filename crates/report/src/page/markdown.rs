//! The page as Markdown, for reading in a repository or a terminal.

use std::fmt::Write;

use super::{CLAIM_HEADINGS, Page, RUN_HEADINGS, Section, run_cells, text};
use crate::{ClaimRow, Run, figure::Figure};

/// The page. Writing to a String cannot fail, so results of `write!` are dropped.
pub(crate) fn markdown(page: &Page<'_>) -> String {
    let mut out = format!("# randlab: {}\n\n", escape(page.id.to_string().as_str()));
    if let Some(warning) = text::banner(page) {
        let _ = writeln!(out, "> **{}**\n", escape(warning));
    }
    let _ = writeln!(out, "{}\n", escape(&text::asked(page)));
    for (term, description) in text::facts(page) {
        let _ = writeln!(out, "- {term}: {}", escape(&description));
    }
    if page.judges() {
        verdicts(&mut out, page);
    }
    for section in &page.sections {
        experiment(&mut out, section);
    }
    out += "\n## Runs\n\n";
    table(&mut out, &RUN_HEADINGS, page.runs().map(flagged_cells));
    out
}

fn verdicts(out: &mut String, page: &Page<'_>) {
    let _ = writeln!(out, "\n## Verdicts\n\n**{}** {}\n", text::tally(page), text::RULES);
    table(out, &CLAIM_HEADINGS, page.claims().map(claim_cells));
    *out += "\nTable: [tables/claims.parquet](tables/claims.parquet)\n";
}

fn claim_cells(claim: &ClaimRow) -> [String; 9] {
    let remarks = text::remarks(claim);
    [
        claim.claim_id.clone(),
        format!("{} {}", text::symbol(&claim.verdict), claim.verdict),
        claim.statement.clone(),
        claim.figure.clone(),
        text::estimate(claim),
        claim.n_seeds.to_string(),
        claim.paper_value.map_or_else(|| "-".to_owned(), text::number),
        claim.criterion.clone(),
        format!("{remarks}{}{}", if remarks.is_empty() { "" } else { "; " }, claim.command),
    ]
}

fn flagged_cells(run: &Run) -> [String; 7] {
    let mut cells = run_cells(run);
    if let (false, Some(status)) = (run.fits(), cells.last_mut()) {
        *status = format!("! {status}");
    }
    cells
}

fn table<const N: usize>(
    out: &mut String,
    headings: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let _ = writeln!(out, "| {} |\n|{}", headings.join(" | "), "---|".repeat(N));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.map(|cell| escape(&cell)).join(" | "));
    }
}

fn experiment(out: &mut String, section: &Section<'_>) {
    let _ = writeln!(out, "\n## {}\n\n{}", escape(section.title), escape(section.summary));
    for figure in &section.figures {
        one_figure(out, section, figure);
    }
}

fn one_figure(out: &mut String, section: &Section<'_>, figure: &Figure) {
    let title = escape(&figure.title);
    let file = figure.file_name();
    let _ = writeln!(out, "\n### {title}\n\n![{title}]({file})\n\n{}\n", escape(&figure.caption));
    for block in &figure.blocks {
        let notes: Vec<_> = block.notes.iter().map(|n| format!("; **{}**", escape(n))).collect();
        let _ = writeln!(
            out,
            "- {}, data: {}{}",
            escape(&block.title),
            escape(&block.dataset),
            notes.concat()
        );
    }
    let name = escape(&figure.name);
    let runs: Vec<_> = section
        .runs_of(figure)
        .map(|r| format!("{}/{}", r.stage, r.info.id))
        .map(|r| escape(&r))
        .collect();
    let _ = writeln!(
        out,
        "\nPoints: [tables/curves.parquet](tables/curves.parquet), rows with figure = {name}\n\n\
         <details><summary>Runs behind this figure</summary>\n\n{}\n\n</details>",
        runs.join(", ")
    );
}

/// Text that Markdown shows as it is, on one line.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_in_its_cell() {
        assert_eq!(escape("a|b\n<i> *c*"), "a\\|b &lt;i&gt; \\*c\\*");
    }
}
