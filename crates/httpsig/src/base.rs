//! The text that is signed (RFC 9421 section 2.5).

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;

use crate::component::{Component, Form, Part};
use crate::{ParamsText, ReceivedSignature, VerifyError, Version, fields, params, query};

/// A message as the wire carried it. `Debug` shows neither headers nor body, which hold tokens and personal
/// data.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// As sent, `POST`.
    pub method: &'a str,
    /// `http` or `https`, for `@scheme` and `@target-uri`.
    pub scheme: &'a str,
    /// `Host` or `:authority`, may be empty.
    pub authority: &'a str,
    /// Raw, percent-encoded as received, without the query.
    pub path: &'a str,
    /// The raw text behind `?`; `None` when there was no `?`.
    pub query: Option<&'a str>,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// The content as received, before any content decoding.
    pub body: &'a [u8],
    /// `None` for a request, the status for a response.
    pub status: Option<u16>,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("method", &self.method).field("path", &self.path).field("status", &self.status);
        shown.finish_non_exhaustive()
    }
}

/// How a verifier reads what clients read differently. [`Reading::standard`] is what the specifications say.
pub struct ComponentReader<'a> {
    /// The value of `@path`.
    pub path: Cow<'a, str>,
    /// The value of a field without component parameters; `None` when it is not there.
    pub field: &'a dyn Fn(&HeaderMap, &str) -> Option<String>,
    /// The value of `@signature-params`.
    pub params: ParamsText,
}

impl<'a> ComponentReader<'a> {
    /// `@path` and the signature's parameters as received (`/` for an empty path, RFC 9421 section 2.2.6), fields as
    /// [`fields::plain`].
    pub fn standard(message: &Message<'a>) -> ComponentReader<'a> {
        ComponentReader {
            path: Cow::Borrowed(message.path_or_root()),
            field: &fields::plain,
            params: ParamsText::Received,
        }
    }
}

impl<'a> Message<'a> {
    fn path_or_root(&self) -> &'a str {
        if self.path.is_empty() { "/" } else { self.path }
    }

    /// The path and, when there was one, `?` and the query.
    fn request_target(&self) -> Cow<'a, str> {
        match self.query {
            None => Cow::Borrowed(self.path_or_root()),
            Some(query) => Cow::Owned(format!("{}?{query}", self.path_or_root())),
        }
    }

    /// The target URI with scheme and authority normalised (RFC 9421 section 2.2.2).
    fn target_uri(&self) -> String {
        let scheme = self.scheme.to_ascii_lowercase();
        format!("{scheme}://{}{}", self.normal_authority(), self.request_target())
    }

    /// Lower-case, without an empty or the default port (RFC 9421 section 2.2.3, RFC 9110 section 4.2.3).
    fn normal_authority(&self) -> String {
        let authority = self.authority.to_ascii_lowercase();
        if let Some(host) = authority.strip_suffix(':') {
            return host.to_owned();
        }
        let default = match self.scheme.to_ascii_lowercase().as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => return authority,
        };
        authority.strip_suffix(default).map(str::to_owned).unwrap_or(authority)
    }
}

impl ReceivedSignature {
    /// The signature base: one line per covered component in the order of the list, then `@signature-params`
    /// with the text that `reading` chooses. Lines end in a single LF, the last one in none.
    ///
    /// # Errors
    /// When a covered component is not there, does not fit the message or has no value that could be signed.
    pub fn base(
        &self,
        message: &Message<'_>,
        version: Version,
        reading: &ComponentReader<'_>,
    ) -> Result<String, VerifyError> {
        let (profile, params) = (version.profile(), self.params(reading.params));
        let quote = if profile.quoted { "\"" } else { "" };
        let mut base = String::with_capacity(512 + params.len());
        for component in &self.components {
            let value = value(component, message, version, reading)?;
            if value.contains(['\n', '\r']) {
                return Err(unusable(component, "it contains a line break"));
            }
            base.extend([quote, component.name(), quote, component.suffix(), ": ", &value, "\n"]);
        }
        base.extend([quote, "@signature-params", quote, ": ", params]);
        Ok(base)
    }
}

fn value<'a>(
    component: &Component,
    message: &Message<'a>,
    version: Version,
    reading: &'a ComponentReader<'_>,
) -> Result<Cow<'a, str>, VerifyError> {
    let own = matches!(component.part, Part::Field(_) | Part::Status);
    if message.status.is_some() && !own {
        return Err(unsupported(component, "a response has none of its own"));
    }
    Ok(match &component.part {
        Part::Method => Cow::Borrowed(message.method),
        Part::Path => Cow::Borrowed(&reading.path),
        Part::Query => Cow::Owned(format!("?{}", message.query.unwrap_or_default())),
        Part::RequestTarget => message.request_target(),
        Part::TargetUri | Part::Authority if message.authority.is_empty() => {
            return Err(missing(component, "the request has no host"));
        }
        Part::TargetUri => Cow::Owned(message.target_uri()),
        Part::Authority => Cow::Owned(message.normal_authority()),
        Part::Scheme => Cow::Owned(message.scheme.to_ascii_lowercase()),
        Part::QueryParam(name) => {
            let query = message.query.unwrap_or_default();
            match query::parameter(query, name, version.profile().query_param_encoded) {
                query::Found::One(value) => Cow::Owned(value),
                query::Found::None => {
                    return Err(missing(component, "the query has no parameter of that name"));
                }
                query::Found::NotText => return Err(unusable(component, "it is not UTF-8 text")),
                query::Found::Several => {
                    return Err(unusable(
                        component,
                        "the query has several parameters of that name: cover `@query`",
                    ));
                }
            }
        }
        Part::Status => match message.status {
            Some(status) => Cow::Owned(format!("{status:03}")),
            None => return Err(unsupported(component, "a request has no status")),
        },
        Part::Field(form) => Cow::Owned(field(component, form, message, reading)?),
    })
}

fn field(
    component: &Component,
    form: &Form,
    message: &Message<'_>,
    reading: &ComponentReader<'_>,
) -> Result<String, VerifyError> {
    let name = component.name();
    let absent = || {
        if message.headers.contains_key(name) {
            unusable(component, "the header is not UTF-8 text")
        } else {
            missing(component, "there is no such header")
        }
    };
    let unparsable = |error: sfv::Error| params::unparsable(name, &error.to_string());
    if form.bytes {
        return fields::bytes(message.headers, name).ok_or_else(absent);
    }
    if !form.strict && form.key.is_none() {
        return (reading.field)(message.headers, name).ok_or_else(absent);
    }
    let text = fields::plain(message.headers, name).ok_or_else(absent)?;
    match &form.key {
        None => fields::strict(name, &text).map_err(unparsable),
        Some(key) => fields::member(&text, key)
            .map_err(unparsable)?
            .ok_or_else(|| missing(component, "the header has no member of that key")),
    }
}

fn unsupported(component: &Component, reason: &'static str) -> VerifyError {
    VerifyError::UnsupportedComponent { component: component.to_string(), reason }
}

fn missing(component: &Component, missing: &'static str) -> VerifyError {
    VerifyError::MissingComponent { component: component.to_string(), missing }
}

fn unusable(component: &Component, reason: &'static str) -> VerifyError {
    VerifyError::UnusableValue { component: component.to_string(), reason }
}
