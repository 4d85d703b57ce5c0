//! Validates request bodies against their schemas, and gives their canonical form.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use garde::rules::email::Email;
use jiff::Timestamp;
use jiff::civil::Date;
use mifir::{Country, is_invisible};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::Json;
use super::schema::{Field, FieldError, FieldRule, ObjectSchema, Pattern, Presence, join_path, quote_list};
use crate::domain::suggest::did_you_mean;
use crate::domain::tenants::{OperatingModel, TenantSettings, UnknownMembers};

/// Parses a body as JSON.
///
/// # Errors
/// Fails with a single field error if the body is not JSON.
pub fn parse(body: &[u8]) -> Result<Json, Vec<FieldError>> {
    Json::parse(body).map_err(|message| vec![FieldError::new("(root)", message)])
}

/// Validates a body against its schema and returns its canonical form, with the members in the order of the table.
///
/// # Errors
/// Fails with all field errors of the body, up to a limit of 100.
pub fn read(
    shape: &ObjectSchema,
    tree: &Json,
    settings: &TenantSettings,
    today: Date,
) -> Result<Map<String, Value>, Vec<FieldError>> {
    let mut check = FieldChecker { settings, today, faults: Vec::new() };
    let object = check.object(shape, tree, "", UnknownFieldPolicy::Refused);
    if check.faults.is_empty() { Ok(object.unwrap_or_default()) } else { Err(check.faults) }
}

/// Maximum number of field errors in one response: together with the limit of a path it keeps a response from
/// outgrowing its request.
const MAX_FAULTS: usize = 100;
/// Maximum number of characters of a path in a field error.
const MAX_PATH: usize = 200;
/// Maximum size of all further members of one object, in bytes of JSON.
const MAX_FURTHER: usize = 4096;

/// The treatment of members that are not in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnknownFieldPolicy {
    /// They are refused, because a typing error would lose data silently.
    Refused,
    /// They are stored as received.
    Kept,
}

/// The message for a repeated member.
const TWICE: &str = "stands more than once in the same object";

/// The state of the validation of one body.
struct FieldChecker<'a> {
    settings: &'a TenantSettings,
    today: Date,
    faults: Vec<FieldError>,
}

