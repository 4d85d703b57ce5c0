//! Parsers of arguments with errors in words.

use uuid::Uuid;

pub fn uuid(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "must be a UUID, as in 3fa85f64-5717-4562-b3fc-2c963f66afa6".to_owned())
}

/// Parses a number that counts from 1.
pub fn number(text: &str) -> Result<i64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "must be a whole number from 1".to_owned())
}

pub fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("must be a whole number of seconds, from 0 to {}", u32::MAX))
}
