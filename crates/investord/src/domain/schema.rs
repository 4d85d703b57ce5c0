//! Rules of request bodies as data.
//!
//! One table per body serves the check (every fault at once, each with its path), the canonical form that
//! is stored and answered, and the JSON Schema of the OpenAPI document.

use std::collections::HashSet;
use std::sync::OnceLock;

use garde::rules::email::Email;
use jiff::Timestamp;
use jiff::civil::Date;
use mifir::{Country, is_invisible};
use regex::Regex;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

pub use super::json_schema::{Schemas, Side, add_keywords, open_object};
use super::suggest::did_you_mean;
use super::tenant::{Model, Settings, UnknownMembers};
use super::tree::Tree;

/// What a single value must be.
pub enum Rule {
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
        item: &'static Rule,
        min: usize,
        max: usize,
        unique: bool,
    },
    /// An object without other members than those of its table.
    Object(&'static Shape),
    /// An object that may have further members, because the vendor's schema is open there: they are kept and answered
    /// as they were sent.
    OpenObject(&'static Shape),
    OrNull(&'static Rule),
    /// A rule with JSON Schema keywords for what is checked beside the table.
    Also(&'static Rule, &'static str),
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
pub enum Needed {
    Always,
    Tol,
    No,
}

pub struct Member {
    pub name: &'static str,
    pub rule: Rule,
    pub needed: Needed,
    pub description: &'static str,
    /// The value of a member that is left out, as JSON.
    pub default: Option<&'static str>,
}

/// An object: its members, in the order of the reference pages.
pub struct Shape {
    pub name: &'static str,
    pub members: &'static [Member],
}

impl Shape {
    fn knows(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }
}

impl Member {
    /// The same member where it can be left out.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { needed: Needed::No, ..self }
    }

    /// The same member with a value for when it is left out, as JSON.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { needed: Needed::No, default: Some(default), ..self }
    }
}

pub const fn member(name: &'static str, needed: Needed, rule: Rule, description: &'static str) -> Member {
    Member { name, rule, needed, description, default: None }
}

/// One thing wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Path of the member, as in `address.postcode` or `nationalities[1]`; `(root)` for the body itself.
    pub field: String,
    pub message: String,
    /// Whether the message repeats a part of what was sent. It is for the sender alone then.
    #[serde(skip)]
    pub is_quoting: bool,
}

impl Fault {
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

/// Parses a body, which must be JSON.
pub fn parse(body: &[u8]) -> Result<Tree, Vec<Fault>> {
    Tree::parse(body).map_err(|message| vec![Fault::new("(root)", message)])
}

/// Checks a body and gives its canonical form: members in the table's order, every fault if there is any.
pub fn read(
    shape: &Shape,
    tree: &Tree,
    settings: &Settings,
    today: Date,
) -> Result<Map<String, Value>, Vec<Fault>> {
    let mut check = Check { settings, today, faults: Vec::new() };
    let object = check.object(shape, tree, "", Others::Refused);
    if check.faults.is_empty() { Ok(object.unwrap_or_default()) } else { Err(check.faults) }
}

/// Faults that one answer lists, and letters of each path: an answer shall not outgrow its request.
const MOST_FAULTS: usize = 100;
const MOST_PATH: usize = 200;
/// Bytes of all further members of one object, as JSON.
const MOST_FURTHER: usize = 4096;

/// What becomes of members that are not in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    /// A typing error would lose data silently.
    Refused,
    Kept,
}

const TWICE: &str = "stands more than once in the same object";

struct Check<'a> {
    settings: &'a Settings,
    today: Date,
    faults: Vec<Fault>,
}

