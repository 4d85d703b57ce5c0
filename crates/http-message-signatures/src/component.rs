//! Component identifiers: the entries of the list of covered components (RFC 9421 sections 2.1 and 2.2).

use std::fmt;

use sfv::BareItemFromInput;

use crate::VerifyError;
use crate::sf::{self, Parameters};

/// One entry of the list, with its parameters parsed.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    name: String,
    /// The part of the message that it identifies.
    pub part: Part,
    /// The parameters in the order received, serialised: `;sf`, `;key="a"`.
    suffix: String,
}

/// Compares identifiers: they are equal when name and set of parameters are, in whatever order (RFC 9421 section 2).
impl PartialEq for Component {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.part == other.part
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Method,
    TargetUri,
    Authority,
    Scheme,
    RequestTarget,
    Path,
    Query,
    QueryParam(String),
    Status,
    Field(Form),
}

/// The form in which the value of a field is taken (RFC 9421 sections 2.1.1 to 2.1.3).
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Form {
    /// `;sf`: parsed and serialised strictly.
    pub strict: bool,
    /// `;bs`: as byte sequences.
    pub bytes: bool,
    /// `;key="..."`: one member of a dictionary.
    pub key: Option<String>,
}

impl Component {
    /// Parses an entry of the list.
    ///
    /// # Errors
    /// Fails if the name or a parameter is unknown, repeated or of the wrong type.
    pub fn parse(
        bare: &BareItemFromInput<'_>,
        parameters: &Parameters<'_>,
    ) -> Result<Component, VerifyError> {
        let Some(name) = bare.as_string() else {
            return Err(crate::params::unparsable(
                "signature-input",
                "a component name is not in double quotes",
            ));
        };
        let name = name.as_str();
        if let Some(parameter) = sf::first_duplicate(parameters, |(key, _)| key) {
            return Err(unsupported(name, parameter, "it occurs twice"));
        }
        let part =
            if name.starts_with('@') { parse_derived(name, parameters)? } else { field(name, parameters)? };
        Ok(Component { name: name.to_owned(), part, suffix: suffix(parameters) })
    }

    /// Returns the name without quotes and parameters.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the serialised parameters, which follow the name on the left of a line of the signature base.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// Returns whether the entry has no parameters.
    pub fn is_plain(&self) -> bool {
        self.suffix.is_empty()
    }

    /// Returns whether the entry covers the whole value, not one member of a dictionary or one query parameter.
    pub fn is_whole(&self) -> bool {
        !matches!(self.part, Part::QueryParam(_) | Part::Field(Form { key: Some(_), .. }))
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"{}", self.name, self.suffix)
    }
}

/// Parses the name of a derived component.
fn parse_derived(name: &str, parameters: &Parameters<'_>) -> Result<Part, VerifyError> {
    // The name in older drafts is `@query-params`: whether it is accepted is up to the profile.
    if matches!(name, "@query-param" | "@query-params") {
        return query_param(name, parameters);
    }
    if let Some((parameter, _)) = parameters.first() {
        return Err(unsupported(name, parameter, reason(parameter, "derived components take none here")));
    }
    match name {
        "@method" => Ok(Part::Method),
        "@target-uri" => Ok(Part::TargetUri),
        "@authority" => Ok(Part::Authority),
        "@scheme" => Ok(Part::Scheme),
        "@request-target" => Ok(Part::RequestTarget),
        "@path" => Ok(Part::Path),
        "@query" => Ok(Part::Query),
        "@status" => Ok(Part::Status),
        "@signature-params" => Err(VerifyError::UnsupportedComponent {
            component: format!("\"{name}\""),
            reason: "it is always the last line of the base and never listed",
        }),
        _ => Err(VerifyError::UnsupportedComponent {
            component: format!("\"{name}\""),
            reason: "there is no derived component of that name",
        }),
    }
}

/// Parses the parameters of `@query-param`.
fn query_param(name: &str, parameters: &Parameters<'_>) -> Result<Part, VerifyError> {
    let mut wanted = None;
    for (key, value) in parameters {
        match (*key, value.as_string()) {
            ("name", Some(text)) => wanted = Some(text.as_str().to_owned()),
            ("name", None) => return Err(unsupported(name, key, "it must be a string in double quotes")),
            _ => return Err(unsupported(name, key, reason(key, "only `name` is"))),
        }
    }
    wanted.map(Part::QueryParam).ok_or_else(|| unsupported(name, "name", "it is missing"))
}

/// Parses the name and the parameters of a field.
fn field(name: &str, parameters: &Parameters<'_>) -> Result<Part, VerifyError> {
    // The colon is not allowed in a header name, but some clients write `header:member` for dictionaries, which a
    // `ComponentReader` may read.
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.:^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(VerifyError::ComponentName { component: format!("\"{}\"", name.escape_default()) });
    }
    let mut form = Form::default();
    for (key, value) in parameters {
        match (*key, value.as_boolean(), value.as_string()) {
            ("sf", Some(true), _) => form.strict = true,
            ("bs", Some(true), _) => form.bytes = true,
            ("key", _, Some(text)) => form.key = Some(text.as_str().to_owned()),
            ("sf" | "bs", ..) => return Err(unsupported(name, key, "it takes no value")),
            ("key", ..) => return Err(unsupported(name, key, "it must be a string in double quotes")),
            _ => return Err(unsupported(name, key, reason(key, "unknown"))),
        }
    }
    if form.bytes && (form.strict || form.key.is_some()) {
        return Err(unsupported(name, "bs", "it excludes `sf` and `key`"));
    }
    Ok(Part::Field(form))
}

/// Returns the reason for which a parameter of RFC 9421 is not supported, or else the given text.
fn reason(parameter: &str, otherwise: &'static str) -> &'static str {
    match parameter {
        "req" => "only the signature of a response can refer to its request, which is not supported",
        "tr" => "trailers are not read",
        _ => otherwise,
    }
}

fn unsupported(name: &str, parameter: &str, reason: &'static str) -> VerifyError {
    let component = format!("\"{}\"", name.escape_default());
    VerifyError::UnsupportedComponentParameter { component, parameter: parameter.to_owned(), reason }
}

/// Serialises strictly (RFC 8941 section 4.1.1.2) the parameters that [`parse_derived`] and [`field`] accept.
fn suffix(parameters: &Parameters<'_>) -> String {
    let mut suffix = String::new();
    for (key, value) in parameters {
        suffix.push(';');
        suffix.push_str(key);
        if let Some(text) = value.as_string() {
            suffix.push('=');
            push_string(&mut suffix, text.as_str());
        }
    }
    suffix
}

/// Writes a string of RFC 8941 section 3.3.3; the text must be printable ASCII.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}
