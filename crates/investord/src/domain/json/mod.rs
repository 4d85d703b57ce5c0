//! JSON as it was written: order and duplicates of members are kept.
//!
//! `serde_json::Value` keeps the last of two members of the same name. A request in which two systems may read two
//! different people has to be refused instead (RFC 8259 section 4 leaves it open).

pub mod json_schema;
pub mod query;
pub mod schema;
pub mod validation;

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Maximum number of values in a body. No request of this API needs more; the limit keeps memory flat when a body
/// consists of brackets.
const MAX_VALUES: usize = 10_000;

/// A JSON value, with the members of objects in their order and with duplicates.
#[derive(Clone, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub enum Json {
    Null,
    Bool(bool),
    /// A number, as text: an integer in full, any other as the nearest 64-bit floating-point number.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses UTF-8 JSON, with a byte order mark or without (RFC 8259 section 8.1).
    ///
    /// # Errors
    /// Fails with the defect and its place (line and column), or if the text has too many values.
    pub fn parse(text: &[u8]) -> Result<Json, String> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if is_wide(text) {
            return Err("the body is UTF-16 or UTF-32: JSON must be UTF-8 (RFC 8259 section 8.1)".into());
        }
        if let Err(error) = std::str::from_utf8(text) {
            return Err(format!("the body is not UTF-8 (byte {})", error.valid_up_to()));
        }
        let left = Cell::new(MAX_VALUES);
        let mut reader = serde_json::Deserializer::from_slice(text);
        let tree = JsonSeed(&left).deserialize(&mut reader).and_then(|tree| reader.end().map(|()| tree));
        tree.map_err(|error| format!("the body is not JSON: {error}"))
    }

    /// Returns the name of this kind of value in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::List(_) => "an array",
            Json::Object(_) => "an object",
        }
    }
}

/// Returns whether a text is UTF-16 or UTF-32. It is recognised by its byte order mark, or by a zero byte among the
/// first four: the first characters of any JSON are ASCII (RFC 4627 section 3).
fn is_wide(text: &[u8]) -> bool {
    text.starts_with(b"\xff\xfe")
        || text.starts_with(b"\xfe\xff")
        || text.iter().take(4).any(|&byte| byte == 0)
}

/// A deserializer that counts down the number of values while it builds the tree, so that it can stop early.
struct JsonSeed<'a>(&'a Cell<usize>);

impl JsonSeed<'_> {
    /// Counts one value, and fails if none is left.
    fn count<E: Error>(&self) -> Result<(), E> {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.ok_or_else(|| E::custom(format!("more than {MAX_VALUES} values")))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for JsonSeed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonSeed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(JsonSeed(self.0))? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            object.push((name, entries.next_value_seed(JsonSeed(self.0))?));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_both_of_two_members_of_one_name() {
        let tree = Json::parse(br#"{"a": 1, "a": [null, true, "x", {}]}"#).unwrap();
        let list = vec![Json::Null, Json::Bool(true), Json::Text("x".into()), Json::Object(vec![])];
        assert_eq!(
            tree,
            Json::Object(vec![("a".into(), Json::Number("1".into())), ("a".into(), Json::List(list))])
        );
    }

    #[test]
    fn says_what_is_wrong_with_what_is_not_json() {
        for (text, reason) in [
            (&b"{\"a\": }"[..], "line 1 column 7"),
            (b"", "EOF"),
            (b"{} {}", "trailing characters"),
            (b"\xff", "not UTF-8 (byte 0)"),
            (b"\xff\xfe{\0}\0", "UTF-16"),
            (b"\xfe\xff\0{\0}", "UTF-16"),
            (b"{\0}\0", "UTF-16"),
            (b"\0\0\0{", "UTF-32"),
            (b"\xef\xbb\xbf\xef\xbb\xbf{}", "line 1 column 1"),
            (br#"{"a": "\ud800"}"#, "hex escape"),
            (br#"{"a": 1e400}"#, "number out of range"),
        ] {
            let error = Json::parse(text).unwrap_err();
            assert!(error.contains(reason), "{error} does not contain {reason}");
        }
    }

    #[test]
    fn ignores_a_byte_order_mark() {
        assert_eq!(Json::parse(b"\xef\xbb\xbf{}"), Json::parse(b"{}"));
        assert!(Json::parse(b"\xef\xbb\xbf").is_err());
    }

    #[test]
    fn bounds_depth_and_number_of_values() {
        assert!(Json::parse("[".repeat(10_000).as_bytes()).unwrap_err().contains("recursion limit"));
        let wide = format!("[{}1]", "1,".repeat(1_000_000));
        assert!(Json::parse(wide.as_bytes()).unwrap_err().contains("more than 10000 values"));
    }
}
