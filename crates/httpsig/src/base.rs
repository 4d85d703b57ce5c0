//! The signature base (RFC 9421 section 2.5).

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;

use crate::component::{Component, Form, Part};
use crate::{ParamsText, ReceivedSignature, VerifyError, Version, fields, params, query};

/// An HTTP message as received. `Debug` shows neither headers nor body, because they contain tokens and personal data.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Method as sent: `POST`.
    pub method: &'a str,
    /// `http` or `https`, for `@scheme` and `@target-uri`.
    pub scheme: &'a str,
    /// Value of `Host` or `:authority`; may be empty.
    pub authority: &'a str,
    /// Path as received, percent-encoded, without the query.
    pub path: &'a str,
    /// Text behind `?` as received; `None` when there was no `?`.
    pub query: Option<&'a str>,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// The content as received, before any content decoding.
    pub body: &'a [u8],
    /// Status of a response; `None` for a request.
    pub status: Option<u16>,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("method", &self.method).field("path", &self.path).field("status", &self.status);
        shown.finish_non_exhaustive()
    }
}

/// A verifier's reading of the components that clients serialise in different ways. [`ComponentReader::standard`]
/// follows the specifications.
pub struct ComponentReader<'a> {
    /// Value of `@path`.
    pub path: Cow<'a, str>,
    /// Function that returns the value of a field without component parameters; `None` when the field is absent.
    pub field: &'a dyn Fn(&HeaderMap, &str) -> Option<String>,
    /// Text to use as the value of `@signature-params`.
    pub params: ParamsText,
}

impl<'a> ComponentReader<'a> {
    /// Returns the reading of the specifications: `@path` (`/` for an empty path, RFC 9421 section 2.2.6) and the
    /// signature's parameters as received, fields as in [`fields::plain`].
    pub fn standard(message: &Message<'a>) -> ComponentReader<'a> {
        ComponentReader {
            path: Cow::Borrowed(message.path_or_root()),
            field: &fields::plain,
            params: ParamsText::Received,
        }
    }
}

impl<'a> Message<'a> {
    /// Returns the path, or `/` for an empty one (RFC 9421 section 2.2.6).
    fn path_or_root(&self) -> &'a str {
        if self.path.is_empty() { "/" } else { self.path }
    }

    /// Returns the path and, if there was one, `?` and the query.
    fn request_target(&self) -> Cow<'a, str> {
        match self.query {
            None => Cow::Borrowed(self.path_or_root()),
            Some(query) => Cow::Owned(format!("{}?{query}", self.path_or_root())),
        }
    }

    /// Returns the target URI with scheme and authority normalised (RFC 9421 section 2.2.2).
    fn target_uri(&self) -> String {
        let scheme = self.scheme.to_ascii_lowercase();
        format!("{scheme}://{}{}", self.normal_authority(), self.request_target())
    }

    /// Returns the authority in lower case, without an empty or the default port (RFC 9421 section 2.2.3, RFC 9110
    /// section 4.2.3).
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
    /// Returns the signature base: one line per covered component in the order of the list, then `@signature-params`
    /// with the text that `reading` chooses. Lines end in a single LF, except for the last one, which has no line end.
    ///
    /// # Errors
    /// Fails if a covered component is absent, does not fit the message, or has no value that could be signed.
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
            // With a line break inside, one value could pass for several lines of the base.
            if value.contains(['\n', '\r']) {
                return Err(unusable(component, "it contains a line break"));
            }
            base.extend([quote, component.name(), quote, component.suffix(), ": ", &value, "\n"]);
        }
        base.extend([quote, "@signature-params", quote, ": ", params]);
        Ok(base)
    }
}

/// Returns the value of a component.
fn value<'a>(
    component: &Component,
    message: &Message<'a>,
    version: Version,
    reading: &'a ComponentReader<'_>,
) -> Result<Cow<'a, str>, VerifyError> {
    // Other components belong to the request, to which a response refers by `;req`, which is not supported.
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

/// Returns the value of a field in the form that the component parameters choose.
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
