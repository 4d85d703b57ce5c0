//! Tables `clients` and `client_keys`.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[
    &INSERT, &UPDATE, &ROTATE, &DISABLE, &BY_ID, &OF_TENANT, &INSERT_KEY, &REVOKE_KEY, &RECORD_KEY_USE,
    &KEYS_OF, &KEY_BY_ID,
];

static INSERT: Insert =
    Insert::new("clients.insert", "clients", &["id", "tenant", "secret", "declared", "scopes", "created_at"]);
const UPDATE: Stmt = Stmt {
    name: "clients.update",
    text: "UPDATE clients SET secret = $1, declared = $2, scopes = $3 WHERE id = $4",
};
const ROTATE: Stmt = Stmt {
    name: "clients.rotate",
    text: "UPDATE clients SET secret = $1, old_secret = $2, old_secret_until = $3 WHERE id = $4",
};
const DISABLE: Stmt =
    Stmt { name: "clients.disable", text: "UPDATE clients SET disabled_at = $1 WHERE id = $2" };
const BY_ID: Stmt = Stmt {
    name: "clients.by_id",
    text: "SELECT id, tenant, secret, declared, scopes, created_at, disabled_at, old_secret, old_secret_until
           FROM clients WHERE id = $1",
};
const OF_TENANT: Stmt = Stmt {
    name: "clients.of_tenant",
    text: "SELECT id, tenant, secret, declared, scopes, created_at, disabled_at, old_secret, old_secret_until
           FROM clients WHERE tenant = $1
           ORDER BY created_at, id",
};
static INSERT_KEY: Insert =
    Insert::new("client_keys.insert", "client_keys", &["id", "client", "spki", "created_at", "expires_at"]);
const REVOKE_KEY: Stmt = Stmt {
    name: "client_keys.revoke",
    text: "UPDATE client_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
};
const RECORD_KEY_USE: Stmt =
    Stmt { name: "client_keys.record_use", text: "UPDATE client_keys SET used_at = $1 WHERE id = $2" };
const KEYS_OF: Stmt = Stmt {
    name: "client_keys.of_client",
    text: "SELECT id, client, spki, created_at, revoked_at, expires_at, used_at FROM client_keys WHERE client = $1
           ORDER BY created_at, id",
};
const KEY_BY_ID: Stmt = Stmt {
    name: "client_keys.by_id",
    text: "SELECT id, client, spki, created_at, revoked_at, expires_at, used_at FROM client_keys WHERE id = $1",
};
/// A row of the table `clients`.
pub struct ClientRow {
    pub id: Uuid,
    pub tenant: TenantNumber,
    /// MAC of the secret ([`TenantKey::secret_mac`](crate::store::encryption::TenantKey::secret_mac)).
    pub secret: Vec<u8>,
    /// MAC of the secret in the tenants file, if the file declared one: a secret that was changed later by command is
    /// not reset by the same file.
    pub declared: Option<Vec<u8>>,
    /// Scopes, separated by single spaces, in the order of the declaration.
    pub scopes: String,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
    /// MAC of the secret before the last rotation, and until when it is taken, too.
    pub old_secret: Option<(Vec<u8>, Timestamp)>,
}

fn client(row: &Row<'_>) -> Result<ClientRow, StoreError> {
    Ok(ClientRow {
        id: row.id(0)?,
        tenant: TenantNumber(row.int(1)?),
        secret: row.bytes(2)?.to_vec(),
        declared: row.bytes_or_null(3)?.map(<[u8]>::to_vec),
        scopes: row.text(4)?.to_owned(),
        created_at: row.at(5)?,
        disabled_at: row.at_or_null(6)?,
        old_secret: row.bytes_or_null(7)?.map(<[u8]>::to_vec).zip(row.at_or_null(8)?),
    })
}

/// Inserts a client.
///
/// # Errors
///
/// Fails if the client exists or the database is unavailable.
pub fn insert(tx: &Tx<'_>, client: &ClientRow) -> Result<(), StoreError> {
    let ClientRow { id, tenant, secret, declared, scopes, created_at, .. } = client;
    tx.insert(
        &INSERT,
        &[
            Value::Id(*id),
            Value::Int(tenant.0),
            Value::Bytes(secret),
            Value::bytes_or_null(declared.as_deref()),
            Value::Text(scopes),
            Value::At(*created_at),
        ],
    )
}

