//! Schemas of request bodies as tables.
//!
//! One table per body serves the validation (`validation.rs`: every fault at once, each with its path), the canonical
//! form that is stored and answered, and the JSON Schema of the OpenAPI document (`json_schema.rs`).

use std::sync::OnceLock;

use jiff::civil::Date;
use regex::Regex;

pub use super::json_schema::{SchemaSide, Schemas, add_keywords, open_object};
pub use super::validation::{birth_date, parse, read};

/// What a single value must be.
pub enum FieldRule {
    /// Length in Unicode scalar values; no control characters (decision U6). For the least length, white space and
    /// characters that cannot be seen do not count at the ends (decision U11); what is kept is what was sent.
    Text {
        min: usize,
        max: usize,
    },
    /// A regular expression over the whole value, in what ECMA 262 and Rust have in common.
    Pattern(&'static Pattern),
    OneOf(&'static [&'static str]),
    /// ISO 3166-1 alpha-2, or XK.
    Country,
    /// The same, or one of these words, in capitals or not; the first is the one that an error names.
    CountryOr(&'static [&'static str]),
    /// RFC 5322 address of at most this many characters.
    Email {
        max: usize,
    },
    Uuid,
    Bool,
    /// A whole number.
    Int {
        min: i64,
        max: i64,
    },
    /// RFC 3339 with any offset; kept in UTC with at most microseconds (decision W16).
    Instant,
    /// A real date from this one to today.
    BirthDate {
        earliest: Date,
    },
    /// Any day of the calendar.
    Date,
    /// A date, or `""` for "none", which is kept as `null`.
    DateOrEmpty,
    /// An absolute URL with a host, of at most this many characters.
    Url {
        max: usize,
    },
    List {
        item: &'static FieldRule,
        min: usize,
        max: usize,
        unique: bool,
    },
    /// An object without other members than those of its table.
    Object(&'static ObjectSchema),
    /// An object that may have further members, because the vendor's schema is open there: they are kept and answered
    /// as they were sent.
    OpenObject(&'static ObjectSchema),
    OrNull(&'static FieldRule),
    /// A rule with JSON Schema keywords for what is checked beside the table.
    Also(&'static FieldRule, &'static str),
}

/// A pattern that is compiled when it is first needed.
pub struct Pattern {
    text: &'static str,
    /// The same in words, as they follow on "must be".
    words: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    pub const fn new(text: &'static str, words: &'static str) -> Self {
        Self { text, words, compiled: OnceLock::new() }
    }

    pub const fn as_str(&self) -> &'static str {
        self.text
    }

    pub fn is_match(&self, value: &str) -> bool {
        self.compiled
            .get_or_init(|| Regex::new(self.text).expect("a table holds a valid pattern"))
            .is_match(value)
    }

    /// # Errors
    ///
    /// Says in words what a value must be.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if self.is_match(value) { Ok(()) } else { Err(format!("must be {}", self.words)) }
    }
}

/// Whose create request must have a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Always,
    Tol,
    No,
}

pub struct Field {
    pub name: &'static str,
    pub rule: FieldRule,
    pub presence: Presence,
    pub description: &'static str,
    /// The value of a member that is left out, as JSON.
    pub default: Option<&'static str>,
}

/// An object: its members, in the order of the reference pages.
pub struct ObjectSchema {
    pub name: &'static str,
    pub fields: &'static [Field],
}

impl ObjectSchema {
    pub(super) fn knows(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }
}

impl Field {
    /// The same member where it can be left out.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { presence: Presence::No, ..self }
    }

    /// The same member with a value for when it is left out, as JSON.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { presence: Presence::No, default: Some(default), ..self }
    }
}

pub const fn field(
    name: &'static str,
    needed: Presence,
    rule: FieldRule,
    description: &'static str,
) -> Field {
    Field { name, rule, presence: needed, description, default: None }
}

/// One thing wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Path of the member, as in `address.postcode` or `nationalities[1]`; `(root)` for the body itself.
    pub field: String,
    pub message: String,
    /// Whether the message repeats a part of what was sent. It is for the sender alone then.
    #[serde(skip)]
    pub is_quoting: bool,
}

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), is_quoting: false }
    }

    /// Makes a fault whose message repeats a part of what was sent.
    pub fn quoting(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_quoting: true, ..Self::new(field, message) }
    }

    /// The same fault of a value that stands inside another.
    #[must_use]
    pub fn under(self, path: &str) -> Self {
        Self { field: below(path, &self.field), ..self }
    }
}

pub(super) fn below(path: &str, name: &str) -> String {
    let name = if name.is_empty() { "\"\"" } else { name };
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

pub fn quoted(values: &[&str]) -> String {
    values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(", ")
}
