//! Tables `tenants`, `clients`, `client_keys` and `tokens`.

pub mod operators;
pub mod sequence;
pub mod signature_counts;

use jiff::Timestamp;
use uuid::Uuid;

use super::encryption::{MasterKey, TenantKey};
use crate::domain::tenants::TenantSettings;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Row, Stmt, Tx, Value};

/// The statements of this file, which a test and `investord doctor` prepare.
pub const STATEMENTS: &[&Stmt] = &[
    &INSERT_TENANT,
    &UPDATE_SETTINGS,
    &UPDATE_TENANT_KEY,
    &TENANT_BY_NAME,
    &TENANT_BY_NUMBER,
    &ALL_TENANTS,
    &INSERT_CLIENT,
    &UPDATE_CLIENT,
    &CLIENT_BY_ID,
    &CLIENTS_OF,
    &INSERT_KEY,
    &REVOKE_KEY,
    &KEYS_OF,
    &KEY_BY_ID,
    &INSERT_TOKEN,
    &TOKEN_BY_HASH,
    &DELETE_TOKENS,
    &DELETE_EXPIRED_TOKENS,
];

const INSERT_TENANT: Stmt = Stmt {
    name: "tenants.insert",
    text: "INSERT INTO tenants (number, name, settings, sealed_key, master_key, created_at)
           VALUES ($1, $2, $3, $4, $5, $6)",
};
const UPDATE_SETTINGS: Stmt =
    Stmt { name: "tenants.settings", text: "UPDATE tenants SET settings = $1 WHERE number = $2" };
const UPDATE_TENANT_KEY: Stmt = Stmt {
    name: "tenants.rewrap",
    text: "UPDATE tenants SET sealed_key = $1, master_key = $2 WHERE number = $3",
};
const TENANT_BY_NAME: Stmt = Stmt {
    name: "tenants.by_name",
    text: "SELECT number, name, settings, sealed_key, master_key, created_at FROM tenants WHERE name = $1",
};
const TENANT_BY_NUMBER: Stmt = Stmt {
    name: "tenants.by_number",
    text: "SELECT number, name, settings, sealed_key, master_key, created_at FROM tenants WHERE number = $1",
};
const ALL_TENANTS: Stmt = Stmt {
    name: "tenants.all",
    text: "SELECT number, name, settings, sealed_key, master_key, created_at FROM tenants ORDER BY number",
};
const INSERT_CLIENT: Stmt = Stmt {
    name: "clients.insert",
    text: "INSERT INTO clients (id, tenant, secret, declared, scopes, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
};
const UPDATE_CLIENT: Stmt = Stmt {
    name: "clients.update",
    text: "UPDATE clients SET secret = $1, declared = $2, scopes = $3 WHERE id = $4",
};
const CLIENT_BY_ID: Stmt = Stmt {
    name: "clients.by_id",
    text: "SELECT id, tenant, secret, declared, scopes, created_at FROM clients WHERE id = $1",
};
const CLIENTS_OF: Stmt = Stmt {
    name: "clients.of_tenant",
    text: "SELECT id, tenant, secret, declared, scopes, created_at FROM clients WHERE tenant = $1 ORDER BY created_at, id",
};
const INSERT_KEY: Stmt = Stmt {
    name: "client_keys.insert",
    text: "INSERT INTO client_keys (id, client, spki, created_at) VALUES ($1, $2, $3, $4)",
};
const REVOKE_KEY: Stmt = Stmt {
    name: "client_keys.revoke",
    text: "UPDATE client_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
};
const KEYS_OF: Stmt = Stmt {
    name: "client_keys.of_client",
    text: "SELECT id, client, spki, created_at, revoked_at FROM client_keys WHERE client = $1 ORDER BY created_at, id",
};
const KEY_BY_ID: Stmt = Stmt {
    name: "client_keys.by_id",
    text: "SELECT id, client, spki, created_at, revoked_at FROM client_keys WHERE id = $1",
};
const INSERT_TOKEN: Stmt = Stmt {
    name: "tokens.insert",
    text: "INSERT INTO tokens (hash, client, scopes, expires) VALUES ($1, $2, $3, $4)",
};
const TOKEN_BY_HASH: Stmt =
    Stmt { name: "tokens.by_hash", text: "SELECT client, scopes, expires FROM tokens WHERE hash = $1" };
