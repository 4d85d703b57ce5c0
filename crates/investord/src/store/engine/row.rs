//! Rows of results: columns by position, in the types that every engine supports.

use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use super::error::StoreError;

/// A column of a row in the types that every engine supports. An id is 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnValue<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// A row in the representation of an engine.
pub(in crate::store) trait EngineRow {
    fn raw(&self, column: usize) -> Result<ColumnValue<'_>, StoreError>;
}

/// A row of a result, with columns by position. Each getter returns the column in its type.
///
/// # Errors
///
/// Each getter fails with [`StoreError::Corrupt`] if the column has another type, or is NULL and the name of the getter
/// does not end with `_or_null`.
pub struct Row<'a>(&'a dyn EngineRow);

impl<'a> Row<'a> {
    /// Wraps a row of an engine.
    pub(in crate::store) fn of(columns: &'a dyn EngineRow) -> Self {
        Self(columns)
    }

    pub fn raw(&self, column: usize) -> Result<ColumnValue<'_>, StoreError> {
        self.0.raw(column)
    }

    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.raw(column)? {
            ColumnValue::Int(value) => Ok(value),
            other => Err(unexpected_type("an integer", other)),
        }
    }

    pub fn int_or_null(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.raw(column)? {
            ColumnValue::Null => Ok(None),
            _ => self.int(column).map(Some),
        }
    }

    pub fn text_or_null(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self.raw(column)? {
            ColumnValue::Null => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    pub fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.raw(column)? {
            ColumnValue::Text(value) => Ok(value),
            other => Err(unexpected_type("a text", other)),
        }
    }

    /// Returns a text in a type that is stored by its name.
    pub fn parsed<T: FromStr>(&self, column: usize) -> Result<T, StoreError> {
        let name = self.text(column)?;
        let unknown = || StoreError::Corrupt(format!("'{name}' is no {}", std::any::type_name::<T>()));
        name.parse().map_err(|_| unknown())
    }

    pub fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        match self.raw(column)? {
            ColumnValue::Bytes(value) => Ok(value),
            other => Err(unexpected_type("bytes", other)),
        }
    }

    pub fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.raw(column)? {
            ColumnValue::Null => Ok(None),
            _ => self.bytes(column).map(Some),
        }
    }

    /// Returns bytes of a fixed length, and fails if the column has another length.
    pub fn array<const N: usize>(&self, column: usize) -> Result<[u8; N], StoreError> {
        let bytes = self.bytes(column)?;
        bytes
            .try_into()
            .map_err(|_| StoreError::Corrupt(format!("{N} bytes expected, {} found", bytes.len())))
    }

    /// Returns an id of 16 bytes.
    pub fn id(&self, column: usize) -> Result<Uuid, StoreError> {
        self.array(column).map(Uuid::from_bytes)
    }

    pub fn id_or_null(&self, column: usize) -> Result<Option<Uuid>, StoreError> {
        match self.raw(column)? {
            ColumnValue::Null => Ok(None),
            _ => self.id(column).map(Some),
        }
    }

    /// Returns a timestamp, which is stored in microseconds since 1970.
    pub fn at(&self, column: usize) -> Result<Timestamp, StoreError> {
        Timestamp::from_microsecond(self.int(column)?).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    pub fn at_or_null(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        match self.raw(column)? {
            ColumnValue::Null => Ok(None),
            _ => self.at(column).map(Some),
        }
    }
}

/// Returns the error for a column of another type. It names the type and never the value, which may be personal data.
fn unexpected_type(wanted: &str, found: ColumnValue<'_>) -> StoreError {
    let found = match found {
        ColumnValue::Null => "nothing",
        ColumnValue::Int(_) => "an integer",
        ColumnValue::Text(_) => "a text",
        ColumnValue::Bytes(_) => "bytes",
    };
    StoreError::Corrupt(format!("{wanted} expected, {found} found"))
}
