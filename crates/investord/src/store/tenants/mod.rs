//! Tables `tenants`, `tenant_sequences`, `clients`, `client_keys` and `tokens`.

pub mod operators;
pub mod signature_counts;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::encryption::{MasterKey, TenantKey};
use crate::domain::delivery::event::ChainHash;
use crate::domain::tenants::TenantSettings;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::SharedState;
use crate::store::engine::sql::{Row, Stmt, Tx, Value};

/// The statements of this file, which a test and `investord doctor` prepare.
pub const STATEMENTS: &[&Stmt] = &[
    &INSERT_TENANT,
    &INSERT_SEQUENCE,
    &UPDATE_SETTINGS,
    &UPDATE_TENANT_KEY,
    &TENANT_BY_NAME,
    &TENANT_BY_NUMBER,
    &ALL_TENANTS,
    &LOCK,
    &SAVE,
    &END_OF_CHAIN,
    &USERS_OF,
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
    &DROP_TOKENS,
    &SWEEP_TOKENS,
];

const INSERT_TENANT: Stmt = Stmt {
    name: "tenants.insert",
    text: "INSERT INTO tenants (number, name, settings, sealed_key, master_key, created_at)
           VALUES ($1, $2, $3, $4, $5, $6)",
};
const INSERT_SEQUENCE: Stmt = Stmt {
    name: "tenant_sequences.insert",
    text: "INSERT INTO tenant_sequences (tenant, users, events, last_at, chain_hash) VALUES ($1, 0, 0, 0, $2)",
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
// An UPDATE instead of SELECT FOR UPDATE, which SQLite lacks: it locks the row on PostgreSQL, with one text for both.
const LOCK: Stmt = Stmt {
    name: "tenant_sequences.lock",
    text: "UPDATE tenant_sequences SET last_at = last_at WHERE tenant = $1 RETURNING users, events, last_at, chain_hash",
};
const SAVE: Stmt = Stmt {
    name: "tenant_sequences.save",
    text: "UPDATE tenant_sequences SET users = $1, events = $2, last_at = $3, chain_hash = $4 WHERE tenant = $5",
};
const END_OF_CHAIN: Stmt = Stmt {
    name: "tenant_sequences.chain_end",
    text: "SELECT events, chain_hash FROM tenant_sequences WHERE tenant = $1",
};
const USERS_OF: Stmt =
    Stmt { name: "tenant_sequences.users", text: "SELECT users FROM tenant_sequences WHERE tenant = $1" };
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
const DROP_TOKENS: Stmt = Stmt { name: "tokens.delete", text: "DELETE FROM tokens WHERE client = $1" };
// Deletes through a subquery, because PostgreSQL has no LIMIT for DELETE; small batches keep the locks short.
const SWEEP_TOKENS: Stmt = Stmt {
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
    tx.execute_one(&INSERT_SEQUENCE, &[Value::Int(*number), Value::Bytes(&ChainHash::default())])
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
pub fn open(tx: &Tx<'_>, number: i64, master_key: &MasterKey) -> Result<(TenantRow, TenantKey), StoreError> {
    let row = by_number(tx, number)?;
    let row = row.ok_or_else(|| StoreError::Corrupt(format!("tenant {number} is gone")))?;
    let key = master_key.open_tenant_key(number, &row.sealed_key)?;
    Ok((row, key))
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

/// The row `tenant_sequences`: the counters, the last instant and the end of the hash chain of a tenant, which each
/// write advances.
#[derive(Clone)]
pub struct Sequence {
    pub tenant: i64,
    /// Number of the last user. Numbers are dense, so this is the count of users as well.
    pub users: i64,
    /// Number of the last event, and the count of events.
    pub events: i64,
    /// The instant of this write: that of the clock, or one microsecond after the tenant's last write if the clock went
    /// back or stood still. Writes of a tenant never share an instant, so order by creation is order by number.
    pub now: Timestamp,
    /// Chain hash of the last event.
    pub chain_hash: ChainHash,
}

/// The sequences that a transaction has locked. The units of a commit share one lock and one update of the row.
#[derive(Clone, Default)]
struct LockedSequences {
    /// The sequence by tenant, and whether a unit has changed it.
    rows: BTreeMap<i64, (Sequence, bool)>,
    /// Tenants whose lock was prefetched.
    prefetched: BTreeSet<i64>,
}

impl SharedState for LockedSequences {
    fn save(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for (sequence, _) in self.rows.values().filter(|(_, changed)| *changed) {
            let Sequence { tenant, users, events, now, chain_hash } = sequence;
            let values = [
                Value::Int(*users),
                Value::Int(*events),
                Value::At(*now),
                Value::Bytes(chain_hash),
                Value::Int(*tenant),
            ];
            tx.execute_one(&SAVE, &values)?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn SharedState> {
        Box::new(self.clone())
    }
}

impl Sequence {
    /// Prefetches the lock of the tenant's row, once per transaction.
    pub(super) fn prefetch(tx: &Tx<'_>, tenant: i64) -> Result<(), StoreError> {
        if tx.shared::<LockedSequences>().prefetched.insert(tenant) {
            tx.prefetch(&LOCK, &[Value::Int(tenant)])
        } else {
            Ok(())
        }
    }

    /// Locks the row of the tenant until the commit. Other writes of the tenant wait, so rows that are read after the
    /// lock do not change before the commit.
    ///
    /// # Errors
    ///
    /// Fails if the tenant has no sequence, the lock timeout expires or the database is unavailable.
    pub fn lock(tx: &Tx<'_>, tenant: i64, now: Timestamp) -> Result<Sequence, StoreError> {
        let locked = tx.shared::<LockedSequences>().rows.get(&tenant).map(|(sequence, _)| sequence.clone());
        let mut sequence = match locked {
            Some(sequence) => sequence,
            None => {
                let read = |row: &Row<'_>| {
                    let (users, events) = (row.int(0)?, row.int(1)?);
                    Ok(Sequence { tenant, users, events, now: row.at(2)?, chain_hash: row.array(3)? })
                };
                let sequence = tx.one(&LOCK, &[Value::Int(tenant)], read)?;
                let sequence = sequence
                    .ok_or_else(|| StoreError::Corrupt(format!("tenant {tenant} has no sequence")))?;
                tx.shared::<LockedSequences>().rows.insert(tenant, (sequence.clone(), false));
                sequence
            }
        };
        sequence.now = now.max(sequence.now + SignedDuration::from_micros(1));
        Ok(sequence)
    }

    /// Saves the advanced sequence in the shared state; the transaction writes it once, before the commit.
    pub fn save(self, tx: &Tx<'_>) {
        tx.mark_written();
        tx.shared::<LockedSequences>().rows.insert(self.tenant, (self, true));
    }
}

/// Returns the number and the chain hash of a tenant's last event, as recorded in its sequence.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn chain_end(tx: &Tx<'_>, tenant: i64) -> Result<Option<(i64, ChainHash)>, StoreError> {
    tx.one(&END_OF_CHAIN, &[Value::Int(tenant)], |row| Ok((row.int(0)?, row.array(1)?)))
}

/// Returns the number of users of a tenant, without reading their rows; 0 for an unknown tenant.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn count_users(tx: &Tx<'_>, tenant: i64) -> Result<i64, StoreError> {
    Ok(tx.one(&USERS_OF, &[Value::Int(tenant)], |row| row.int(0))?.unwrap_or(0))
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
    tx.execute(&DROP_TOKENS, &[Value::Id(client)])
}

/// Deletes at most `most` expired tokens and returns the number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_expired_tokens(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&SWEEP_TOKENS, &[Value::At(now), Value::Int(most)])
}
