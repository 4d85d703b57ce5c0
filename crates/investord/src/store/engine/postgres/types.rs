//! Converts values and rows to and from PostgreSQL's types.

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, WrongType, to_sql_checked};

use crate::store::engine::error::StoreError;
use crate::store::engine::row::{ColumnValue, EngineRow};
use crate::store::engine::sql::{OwnedValue, Value};

/// A parameter that knows its type, for statements that are not prepared.
pub trait Typed: ToSql + Sync {
    /// Returns the PostgreSQL type.
    fn kind(&self) -> Type;
}

/// Returns the parameters with their types.
pub fn typed<T: Typed>(values: &[T]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    values.iter().map(|value| (value as &(dyn ToSql + Sync), value.kind())).collect()
}

impl Typed for OwnedValue {
    fn kind(&self) -> Type {
        kind(&self.as_value())
    }
}

impl Typed for Vec<OwnedValue> {
    fn kind(&self) -> Type {
        array_type(self).unwrap_or(Type::UNKNOWN)
    }
}

/// Returns the type of an array with these values; `None` if all are NULL.
pub fn array_type(values: &[OwnedValue]) -> Option<Type> {
    values.iter().map(|value| value.as_value()).find_map(|value| match value {
        Value::Int(_) | Value::At(_) => Some(Type::INT8_ARRAY),
        Value::Text(_) => Some(Type::TEXT_ARRAY),
        Value::Bytes(_) => Some(Type::BYTEA_ARRAY),
        Value::Id(_) => Some(Type::UUID_ARRAY),
        Value::Null => None,
    })
}

/// Returns the PostgreSQL type of a parameter.
fn kind(value: &Value<'_>) -> Type {
    match value {
        Value::Int(_) | Value::At(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
        Value::Id(_) => Type::UUID,
        // The server infers the type from the context.
        Value::Null => Type::UNKNOWN,
    }
}

impl ToSql for OwnedValue {
    /// Writes the binary format of the type: integers in big-endian, as the wire protocol requires. Fails for another
    /// type, because the bytes of one could be valid as another and would be stored wrongly.
    fn to_sql(
        &self,
        wanted: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let value = self.as_value();
        if !matches!(value, Value::Null) && kind(&value) != *wanted {
            return Err(Box::new(WrongType::new::<Self>(wanted.clone())));
        }
        match value {
            Value::Int(value) => out.extend_from_slice(&value.to_be_bytes()),
            Value::At(value) => out.extend_from_slice(&value.as_microsecond().to_be_bytes()),
            Value::Text(value) => out.extend_from_slice(value.as_bytes()),
            Value::Bytes(value) => out.extend_from_slice(value),
            Value::Id(value) => out.extend_from_slice(value.as_bytes()),
            Value::Null => return Ok(IsNull::Yes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for ColumnValue<'a> {
    /// Reads the binary format; a UUID becomes its 16 bytes.
    fn from_sql(kind: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *kind {
            Type::INT8 => ColumnValue::Int(i64::from_be_bytes(bytes.try_into()?)),
            Type::TEXT => ColumnValue::Text(std::str::from_utf8(bytes)?),
            _ => ColumnValue::Bytes(bytes),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(ColumnValue::Null)
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA, Type::UUID].contains(kind)
    }
}

impl EngineRow for tokio_postgres::Row {
    fn raw(&self, column: usize) -> Result<ColumnValue<'_>, StoreError> {
        self.try_get(column).map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}