/// Replaces the MAC of the secret, the MAC of the declared secret and the scopes of a client.
///
/// # Errors
///
/// Fails if the client does not exist or the database is unavailable.
pub fn update(
    tx: &Tx<'_>,
    id: Uuid,
    secret: &[u8],
    declared: Option<&[u8]>,
    scopes: &str,
) -> Result<(), StoreError> {
    let values = [Value::Bytes(secret), Value::bytes_or_null(declared), Value::Text(scopes), Value::Id(id)];
    tx.execute_one(&UPDATE, &values)
}

/// Replaces the MAC of the secret, and takes the one before until an instant, too.
///
/// # Errors
///
/// Fails if the client does not exist or the database is unavailable.
pub fn rotate_secret(
    tx: &Tx<'_>,
    id: Uuid,
    secret: &[u8],
    old: Option<(&[u8], Timestamp)>,
) -> Result<(), StoreError> {
    let (old, until) = old.unzip();
    let values = [
        Value::Bytes(secret),
        Value::bytes_or_null(old),
        until.map_or(Value::Null, Value::At),
        Value::Id(id),
    ];
    tx.execute_one(&ROTATE, &values)
}

/// Disables a client since an instant, or enables it.
///
/// # Errors
///
/// Fails if the client does not exist or the database is unavailable.
pub fn set_disabled(tx: &Tx<'_>, id: Uuid, since: Option<Timestamp>) -> Result<(), StoreError> {
    tx.execute_one(&DISABLE, &[since.map_or(Value::Null, Value::At), Value::Id(id)])
}

/// Finds a client by id.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_id(tx: &Tx<'_>, id: Uuid) -> Result<Option<ClientRow>, StoreError> {
    tx.one(&BY_ID, &[Value::Id(id)], client)
}

/// Returns the clients of a tenant, oldest first.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn of_tenant(tx: &Tx<'_>, tenant: TenantNumber) -> Result<Vec<ClientRow>, StoreError> {
    tx.all(&OF_TENANT, &[Value::Int(tenant.0)], client)
}

/// A row of the table `client_keys`: a public key that verifies the request signatures of a client.
pub struct KeyRow {
    pub id: Uuid,
    pub client: Uuid,
    /// Subject public key info (RFC 5280, section 4.1.2.7), DER.
    pub spki: Vec<u8>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// Signatures from then on are refused.
    pub expires_at: Option<Timestamp>,
    /// The last signature that was accepted, to the minute.
    pub used_at: Option<Timestamp>,
}

impl KeyRow {
    /// Returns whether the key verifies signatures at an instant.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

fn key(row: &Row<'_>) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: row.id(0)?,
        client: row.id(1)?,
        spki: row.bytes(2)?.to_vec(),
        created_at: row.at(3)?,
        revoked_at: row.at_or_null(4)?,
        expires_at: row.at_or_null(5)?,
        used_at: row.at_or_null(6)?,
    })
}

/// Inserts a public key of a client.
///
/// # Errors
///
/// Fails if the key exists or the database is unavailable.
pub fn insert_key(
    tx: &Tx<'_>,
    id: Uuid,
    client: Uuid,
    spki: &[u8],
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let expires_at = expires_at.map_or(Value::Null, Value::At);
    let values = [Value::Id(id), Value::Id(client), Value::Bytes(spki), Value::At(now), expires_at];
    tx.insert(&INSERT_KEY, &values)
}

/// Revokes a key and returns whether it was in force.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn revoke_key(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&REVOKE_KEY, &[Value::At(now), Value::Id(id)])? == 1)
}

/// Records when a signature of a key was last accepted.
///
/// # Errors
///
/// Fails if the key does not exist or the database is unavailable.
pub fn record_key_use(tx: &Tx<'_>, id: Uuid, at: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(&RECORD_KEY_USE, &[Value::At(at), Value::Id(id)])
}

/// Returns the keys of a client, revoked ones included, oldest first.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn keys_of(tx: &Tx<'_>, client: Uuid) -> Result<Vec<KeyRow>, StoreError> {
    tx.all(&KEYS_OF, &[Value::Id(client)], key)
}

/// Finds a key by id, revoked or not.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn key_by_id(tx: &Tx<'_>, id: Uuid) -> Result<Option<KeyRow>, StoreError> {
    tx.one(&KEY_BY_ID, &[Value::Id(id)], key)
}