const DELETE_TOKENS: Stmt = Stmt { name: "tokens.delete", text: "DELETE FROM tokens WHERE client = $1" };
// Deletes through a subquery, because PostgreSQL has no LIMIT for DELETE; small batches keep the locks short.
const DELETE_EXPIRED_TOKENS: Stmt = Stmt {
    name: "tokens.delete_expired",
    text: "DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens WHERE expires < $1 LIMIT $2)",
};

/// A row of the table `tenants`.
pub struct TenantRow {
    pub number: i64,
    pub name: String,
    pub settings: TenantSettings,
    /// The tenant key, wrapped by the master key.
    pub sealed_key: Vec<u8>,
    /// Fingerprint of the master key that wraps `sealed_key`.
    pub master_key: String,
    pub created_at: Timestamp,
}

/// A tenant with its opened key.
pub struct Tenant {
    /// Primary key of the tenant.
    pub number: i64,
    /// Name of the tenant, as it appears in the log.
    pub name: String,
    pub settings: TenantSettings,
    /// Key that encrypts the data of the tenant.
    pub key: TenantKey,
}

impl TenantRow {
    /// Unwraps the key of the tenant.
    ///
    /// # Errors
    ///
    /// Fails if another master key wraps it.
    pub fn open(self, master_key: &MasterKey) -> Result<Tenant, StoreError> {
        let Self { number, name, settings, sealed_key, .. } = self;
        Ok(Tenant { number, name, settings, key: master_key.open_tenant_key(number, &sealed_key)? })
    }
}

fn tenant(row: &Row<'_>) -> Result<TenantRow, StoreError> {
    let settings =
        serde_json::from_str(row.text(2)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(TenantRow {
        number: row.int(0)?,
        name: row.text(1)?.to_owned(),
        settings,
        sealed_key: row.bytes(3)?.to_vec(),
        master_key: row.text(4)?.to_owned(),
        created_at: row.at(5)?,
    })
}

fn json(settings: &TenantSettings) -> String {
    serde_json::to_string(settings).expect("settings are plain data")
}

/// Inserts a tenant together with its sequence row.
///
/// # Errors
///
/// Fails if the tenant exists or the database is unavailable.
pub fn insert(tx: &Tx<'_>, tenant: &TenantRow) -> Result<(), StoreError> {
    let TenantRow { number, name, settings, sealed_key, master_key, created_at } = tenant;
    let settings = json(settings);
    tx.execute_one(
        &INSERT_TENANT,
        &[
            Value::Int(*number),
            Value::Text(name),
            Value::Text(&settings),
            Value::Bytes(sealed_key),
            Value::Text(master_key),
            Value::At(*created_at),
        ],
    )?;
    sequence::insert(tx, *number)
}

/// Replaces the settings of a tenant.
///
/// # Errors
///
/// Fails if the tenant does not exist or the database is unavailable.
pub fn set_settings(tx: &Tx<'_>, number: i64, settings: &TenantSettings) -> Result<(), StoreError> {
    tx.execute_one(&UPDATE_SETTINGS, &[Value::Text(&json(settings)), Value::Int(number)])
}

/// Replaces the wrapped key of a tenant, after a rotation of the master key.
///
/// # Errors
///
/// Fails if the tenant does not exist or the database is unavailable.
pub fn set_key(tx: &Tx<'_>, number: i64, sealed_key: &[u8], master_key: &str) -> Result<(), StoreError> {
    tx.execute_one(
        &UPDATE_TENANT_KEY,
        &[Value::Bytes(sealed_key), Value::Text(master_key), Value::Int(number)],
    )
}

/// Reads a tenant, which must exist, and unwraps its key.
///
/// # Errors
///
/// Fails if there is no such tenant, another master key wraps its key, or the database is unavailable.
pub fn open(tx: &Tx<'_>, number: i64, master_key: &MasterKey) -> Result<Tenant, StoreError> {
    let row = by_number(tx, number)?;
    row.ok_or_else(|| StoreError::Corrupt(format!("tenant {number} is gone")))?.open(master_key)
}

/// Finds a tenant by name.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_name(tx: &Tx<'_>, name: &str) -> Result<Option<TenantRow>, StoreError> {
    tx.one(&TENANT_BY_NAME, &[Value::Text(name)], tenant)
}

/// Finds a tenant by number.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_number(tx: &Tx<'_>, number: i64) -> Result<Option<TenantRow>, StoreError> {
    tx.one(&TENANT_BY_NUMBER, &[Value::Int(number)], tenant)
}

/// Returns all tenants, ordered by number.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn all(tx: &Tx<'_>) -> Result<Vec<TenantRow>, StoreError> {
    tx.all(&ALL_TENANTS, &[], tenant)
}

