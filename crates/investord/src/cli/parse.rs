//! Parsers of arguments with errors in words.

use uuid::Uuid;

/// Parses a UUID.
///
/// # Errors
///
/// Fails with a message that has an example.
pub fn uuid(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "must be a UUID, as in 3fa85f64-5717-4562-b3fc-2c963f66afa6".to_owned())
}

/// Parses a whole number from 1.
///
/// # Errors
///
/// Fails for any other text.
pub fn number(text: &str) -> Result<i64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "must be a whole number from 1".to_owned())
}

/// Parses a duration in seconds.
///
/// # Errors
///
/// Fails unless the text is a whole number in the range of `u32`.
pub fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("must be a whole number of seconds, from 0 to {}", u32::MAX))
}
