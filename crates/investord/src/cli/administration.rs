//! What the commands of administration share: their options, and how they show what they answer.

use clap::Args;
use comfy_table::{Table, TableStyle};
use serde_json::Value;

use super::Location;
use crate::domain::administration::Act;
use crate::provision::administration::{Circumstances, Performed};

// The options that all administration commands share.
#[derive(Args)]
pub struct Common {
    #[command(flatten)]
    pub location: Location,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

impl Common {
    /// Prints a value, as JSON or as a table.
    pub fn show(&self, value: &Value) {
        if self.json { println!("{value}") } else { println!("{}", table(value)) }
    }
}

/// Formats an object as lines of name and value, and an array of objects as a table with the columns of its first
/// object.
pub fn table(value: &Value) -> String {
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    };
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    match value {
        Value::Array(rows) => {
            let Some(Value::Object(first)) = rows.first() else { return "none".into() };
            table.set_header(first.keys());
            for row in rows.iter().filter_map(Value::as_object) {
                table.add_row(row.values().map(cell));
            }
        }
        Value::Object(object) => {
            for (name, value) in object {
                table.add_row([name.clone(), cell(value)]);
            }
        }
        other => return cell(other),
    }
    table.trim_fmt()
}

// The options of an act of administration by command.
#[derive(Args)]
pub struct Why {
    /// Why, for the record.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Why {
    /// Performs an act and prints what is shown once, or the state afterwards.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be opened, or the act is refused.
    pub async fn administer(self, act: Act) -> anyhow::Result<()> {
        let by = Circumstances { reason: self.reason, ..Circumstances::of_machine() };
        let Performed { new, shown_once } = self.common.location.provisioner()?.administer(act, by).await?;
        self.common.show(&shown_once.unwrap_or(new));
        Ok(())
    }
}
