//! Schemas of request bodies as tables.
//!
//! One table for each body serves the validation (`validation.rs`: all field errors at once, each with its path), the
//! canonical form that is stored and returned, and the JSON Schema of the OpenAPI document (`json_schema.rs`).

use std::sync::OnceLock;

use jiff::civil::Date;
use regex::Regex;

/// The rule for a single value.
pub enum FieldRule {
    /// A text whose length is counted in Unicode scalar values, without control characters (decision U6). For the
    /// minimum, white space and invisible characters at the ends do not count (decision U11); the text is stored as
    /// received.
    Text {
        min: usize,
        max: usize,
    },
    /// Printable ASCII in any number of lines, of at most this many characters.
    Lines {
        max: usize,
    },
    /// A regular expression for the whole value, in the syntax that ECMA 262 and Rust have in common.
    Pattern(&'static Pattern),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A country code of ISO 3166-1 alpha-2, or XK.
    Country,
    /// A country code, or one of these words in any case; a field error names the first of them.
    CountryOr(&'static [&'static str]),
    /// An RFC 5322 address of at most this many characters.
    Email {
        max: usize,
    },
    /// A UUID with hyphens.
    Uuid,
    Bool,
    /// A whole number within these bounds.
    Int {
        min: i64,
        max: i64,
    },
    /// A date-time of RFC 3339 with any offset, stored in UTC with at most microseconds (decision W16).
    Instant,
    /// A day that exists, from this one to today.
    BirthDate {
        earliest: Date,
    },
    /// Any day of the calendar.
    Date,
    /// A date, or `""` for "none", which is stored as `null`.
    DateOrEmpty,
    /// An absolute URL with a host, of at most this many characters.
    Url {
        max: usize,
    },
    /// A list of `min` to `max` items, which must differ if `unique` is set.
    List {
        item: &'static FieldRule,
        min: usize,
        max: usize,
        unique: bool,
    },
    /// An object without other members than those of its table.
    Object(&'static ObjectSchema),
    /// An object that may have further members, because the vendor's schema is open there. They are stored and returned
    /// as received.
    OpenObject(&'static ObjectSchema),
    /// A value, or `null`.
    OrNull(&'static FieldRule),
    /// A rule with JSON Schema keywords for checks that are made beside the table.
    Also(&'static FieldRule, &'static str),
}

/// A regular expression that is compiled on its first use.
pub struct Pattern {
    text: &'static str,
    /// The description of a value, to follow "must be".
    words: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    /// Makes a pattern from a regular expression and its description.
    pub const fn new(text: &'static str, words: &'static str) -> Self {
        Self { text, words, compiled: OnceLock::new() }
    }

    /// Returns the regular expression, for JSON Schema.
    pub const fn as_str(&self) -> &'static str {
        self.text
    }

    /// Returns whether a value matches.
    pub fn is_match(&self, value: &str) -> bool {
        self.compiled
            .get_or_init(|| Regex::new(self.text).expect("a table holds a valid pattern"))
            .is_match(value)
    }

    /// Checks a value against the pattern.
    ///
    /// # Errors
    /// Fails with the description of a valid value.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if self.is_match(value) { Ok(()) } else { Err(format!("must be {}", self.words)) }
    }
}

/// The operating models whose create request must have a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Both models.
    Always,
    /// TOL, under which the register keeps the evidence.
    Tol,
    /// No model: the member is optional.
    No,
}

/// A member of an object, as a row of its table.
pub struct Field {
    pub name: &'static str,
    pub rule: FieldRule,
    pub presence: Presence,
    /// The description in the OpenAPI document.
    pub description: &'static str,
    /// The default value of an absent member, as JSON.
    pub default: Option<&'static str>,
}

/// The table of an object: its members, in the order of the reference pages.
pub struct ObjectSchema {
    /// The name of the schema in the OpenAPI document.
    pub name: &'static str,
    pub fields: &'static [Field],
}

impl ObjectSchema {
    /// Returns whether the table has a member of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }
}

impl Field {
    /// Returns the same member as an optional one.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { presence: Presence::No, ..self }
    }

    /// Returns the same member as an optional one with a default value, as JSON.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { presence: Presence::No, default: Some(default), ..self }
    }
}

/// Makes a member without a default value.
pub const fn field(
    name: &'static str,
    needed: Presence,
    rule: FieldRule,
    description: &'static str,
) -> Field {
    Field { name, rule, presence: needed, description, default: None }
}

/// A field error: one defect of a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Path of the member, as in `address.postcode` or `nationalities[1]`; `(root)` for the body itself.
    pub field: String,
    /// The defect in words, to follow the path.
    pub message: String,
    /// Whether the message repeats a part of the request. Such a message may be shown to the sender alone.
    #[serde(skip)]
    pub is_quoting: bool,
}

impl FieldError {
    /// Makes a field error whose message repeats no part of the request.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), is_quoting: false }
    }

    /// Makes a field error whose message repeats a part of the request.
    pub fn new_quoting(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_quoting: true, ..Self::new(field, message) }
    }

    /// Returns the same field error for a value that stands inside another one, whose path is given.
    #[must_use]
    pub fn with_parent_path(self, path: &str) -> Self {
        Self { field: join_path(path, &self.field), ..self }
    }
}

/// Returns the path of a member of the object at `path`. An empty name is written as `""`.
pub(super) fn join_path(path: &str, name: &str) -> String {
    let name = if name.is_empty() { "\"\"" } else { name };
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Returns words in double quotes, separated by commas.
pub fn quote_list(values: &[&str]) -> String {
    values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(", ")
}
