//! Header fields as component values (RFC 9421 section 2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sfv::{Dictionary, FieldType as _, List, Parser};

/// Returns the value of a field without component parameters: every line trimmed, the lines joined with `, `.
///
/// Returns `None` when the field is absent, or has bytes that are no UTF-8 text and so cannot stand in a signature
/// base.
pub fn plain(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    for line in headers.get_all(name) {
        let text = std::str::from_utf8(line.as_bytes()).ok()?.trim_matches([' ', '\t']);
        match &mut value {
            None => value = Some(text.to_owned()),
            Some(value) => {
                value.push_str(", ");
                value.push_str(text);
            }
        }
    }
    value
}

/// Returns the value for `;bs` (RFC 9421 section 2.1.3): every line as a byte sequence.
pub(crate) fn bytes(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    for line in headers.get_all(name) {
        let value = match &mut value {
            None => value.insert(String::new()),
            Some(value) => {
                value.push_str(", ");
                value
            }
        };
        value.push(':');
        STANDARD.encode_string(line.as_bytes().trim_ascii(), value);
        value.push(':');
    }
    value
}

/// Returns the value for `;sf` (RFC 9421 section 2.1.1): the field parsed and serialised again.
///
/// The type of the registered dictionaries that matter here is known. The type of any other field is found by trying,
/// list (which includes a single item) before dictionary.
pub(crate) fn strict(name: &str, text: &str) -> Result<String, sfv::Error> {
    let dictionary = || Parser::new(text).parse::<Dictionary>().map(|members| members.serialize());
    let serialised = match name {
        "content-digest"
        | "repr-digest"
        | "want-content-digest"
        | "want-repr-digest"
        | "signature"
        | "signature-input"
        | "accept-signature"
        | "priority" => dictionary()?,
        _ => match Parser::new(text).parse::<List>() {
            Ok(list) => list.serialize(),
            Err(_) => dictionary()?,
        },
    };
    // A sender leaves out a list or dictionary without members (RFC 8941 section 4.1, step 1), so the serialiser has no
    // text for it. A field that was sent empty all the same is present, and its value is the empty text: that is the
    // output of RFC 8941 sections 4.1.1 and 4.1.2 for no members, and RFC 9421 section 2.1 has empty fields signed.
    Ok(serialised.unwrap_or_default())
}

/// Returns the value for `;key` (RFC 9421 section 2.1.2): one member of a dictionary, serialised. Returns `None` when
/// there is no such member.
pub(crate) fn member(text: &str, key: &str) -> Result<Option<String>, sfv::Error> {
    let mut fields = Parser::new(text).parse::<Dictionary>()?;
    Ok(fields.swap_remove(key).and_then(|entry| vec![entry].serialize()))
}
