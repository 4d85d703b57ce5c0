//! The handle of a user: what refers to the records of the user, and what decrypts them.

use uuid::Uuid;

use crate::domain::tenants::TenantNumber;
use crate::store::encryption::UserKey;
use crate::store::engine::sql::Value;

/// A user as the records of the user need it: every read and write of one takes a handle.
pub struct UserHandle {
    pub tenant: TenantNumber,
    /// Dense number of the user in the tenant: the foreign key of the records.
    pub number: i64,
    /// Random id of the user, as on the wire.
    pub id: Uuid,
    /// The key that encrypts the data of the user.
    pub key: UserKey,
}

impl UserHandle {
    /// Returns the foreign key of the records of the user, as parameters of a statement.
    pub(in crate::store) fn reference(&self) -> [Value<'static>; 2] {
        [Value::Int(self.tenant.0), Value::Int(self.number)]
    }
}
