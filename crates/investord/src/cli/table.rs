//! Formats tables for the terminal, 80 to 120 columns wide, without breaking an id.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, TableStyle, Width};
use jiff::Timestamp;
use serde_json::Value;

/// Minimum width of a table, in columns of the terminal.
const NARROWEST: u16 = 80;
/// Maximum width of a table, and its width without a terminal.
const WIDEST: u16 = 120;
/// Maximum number of characters of a word that is not broken: those of a UUID.
const WHOLE: usize = 36;

/// Formats rows under a header. Cells may have several lines.
pub fn rows(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = new_table();
    let whole: Vec<usize> = (0..header.len()).map(|at| longest_word(header[at], &rows, at)).collect();
    table.set_header(header.iter().copied());
    table.add_rows(rows);
    for (at, longest) in whole.into_iter().enumerate() {
        let longest = u16::try_from(longest.min(WHOLE)).unwrap_or_default();
        if let Some(column) = table.column_mut(at) {
            // The padding on both sides is a part of the width.
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(longest + 2)));
        }
    }
    table.trim_fmt()
}

/// Returns the length of the longest word of a column that must not be broken.
fn longest_word(title: &str, rows: &[Vec<String>], at: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(at)).map(String::as_str);
    let words = cells.chain([title]).flat_map(str::split_whitespace);
    words.map(|word| word.chars().count()).filter(|length| *length <= WHOLE).max().unwrap_or_default()
}

/// Formats an object as lines of name and value, and an array of objects as a table.
pub fn of(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let Some(Value::Object(first)) = items.first() else { return "none".into() };
            let header: Vec<&str> = first.keys().map(String::as_str).collect();
            let objects = items.iter().filter_map(Value::as_object);
            rows(&header, objects.map(|object| object.values().map(cell).collect()).collect())
        }
        Value::Object(object) => {
            let mut table = new_table();
            for (name, value) in object {
                table.add_row([name.clone(), cell(value)]);
            }
            table.trim_fmt()
        }
        other => cell(other),
    }
}

/// Breaks a long line between its words.
pub fn wrap(line: &str) -> String {
    let mut table = new_table();
    table.add_row([line]);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 0));
    }
    table.trim_fmt()
}

/// Creates a table with the width of the terminal, within the limits.
fn new_table() -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Dynamic);
    let width = table.width().unwrap_or(WIDEST).clamp(NARROWEST, WIDEST);
    table.set_width(width);
    table
}

/// Formats a value: an instant without its seconds, `null` as a hyphen.
pub fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => instant(text).unwrap_or_else(|| text.clone()),
        Value::Null => "-".into(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name}: {}", cell(value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

/// Formats an instant of RFC 3339 in UTC without its seconds, or returns `None` for any other text.
fn instant(text: &str) -> Option<String> {
    let at: Timestamp = text.parse().ok().filter(|_| text.ends_with('Z'))?;
    Some(at.strftime("%Y-%m-%d %H:%M").to_string())
}

/// Formats a duration in its two largest units.
pub fn age(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_line_is_too_long_and_no_id_is_broken() {
        let id = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
        let sentence = "a sentence of many words ".repeat(20);
        let table = of(&json!([{ "id": id, "what": sentence, "other": id, "url": "x".repeat(300) }]));
        assert!(table.lines().all(|line| line.chars().count() <= usize::from(WIDEST)), "{table}");
        assert_eq!(table.matches(id).count(), 2, "{table}");
        assert_eq!(table.matches("sentence").count(), 20, "nothing is cut off");
        let object = of(&json!({ "id": id, "what": sentence, "nothing": null }));
        assert!(object.lines().all(|line| line.chars().count() <= usize::from(WIDEST)), "{object}");
        assert_eq!(of(&json!([])), "none");
        let wrapped = wrap(&format!("- {sentence}"));
        assert!(wrapped.starts_with("- a sentence of"), "{wrapped}");
        assert!(wrapped.lines().all(|line| line.chars().count() <= usize::from(WIDEST)), "{wrapped}");
    }

    #[test]
    fn instants_and_ages_are_short() {
        assert_eq!(cell(&json!("2026-03-02T08:30:12.123456Z")), "2026-03-02 08:30");
        assert_eq!(cell(&json!("1972-09-30")), "1972-09-30");
        let ages = [0, 59, 60, 3_599, 3_600, 86_399, 86_400, 200_000].map(age);
        assert_eq!(
            ages,
            ["0 min", "0 min", "1 min", "59 min", "1 h 0 min", "23 h 59 min", "1 d 0 h", "2 d 7 h"]
        );
    }
}