/// A row of the table `clients`.
pub struct ClientRow {
    pub id: Uuid,
    pub tenant: i64,
    /// MAC of the secret ([`TenantKey::secret_mac`]).
    pub secret: Vec<u8>,
    /// MAC of the secret in the tenants file, if the file declared one: a secret that was changed later by command is
    /// not reset by the same file.
    pub declared: Option<Vec<u8>>,
    /// Scopes, separated by single spaces, in the order of the declaration.
    pub scopes: String,
    pub created_at: Timestamp,
}

fn client(row: &Row<'_>) -> Result<ClientRow, StoreError> {
    Ok(ClientRow {
        id: row.id(0)?,
        tenant: row.int(1)?,
        secret: row.bytes(2)?.to_vec(),
        declared: row.bytes_or_null(3)?.map(<[u8]>::to_vec),
        scopes: row.text(4)?.to_owned(),
        created_at: row.at(5)?,
    })
}

/// Inserts a client.
///
/// # Errors
///
/// Fails if the client exists or the database is unavailable.
pub fn insert_client(tx: &Tx<'_>, client: &ClientRow) -> Result<(), StoreError> {
    let ClientRow { id, tenant, secret, declared, scopes, created_at } = client;
    tx.execute_one(
        &INSERT_CLIENT,
        &[
            Value::Id(*id),
            Value::Int(*tenant),
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
pub fn set_client(
    tx: &Tx<'_>,
    id: Uuid,
    secret: &[u8],
    declared: Option<&[u8]>,
    scopes: &str,
) -> Result<(), StoreError> {
    let values = [Value::Bytes(secret), Value::bytes_or_null(declared), Value::Text(scopes), Value::Id(id)];
    tx.execute_one(&UPDATE_CLIENT, &values)
}

/// Finds a client by id.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn client_by_id(tx: &Tx<'_>, id: Uuid) -> Result<Option<ClientRow>, StoreError> {
    tx.one(&CLIENT_BY_ID, &[Value::Id(id)], client)
}

/// Returns the clients of a tenant, oldest first.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn clients_of(tx: &Tx<'_>, tenant: i64) -> Result<Vec<ClientRow>, StoreError> {
    tx.all(&CLIENTS_OF, &[Value::Int(tenant)], client)
}

/// A row of the table `client_keys`: a public key that verifies the request signatures of a client.
pub struct KeyRow {
    pub id: Uuid,
    pub client: Uuid,
    /// Subject public key info (RFC 5280, section 4.1.2.7), DER.
    pub spki: Vec<u8>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

fn key(row: &Row<'_>) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: row.id(0)?,
        client: row.id(1)?,
        spki: row.bytes(2)?.to_vec(),
        created_at: row.at(3)?,
        revoked_at: row.at_or_null(4)?,
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
) -> Result<(), StoreError> {
    tx.execute_one(&INSERT_KEY, &[Value::Id(id), Value::Id(client), Value::Bytes(spki), Value::At(now)])
}

/// Revokes a key and returns whether it was in force.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn revoke_key(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&REVOKE_KEY, &[Value::At(now), Value::Id(id)])? == 1)
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

/// A row of the table `tokens`: an access token of a client.
pub struct TokenRow {
    pub client: Uuid,
    pub scopes: String,
    pub expires: Timestamp,
}

/// Inserts a token under `hash`, the SHA-256 of the token, which itself is never stored.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn insert_token(tx: &Tx<'_>, hash: &[u8; 32], token: &TokenRow) -> Result<(), StoreError> {
    let TokenRow { client, scopes, expires } = token;
    tx.execute_one(
        &INSERT_TOKEN,
        &[Value::Bytes(hash), Value::Id(*client), Value::Text(scopes), Value::At(*expires)],
    )
}

/// Finds a token by its SHA-256, expired or not.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn token(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<Option<TokenRow>, StoreError> {
    tx.one(&TOKEN_BY_HASH, &[Value::Bytes(hash)], |row| {
        Ok(TokenRow { client: row.id(0)?, scopes: row.text(1)?.to_owned(), expires: row.at(2)? })
    })
}

/// Deletes all tokens of a client and returns the number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_tokens(tx: &Tx<'_>, client: Uuid) -> Result<usize, StoreError> {
    tx.execute(&DELETE_TOKENS, &[Value::Id(client)])
}

/// Deletes at most `most` expired tokens and returns the number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_expired_tokens(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&DELETE_EXPIRED_TOKENS, &[Value::At(now), Value::Int(most)])
}