impl FieldChecker<'_> {
    /// Records a field error and returns `None`, so that a rule can end with it.
    fn fault<T>(&mut self, path: &str, message: impl Into<String>) -> Option<T> {
        if self.faults.len() < MAX_FAULTS {
            let path: String = path.chars().take(MAX_PATH).collect();
            self.faults.push(FieldError::new(if path.is_empty() { "(root)" } else { &path }, message));
        }
        None
    }

    /// Validates an object and returns its members in the order of the table.
    fn object(
        &mut self,
        shape: &ObjectSchema,
        tree: &Json,
        path: &str,
        others: UnknownFieldPolicy,
    ) -> Option<Map<String, Value>> {
        let Json::Object(entries) = tree else {
            return self.fault(path, format!("must be an object, not {}", tree.kind()));
        };
        self.check_member_names(shape, entries, path, others);
        let mut object = Map::new();
        for field in shape.fields {
            let path = join_path(path, field.name);
            match entries.iter().find(|(name, _)| name == field.name) {
                Some((_, value)) => {
                    if let Some(value) = self.value(&field.rule, value, &path) {
                        object.insert(field.name.to_owned(), value);
                    }
                }
                None if self.is_required(field) => {
                    self.fault::<()>(&path, format!("field '{}' was not filled", field.name));
                }
                None => {}
            }
        }
        if others == UnknownFieldPolicy::Kept {
            object.extend(self.further(shape, entries, path));
        }
        Some(object)
    }

    /// Returns the members that the table does not know, as received.
    fn further(
        &mut self,
        shape: &ObjectSchema,
        entries: &[(String, Json)],
        path: &str,
    ) -> Map<String, Value> {
        let unknown = entries.iter().filter(|(name, _)| !shape.knows(name));
        let further: Map<String, Value> = unknown
            .filter_map(|(name, value)| {
                Some((name.clone(), self.value_as_sent(value, &join_path(path, name))?))
            })
            .collect();
        if !further.is_empty() && Value::Object(further.clone()).to_string().len() > MAX_FURTHER {
            let message = format!("must have at most {MAX_FURTHER} bytes of members that are not described");
            self.fault::<()>(path, message);
        }
        further
    }

    /// Returns any JSON value as received. A repeated member is a field error, because it is open which one counts (RFC
    /// 8259 section 4).
    fn value_as_sent(&mut self, tree: &Json, path: &str) -> Option<Value> {
        Some(match tree {
            Json::Null => Value::Null,
            Json::Bool(value) => json!(value),
            Json::Number(text) => serde_json::from_str(text).ok()?,
            Json::Text(text) => json!(text),
            Json::List(items) => {
                let items = items.iter().enumerate();
                items.filter_map(|(at, item)| self.value_as_sent(item, &format!("{path}[{at}]"))).collect()
            }
            Json::Object(entries) => {
                let mut object = Map::new();
                for (name, value) in entries {
                    let path = join_path(path, name);
                    let value = self.value_as_sent(value, &path)?;
                    if object.insert(name.clone(), value).is_some() {
                        self.fault::<()>(&path, TWICE);
                    }
                }
                Value::Object(object)
            }
        })
    }

    /// Returns whether a member must be present under the operating model of the tenant.
    fn is_required(&self, field: &Field) -> bool {
        match field.presence {
            Presence::Always => true,
            Presence::Tol => self.settings.model == OperatingModel::Tol,
            Presence::No => false,
        }
    }

    /// Checks for unknown and repeated member names.
    fn check_member_names(
        &mut self,
        shape: &ObjectSchema,
        entries: &[(String, Json)],
        path: &str,
        others: UnknownFieldPolicy,
    ) {
        let refused =
            others == UnknownFieldPolicy::Refused && self.settings.unknown_members == UnknownMembers::Refuse;
        let mut seen = HashSet::new();
        for (name, _) in entries {
            if !seen.insert(name) {
                self.fault::<()>(&join_path(path, name), TWICE);
            } else if refused && !shape.knows(name) {
                let meant = did_you_mean(name, shape.fields.iter().map(|field| field.name));
                self.fault::<()>(&join_path(path, name), format!("is not a member of {}{meant}", shape.name));
            }
        }
    }

    /// Validates a value against its rule.
    fn value(&mut self, rule: &FieldRule, tree: &Json, path: &str) -> Option<Value> {
        match (rule, tree) {
            (FieldRule::OrNull(_), Json::Null) => Some(Value::Null),
            (FieldRule::OrNull(rule), _) => self.value(rule, tree, path),
            (FieldRule::Also(rule, _), _) => self.value(rule, tree, path),
            (FieldRule::Object(shape), _) => {
                self.object(shape, tree, path, UnknownFieldPolicy::Refused).map(Value::Object)
            }
            (FieldRule::OpenObject(shape), _) => {
                self.object(shape, tree, path, UnknownFieldPolicy::Kept).map(Value::Object)
            }
            (FieldRule::List { item, min, max, unique }, Json::List(items)) => {
                self.list(item, &(*min..=*max), *unique, items, path)
            }
            (FieldRule::Bool, Json::Bool(value)) => Some(Value::Bool(*value)),
            (FieldRule::Int { min, max }, Json::Number(text)) => {
                match text.parse::<i64>().ok().filter(|number| (min..=max).contains(&number)) {
                    Some(number) => Some(json!(number)),
                    None => self.fault(path, format!("must be a whole number from {min} to {max}")),
                }
            }
            (FieldRule::Int { .. }, _) => self.fault(path, format!("must be a number, not {}", tree.kind())),
            (FieldRule::List { .. }, _) => self.fault(path, format!("must be an array, not {}", tree.kind())),
            (FieldRule::Bool, _) => self.fault(path, format!("must be a boolean, not {}", tree.kind())),
            (_, Json::Text(text)) => match self.text(rule, text) {
                Ok(value) => Some(value),
                Err(message) => self.fault(path, message),
            },
            _ => self.fault(path, format!("must be a string, not {}", tree.kind())),
        }
    }

    /// Validates a list and each of its items.
    fn list(
        &mut self,
        item: &FieldRule,
        lengths: &RangeInclusive<usize>,
        unique: bool,
        items: &[Json],
        path: &str,
    ) -> Option<Value> {
        if items.len() < *lengths.start() {
            return self.fault(path, format!("must have at least {} item", lengths.start()));
        }
        if items.len() > *lengths.end() {
            return self.fault(path, format!("must have at most {} items", lengths.end()));
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

    /// Validates a string against its rule. A message never repeats the value, because it may be personal data.
    fn text(&self, rule: &FieldRule, text: &str) -> Result<Value, String> {
        refuse_control(text, matches!(rule, FieldRule::Lines { .. }))?;
        let kept = || Ok(Value::String(text.to_owned()));
        match rule {
            FieldRule::Text { min, max } => has_length(text, *min, *max).and_then(|()| kept()),
            FieldRule::Lines { .. } if !text.is_ascii() => Err("must be ASCII".into()),
            FieldRule::Lines { max } => has_length(text, 1, *max).and_then(|()| kept()),
            FieldRule::Pattern(pattern) => pattern.check(text).and_then(|()| kept()),
            FieldRule::OneOf(values) if values.contains(&text) => kept(),
            FieldRule::OneOf(values) => Err(format!(
                "must be one of {}{}",
                quote_list(values),
                did_you_mean(text, values.iter().copied())
            )),
            FieldRule::Country if Country::parse(text).is_some() => kept(),
            FieldRule::Country => Err("must be an ISO 3166-1 alpha-2 country code in capitals".into()),
            FieldRule::CountryOr(words) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => kept(),
            FieldRule::CountryOr(_) if Country::parse(text).is_some() => kept(),
            FieldRule::CountryOr(words) => {
                Err(format!("must be an ISO 3166-1 alpha-2 country code in capitals, or {}", words[0]))
            }
            FieldRule::Email { max } | FieldRule::Url { max } if text.chars().count() > *max => {
                Err(format!("must have at most {max} characters"))
            }
            FieldRule::Email { .. } if text.validate_email().is_ok() => kept(),
            FieldRule::Email { .. } => Err("must be an e-mail address".into()),
            FieldRule::Url { .. } if Url::parse(text).is_ok_and(|url| url.has_host()) => kept(),
            FieldRule::Url { .. } => {
                Err("must be an absolute URL, as in https://example.com/proof.zip".into())
            }
            FieldRule::Uuid if text.len() == 36 && Uuid::try_parse(text).is_ok() => kept(),
            FieldRule::Uuid => Err("must be a UUID with hyphens".into()),
            FieldRule::Instant => instant(text).map(|instant| Value::String(instant.to_string())),
            FieldRule::BirthDate { earliest } => {
                birth_date(text, *earliest, self.today).map(|_| Value::String(text.to_owned()))
            }
            FieldRule::DateOrEmpty if text.is_empty() => Ok(Value::Null),
            FieldRule::Date | FieldRule::DateOrEmpty => {
                full_date(text).map(|_| Value::String(text.to_owned()))
            }
            FieldRule::Bool
            | FieldRule::Int { .. }
            | FieldRule::List { .. }
            | FieldRule::Object(_)
            | FieldRule::OpenObject(_)
            | FieldRule::OrNull(_)
            | FieldRule::Also(..) => unreachable!("not a string rule"),
        }
    }
}

/// Parses a birth date from `earliest` to `today` (decision U5).
///
/// # Errors
/// Fails if the text is no date of the form YYYY-MM-DD, or lies outside of this range.
pub fn birth_date(text: &str, earliest: Date, today: Date) -> Result<Date, String> {
    match full_date(text)? {
        day if day > today => Err("must not be in the future".into()),
        day if day < earliest => Err(format!("must not be before {earliest}")),
        day => Ok(day),
    }
}

/// Refuses control characters, but for line breaks where there may be some.
fn refuse_control(text: &str, has_lines: bool) -> Result<(), String> {
    let is_line_break = |letter: char| has_lines && matches!(letter, '\n' | '\r');
    if text.chars().any(|letter| letter.is_control() && !is_line_break(letter)) {
        return Err("must not contain control characters".into());
    }
    Ok(())
}

/// Checks the length of a text in characters. White space and invisible characters at its ends do not count for the
/// minimum (decision U11).
///
/// # Errors
/// Fails with the rule and the present length, in words.
pub(in crate::domain) fn has_length(text: &str, min: usize, max: usize) -> Result<(), String> {
    let (length, visible) = (text.chars().count(), visible(text).chars().count());
    match length {
        _ if length > max => Err(format!("must have at most {max} characters, has {length}")),
        _ if length < min => Err(format!("must have at least {min} characters, has {length}")),
        _ if visible < min => Err(format!(
            "must have at least {min} characters, has {visible} without white space and invisible characters at its \
             ends"
        )),
        _ => Ok(()),
    }
}

/// Returns a text without white space and invisible characters at its ends.
fn visible(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Parses `YYYY-MM-DD` (RFC 3339 section 5.6), which must be a day that exists.
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

/// Parses an RFC 3339 date-time and cuts it to microseconds (decision W16). The pattern comes first, because `jiff`
/// alone would also accept forms of ISO 8601 and RFC 9557.
fn instant(text: &str) -> Result<Timestamp, String> {
    static RFC_3339: Pattern = Pattern::new(
        concat!(
            r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?",
            r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
        ),
        "a date-time of RFC 3339",
    );
    let instant: Option<Timestamp> = RFC_3339.is_match(text).then(|| text.parse().ok()).flatten();
    instant
        .and_then(|instant| Timestamp::from_microsecond(instant.as_microsecond()).ok())
        .ok_or_else(|| "must be a date-time of RFC 3339, as in 2021-07-21T14:10:00Z".into())
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
