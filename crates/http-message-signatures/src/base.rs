//! The signature base (RFC 9421 section 2.5).

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;

use crate::component::{Component, Form, Part};
use crate::{Message, ParamsText, Profile, ReceivedSignature, VerifyError, fields, params, query};

/// A verifier's reading of the components that clients serialise in different ways. [`ComponentReader::standard`]
/// follows the specifications.
#[derive(Clone)]
#[non_exhaustive]
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

    /// Sets the value of `@path`.
    #[must_use]
    pub fn with_path(self, path: impl Into<Cow<'a, str>>) -> ComponentReader<'a> {
        ComponentReader { path: path.into(), ..self }
    }

    /// Sets the function that reads fields without component parameters.
    #[must_use]
    pub fn with_field(self, field: &'a dyn Fn(&HeaderMap, &str) -> Option<String>) -> ComponentReader<'a> {
        ComponentReader { field, ..self }
    }

    /// Sets the text that stands for `@signature-params`.
    #[must_use]
    pub fn with_params(self, params: ParamsText) -> ComponentReader<'a> {
        ComponentReader { params, ..self }
    }
}

impl fmt::Debug for ComponentReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ComponentReader");
        shown.field("path", &self.path).field("params", &self.params).finish_non_exhaustive()
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
        profile: &Profile,
        reading: &ComponentReader<'_>,
    ) -> Result<String, VerifyError> {
        let params = self.params(reading.params);
        let quote = if profile.quoted_names { "\"" } else { "" };
        let mut base = String::with_capacity(512 + params.len());
        for component in &self.components {
            let value = value(component, message, profile, reading)?;
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
    profile: &Profile,
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
        Part::QueryParam(_) if component.name() == "@query-params" && !profile.query_params_name => {
            return Err(unsupported(component, "its name is `@query-param`"));
        }
        Part::QueryParam(name) => {
            let query = message.query.unwrap_or_default();
            match query::parameter(query, name, profile.encoded_query_params) {
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