impl Check<'_> {
    /// Notes the fault; `None` so that a rule can end with it.
    fn fault<T>(&mut self, path: &str, message: impl Into<String>) -> Option<T> {
        if self.faults.len() < MOST_FAULTS {
            let path: String = path.chars().take(MOST_PATH).collect();
            self.faults.push(Fault::new(if path.is_empty() { "(root)" } else { &path }, message));
        }
        None
    }

    fn object(
        &mut self,
        shape: &Shape,
        tree: &Tree,
        path: &str,
        others: Others,
    ) -> Option<Map<String, Value>> {
        let Tree::Object(entries) = tree else {
            return self.fault(path, format!("must be an object, not {}", tree.kind()));
        };
        self.names(shape, entries, path, others);
        let mut object = Map::new();
        for member in shape.members {
            let path = below(path, member.name);
            match entries.iter().find(|(name, _)| name == member.name) {
                Some((_, value)) => {
                    if let Some(value) = self.value(&member.rule, value, &path) {
                        object.insert(member.name.to_owned(), value);
                    }
                }
                None if self.is_needed(member) => {
                    self.fault::<()>(&path, format!("field '{}' was not filled", member.name));
                }
                None => {}
            }
        }
        if others == Others::Kept {
            object.extend(self.further(shape, entries, path));
        }
        Some(object)
    }

    /// Members that the table does not know, as they were sent.
    fn further(&mut self, shape: &Shape, entries: &[(String, Tree)], path: &str) -> Map<String, Value> {
        let unknown = entries.iter().filter(|(name, _)| !shape.knows(name));
        let further: Map<String, Value> = unknown
            .filter_map(|(name, value)| Some((name.clone(), self.as_sent(value, &below(path, name))?)))
            .collect();
        if !further.is_empty() && Value::Object(further.clone()).to_string().len() > MOST_FURTHER {
            let message = format!("must have at most {MOST_FURTHER} bytes of members that are not described");
            self.fault::<()>(path, message);
        }
        further
    }

    /// Any JSON value. Of two members of one name it is open which one counts (RFC 8259 section 4).
    fn as_sent(&mut self, tree: &Tree, path: &str) -> Option<Value> {
        Some(match tree {
            Tree::Null => Value::Null,
            Tree::Bool(value) => json!(value),
            Tree::Number(text) => serde_json::from_str(text).ok()?,
            Tree::Text(text) => json!(text),
            Tree::List(items) => {
                let items = items.iter().enumerate();
                items.filter_map(|(at, item)| self.as_sent(item, &format!("{path}[{at}]"))).collect()
            }
            Tree::Object(entries) => {
                let mut object = Map::new();
                for (name, value) in entries {
                    let path = below(path, name);
                    let value = self.as_sent(value, &path)?;
                    if object.insert(name.clone(), value).is_some() {
                        self.fault::<()>(&path, TWICE);
                    }
                }
                Value::Object(object)
            }
        })
    }

    fn is_needed(&self, member: &Member) -> bool {
        match member.needed {
            Needed::Always => true,
            Needed::Tol => self.settings.model == Model::Tol,
            Needed::No => false,
        }
    }

    /// Unknown and repeated member names.
    fn names(&mut self, shape: &Shape, entries: &[(String, Tree)], path: &str, others: Others) {
        let refused = others == Others::Refused && self.settings.unknown_members == UnknownMembers::Refuse;
        let mut seen = HashSet::new();
        for (name, _) in entries {
            if !seen.insert(name) {
                self.fault::<()>(&below(path, name), TWICE);
            } else if refused && !shape.knows(name) {
                let meant = did_you_mean(name, shape.members.iter().map(|member| member.name));
                self.fault::<()>(&below(path, name), format!("is not a member of {}{meant}", shape.name));
            }
        }
    }

    fn value(&mut self, rule: &Rule, tree: &Tree, path: &str) -> Option<Value> {
        match (rule, tree) {
            (Rule::OrNull(_), Tree::Null) => Some(Value::Null),
            (Rule::OrNull(rule), _) => self.value(rule, tree, path),
            (Rule::Also(rule, _), _) => self.value(rule, tree, path),
            (Rule::Object(shape), _) => self.object(shape, tree, path, Others::Refused).map(Value::Object),
            (Rule::OpenObject(shape), _) => self.object(shape, tree, path, Others::Kept).map(Value::Object),
            (Rule::List { item, min, max, unique }, Tree::List(items)) => {
                self.list(item, (*min, *max), *unique, items, path)
            }
            (Rule::Bool, Tree::Bool(value)) => Some(Value::Bool(*value)),
            (Rule::Int { min, max }, Tree::Number(text)) => {
                match text.parse::<i64>().ok().filter(|number| (min..=max).contains(&number)) {
                    Some(number) => Some(json!(number)),
                    None => self.fault(path, format!("must be a whole number from {min} to {max}")),
                }
            }
            (Rule::Int { .. }, _) => self.fault(path, format!("must be a number, not {}", tree.kind())),
            (Rule::List { .. }, _) => self.fault(path, format!("must be an array, not {}", tree.kind())),
            (Rule::Bool, _) => self.fault(path, format!("must be a boolean, not {}", tree.kind())),
            (_, Tree::Text(text)) => match self.text(rule, text) {
                Ok(value) => Some(value),
                Err(message) => self.fault(path, message),
            },
            _ => self.fault(path, format!("must be a string, not {}", tree.kind())),
        }
    }

    fn list(
        &mut self,
        item: &Rule,
        bounds: (usize, usize),
        unique: bool,
        items: &[Tree],
        path: &str,
    ) -> Option<Value> {
        let (min, max) = bounds;
        if items.len() < min {
            return self.fault(path, format!("must have at least {min} item"));
        }
        if items.len() > max {
            return self.fault(path, format!("must have at most {max} items"));
        }
        let mut list = Vec::with_capacity(items.len());
        for (at, tree) in items.iter().enumerate() {
            let path = format!("{path}[{at}]");
            if unique && items[..at].contains(tree) {
                self.fault::<()>(&path, "is there twice");
            }
            list.extend(self.value(item, tree, &path));
        }
        Some(Value::Array(list))
    }

    /// Rules over strings. A message never repeats the value: it may be personal data.
    fn text(&self, rule: &Rule, text: &str) -> Result<Value, String> {
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters".into());
        }
        let kept = || Ok(Value::String(text.to_owned()));
        match rule {
            Rule::Text { min, max } => has_length(text, *min, *max).and_then(|()| kept()),
            Rule::Pattern(pattern) => pattern.check(text).and_then(|()| kept()),
            Rule::OneOf(values) if values.contains(&text) => kept(),
            Rule::OneOf(values) => Err(format!("must be one of {}", quoted(values))),
            Rule::Country if Country::parse(text).is_some() => kept(),
            Rule::Country => Err("must be an ISO 3166-1 alpha-2 country code in capitals".into()),
            Rule::CountryOr(words) => {
                let is_word = words.iter().any(|word| word.eq_ignore_ascii_case(text));
                let error =
                    || format!("must be an ISO 3166-1 alpha-2 country code in capitals, or {}", words[0]);
                if is_word || Country::parse(text).is_some() { kept() } else { Err(error()) }
            }
            Rule::Email { max } if text.chars().count() > *max => {
                Err(format!("must have at most {max} characters"))
            }
            Rule::Email { .. } if text.validate_email().is_ok() => kept(),
            Rule::Email { .. } => Err("must be an e-mail address".into()),
            Rule::Url { max } if text.chars().count() > *max => {
                Err(format!("must have at most {max} characters"))
            }
            Rule::Url { .. } if Url::parse(text).is_ok_and(|url| url.has_host()) => kept(),
            Rule::Url { .. } => Err("must be an absolute URL, as in https://example.com/proof.zip".into()),
            Rule::Uuid => match Uuid::try_parse(text) {
                Ok(_) if text.len() == 36 => kept(),
                _ => Err("must be a UUID with hyphens".into()),
            },
            Rule::Instant => instant(text).map(|instant| Value::String(instant.to_string())),
            Rule::BirthDate { earliest } => {
                birth_date(text, *earliest, self.today).map(|_| Value::String(text.to_owned()))
            }
            Rule::DateOrEmpty if text.is_empty() => Ok(Value::Null),
            Rule::Date | Rule::DateOrEmpty => full_date(text).map(|_| Value::String(text.to_owned())),
            Rule::Bool
            | Rule::Int { .. }
            | Rule::List { .. }
            | Rule::Object(_)
            | Rule::OpenObject(_)
            | Rule::OrNull(_)
            | Rule::Also(..) => unreachable!("not a string rule"),
        }
    }
}

