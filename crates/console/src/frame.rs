//! What every page has: language, theme, who is signed in, where they are; and how instants, ages and words are written.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::Value;

use crate::text::Language;

/// What remains as it is in a segment beside letters and digits. A dot does not: `..` would be a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// Encodes a value as one segment of a path (RFC 3986 section 3.3): whatever it is, it names nothing else.
pub fn segment(value: &str) -> PercentEncode<'_> {
    utf8_percent_encode(value, SEGMENT)
}

/// The theme of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// That of the system.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// Every theme, in the order of the menu.
    pub const ALL: [Theme; 3] = [Theme::System, Theme::Light, Theme::Dark];

    /// Returns the name of the theme in forms and cookies.
    pub fn name(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// Returns the theme of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// A part of the console, which the navigation marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Find,
    Queue,
    Proposals,
    Webhooks,
    Record,
    Register,
    /// None of them.
    Other,
}

/// What every page has.
#[derive(Clone, Debug)]
pub struct Frame {
    pub language: Language,
    pub theme: Theme,
    pub now: Timestamp,
    /// Path of this page, to which forms for language and theme come back.
    pub path: String,
    /// Name of the operator; empty without a session.
    pub operator: String,
    /// The tenants that the operator sees.
    pub tenants: Vec<String>,
    /// The chosen tenant; empty if the operator sees none.
    pub tenant: String,
    pub part: Part,
    pub version: &'static str,
    /// Word for the action that was just completed, as in `revealed`; empty if there was none.
    pub done: String,
}

impl Frame {
    /// Returns a text of the page's language.
    pub fn t(&self, key: &str) -> String {
        self.language.text(key)
    }

    /// Returns a text with one variable.
    pub fn with(&self, key: &str, name: &str, value: impl AsRef<str>) -> String {
        self.language.text_with(key, &[(name, value.as_ref().into())])
    }

    /// Returns a text that depends on a number.
    pub fn count(&self, key: &str, number: &(impl Copy + TryInto<i64>)) -> String {
        let number = (*number).try_into().unwrap_or(i64::MAX);
        self.language.text_with(key, &[("n", number.into())])
    }

    /// Returns a word of the API in the page's language, or as it is.
    pub fn word(&self, prefix: &str, word: &str) -> String {
        self.language.word(prefix, word)
    }

    /// Returns the path of a page of the chosen tenant.
    pub fn of_tenant(&self, rest: &str) -> String {
        self.in_tenant(&self.tenant, rest)
    }

    /// Returns the path of a page of a tenant, whatever its name is.
    pub fn in_tenant(&self, tenant: &str, rest: &str) -> String {
        format!("/console/tenants/{}/{rest}", segment(tenant))
    }

    /// Returns an instant, in UTC, as it is read without a script.
    pub fn instant(&self, at: &Timestamp) -> String {
        let form = match self.language {
            Language::English => "%-d %b %Y, %H:%M",
            Language::German => "%d.%m.%Y, %H:%M",
        };
        at.to_zoned(TimeZone::UTC).strftime(form).to_string()
    }

    /// Returns the day of an instant, in UTC.
    pub fn day(&self, at: &Timestamp) -> String {
        let form = if self.language == Language::German { "%d.%m.%Y" } else { "%-d %b %Y" };
        at.to_zoned(TimeZone::UTC).strftime(form).to_string()
    }

    /// Returns the time of day of an instant, in UTC.
    pub fn time(&self, at: &Timestamp) -> String {
        at.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
    }

    /// Returns how long ago something was, in the largest unit and the next one.
    pub fn ago(&self, at: &Timestamp) -> String {
        self.duration(&self.now.duration_since(*at).as_secs())
    }

    /// Returns a number of seconds in the largest unit and the next one.
    pub fn duration(&self, seconds: &i64) -> String {
        let seconds = *seconds;
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        match () {
            () if days > 0 => format!("{days} d {} h", hours % 24),
            () if hours > 0 => format!("{hours} h {} min", minutes % 60),
            () if minutes > 0 => format!("{minutes} min"),
            () => format!("{} s", seconds.max(0)),
        }
    }

    /// Returns a date of the form 1972-09-30 as the page's language writes it.
    pub fn date(&self, text: &str) -> String {
        let Ok(date) = text.parse::<jiff::civil::Date>() else { return text.to_owned() };
        let form = if self.language == Language::German { "%d.%m.%Y" } else { "%-d %b %Y" };
        date.strftime(form).to_string()
    }

    /// Returns the value of a member as a reader wants to see it: a word of the API in the page's language.
    pub fn value_of(&self, member: &str, value: &Value) -> String {
        match (member, value) {
            ("purpose" | "status", Value::String(word)) => self.word(member, word),
            _ => self.value(value),
        }
    }

    /// Returns a value of the API as a reader wants to see it.
    pub fn value(&self, value: &Value) -> String {
        match value {
            Value::Null => self.t("none"),
            Value::String(text) => self.scalar(text),
            Value::Array(all) => all.iter().map(|one| self.value(one)).collect::<Vec<_>>().join(", "),
            Value::Object(members) => {
                let shown = members.values().filter(|one| !one.is_null());
                shown.map(|one| self.value(one)).collect::<Vec<_>>().join(", ")
            }
            Value::Bool(true) => self.t("yes"),
            Value::Bool(false) => self.t("no"),
            Value::Number(number) => number.to_string(),
        }
    }

    fn scalar(&self, text: &str) -> String {
        if let Ok(at) = text.parse::<Timestamp>() {
            return self.instant(&at);
        }
        if text.len() == 10 && text.as_bytes()[4] == b'-' { self.date(text) } else { text.to_owned() }
    }
}
