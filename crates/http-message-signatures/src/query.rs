//! Values of query parameters (RFC 9421 section 2.2.8, `application/x-www-form-urlencoded` of the URL standard).

/// The result of the search for a query parameter.
pub(crate) enum Found {
    None,
    One(String),
    /// The decoded value is not UTF-8 and so cannot stand in a signature base.
    NotText,
    /// The name occurs several times; RFC 9421 forbids to cover such a name.
    Several,
}

/// Returns the value of the parameter `name`. With `encoded`, name and value are percent-encoded (RFC 9421), otherwise
/// they are decoded (older drafts).
pub(crate) fn parameter(query: &str, name: &str, encoded: bool) -> Found {
    let shape = |text: &str| {
        if encoded { Some(encode(&decode(text))) } else { String::from_utf8(decode(text)).ok() }
    };
    let mut found = Found::None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if shape(key).as_deref() == Some(name) {
            found = match found {
                Found::None => shape(value).map_or(Found::NotText, Found::One),
                _ => return Found::Several,
            };
        }
    }
    found
}

/// Decodes a name or value. An incomplete escape stays as it is.
fn decode(text: &str) -> Vec<u8> {
    let hex = |at: usize| text.as_bytes().get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        at += 1;
        match (byte, hex(at), hex(at + 1)) {
            (b'+', ..) => bytes.push(b' '),
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                at += 2;
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}

/// Encodes a name or value, with a blank as `%20`.
fn encode(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
        }
    }
    text
}
