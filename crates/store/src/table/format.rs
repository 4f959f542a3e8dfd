//! The documentation of tables, printed from their schemas.

use std::fmt::Write;

use arrow_schema::{DataType, Field};

use super::TableInfo;

/// Column lists of `tables`, in that order, as Markdown.
pub fn format_docs(tables: &[TableInfo]) -> String {
    let mut text = String::from(
        "# Tables\n\nPrinted from the schemas by `randlab-plan --formats`; do not edit. Every string column is a \
         dictionary (pandas category, R factor). Null means not measured or not applicable, NaN means diverged. Key columns \
         are marked K; rows are sorted by them.\n",
    );
    for table in tables {
        describe(table, &mut text);
    }
    text
}

fn describe(table: &TableInfo, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\n## {} (version {})\n\nOne row is {}.\n\n| column | type | unit | meaning | key |\n|---|---|---|---|---|\n",
        table.name, table.version, table.row
    );
    for field in (table.fields)() {
        let meta = |key: &str| field.metadata().get(key).map_or("", String::as_str);
        let key = if meta("key") == "true" { "K" } else { "" };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {key} |",
            field.name(),
            type_name(&field),
            meta("unit"),
            meta("doc")
        );
    }
}

fn type_name(field: &Field) -> String {
    let name = match field.data_type() {
        DataType::Dictionary(..) => "string".to_owned(),
        other => other.to_string(),
    };
    if field.is_nullable() { format!("{name}, null") } else { name }
}