/// A birth date that can be somebody's on this day (decision U5).
pub(super) fn birth_date(text: &str, earliest: Date, today: Date) -> Result<Date, String> {
    match full_date(text)? {
        day if day > today => Err("must not be in the future".into()),
        day if day < earliest => Err(format!("must not be before {earliest}")),
        day => Ok(day),
    }
}

pub(super) fn has_length(text: &str, min: usize, max: usize) -> Result<(), String> {
    let (length, visible) = (text.chars().count(), visible(text).chars().count());
    match length {
        _ if length > max => Err(format!("must have at most {max} characters, has {length}")),
        _ if length < min => Err(format!("must have at least {min} characters, has {length}")),
        _ if visible < min => Err(format!(
            "must have at least {min} characters, has {visible} without white space and invisible characters at its ends"
        )),
        _ => Ok(()),
    }
}

/// A text without white space and characters that cannot be seen at its ends.
fn visible(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// `YYYY-MM-DD` (RFC 3339 section 5.6) and a day that exists.
fn full_date(text: &str) -> Result<Date, String> {
    let shaped = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    match text.parse() {
        Ok(day) if shaped => Ok(day),
        Err(_) if shaped => Err("is not a day of the calendar".into()),
        _ => Err("must be a date of the form YYYY-MM-DD".into()),
    }
}

/// RFC 3339 date-time. `jiff` alone would also take what only ISO 8601 or RFC 9557 knows.
fn instant(text: &str) -> Result<Timestamp, String> {
    static RFC_3339: Pattern = Pattern::new(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
        "a date-time of RFC 3339",
    );
    let instant: Option<Timestamp> = RFC_3339.is_match(text).then(|| text.parse().ok()).flatten();
    instant
        .and_then(|instant| Timestamp::from_microsecond(instant.as_microsecond()).ok())
        .ok_or_else(|| "must be a date-time of RFC 3339, as in 2021-07-21T14:10:00Z".into())
}

fn below(path: &str, name: &str) -> String {
    let name = if name.is_empty() { "\"\"" } else { name };
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

pub fn quoted(values: &[&str]) -> String {
    values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_invisible_characters_are_no_text() {
        let refused = |text: &str| has_length(text, 2, 10).unwrap_err();
        assert_eq!(refused("a"), "must have at least 2 characters, has 1");
        assert_eq!(
            refused("\u{feff}a\u{a0}"),
            "must have at least 2 characters, has 1 without white space and invisible characters at its ends"
        );
        for blank in
            ["  ", "\u{a0}\u{a0}", "\u{200b}\u{200b}", "\u{2003}\u{ad}", "\u{3164}\u{3164}", "\u{e0001}a"]
        {
            refused(blank);
        }
        assert_eq!(has_length(" O'Neill\u{200b}", 2, 10), Ok(()));
        assert_eq!(has_length("a b", 2, 10), Ok(()), "what stands inside counts");
    }
}
