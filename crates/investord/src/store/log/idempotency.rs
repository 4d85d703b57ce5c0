//! Idempotency and replay protection: tables `idempotent_responses` and `nonces`.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::tenants::TenantNumber;
use crate::store::encryption::Aad;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::engine::unit::{FirstQueries, LockOrder};
use crate::store::log::events;
use crate::store::plaintext::Plaintext;
use crate::store::tenants::sequence::Sequence;
use crate::store::unit::Unit;
use crate::store::users;
use crate::store::users::handle::UserHandle;

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[
    &INSERT_NONCE,
    &DELETE_EXPIRED_NONCES,
    &FIND_RESPONSE,
    &INSERT_RESPONSE,
    &DELETE_RESPONSE,
    &DELETE_EXPIRED_RESPONSES,
];

// A replay ends when its message does and so has the same row: no other one has to be looked at (decision S3).
const INSERT_NONCE: Stmt = Stmt {
    name: "nonces.insert",
    text: "INSERT INTO nonces (until, hash) VALUES ($1, $2) ON CONFLICT (until, hash) DO NOTHING",
};
const DELETE_EXPIRED_NONCES: Stmt = Stmt {
    name: "nonces.delete_expired",
    text: "DELETE FROM nonces WHERE (until, hash) IN
           (SELECT until, hash FROM nonces WHERE until < $1 ORDER BY until, hash LIMIT $2)",
};
const FIND_RESPONSE: Stmt = Stmt {
    name: "idempotent_responses.find",
    text: "SELECT created_at, fingerprint, status, user_number, event, sealed FROM idempotent_responses
           WHERE tenant = $1 AND operation = $2 AND idempotency_key = $3",
};
static INSERT_RESPONSE: Insert = Insert::new(
    "idempotent_responses.insert",
    "idempotent_responses",
    &[
        "tenant", "operation", "idempotency_key", "fingerprint", "status", "user_number", "event", "sealed",
        "created_at",
    ],
);
const DELETE_RESPONSE: Stmt = Stmt {
    name: "idempotent_responses.delete",
    text: "DELETE FROM idempotent_responses WHERE tenant = $1 AND operation = $2 AND idempotency_key = $3",
};
const DELETE_EXPIRED_RESPONSES: Stmt = Stmt {
    name: "idempotent_responses.delete_expired",
    text: "DELETE FROM idempotent_responses WHERE (tenant, operation, idempotency_key) IN
           (SELECT tenant, operation, idempotency_key FROM idempotent_responses WHERE created_at < $1 LIMIT $2)",
};

/// The identity of a signed request: a hash of its key id and its nonce, or without a nonce of its key id and the
/// signed content.
#[derive(Clone, Copy, Debug)]
pub struct Nonce {
    pub hash: [u8; 16],
    /// End of the time in which the request could be replayed.
    pub until: Timestamp,
    /// Time of receipt.
    pub now: Timestamp,
}

/// The idempotency key of a request, and the request that it stands for.
#[derive(Clone, Copy, Debug)]
pub struct IdempotencyKey {
    pub tenant: TenantNumber,
    /// Method and path template: the scope of a key inside its tenant (decision W11).
    pub operation: &'static str,
    pub key: Uuid,
    /// MAC of path and body under a key of the tenant: without that key the stored value does not allow guesses at a
    /// body.
    pub fingerprint: [u8; 32],
    /// Start of the retention window; older responses count as deleted.
    pub kept_since: Timestamp,
}

/// The result of the replay check.
pub enum Replay {
    /// A new request, which may be executed. Its nonce is stored.
    New,
    /// A repeated request, with its stored response.
    Answered(KeptResponse),
    /// A request whose idempotency key belongs to another request.
    KeyReused,
    /// A replay of the same signed message.
    MessageReplayed,
}

/// A stored response.
pub struct KeptResponse {
    /// The HTTP status code.
    pub status: u16,
    pub body: Plaintext,
}

/// Stores the nonce of a write and checks for a replay, before the write changes anything else. A refusal is a value
/// and not an error, so that the nonce is committed in any case.
///
/// # Errors
///
/// Fails if the database is unavailable or the stored response cannot be decrypted.
pub fn find_replay(
    unit: &Unit<'_>,
    idempotency_key: Option<&IdempotencyKey>,
    nonce: Option<&Nonce>,
) -> Result<Replay, StoreError> {
    if let Some(nonce) = nonce
        && !remember_nonce(unit.tx, nonce)?
    {
        return Ok(Replay::MessageReplayed);
    }
    let Some(idempotency_key) = idempotency_key else { return Ok(Replay::New) };
    // A new request finds none, so the row is looked for by itself, and what belongs to it when it is there.
    let found = unit.tx.one(&FIND_RESPONSE, &idempotency_key.key_values(), StoredResponse::read)?;
    let Some(stored) = found else { return Ok(Replay::New) };
    if stored.created_at < idempotency_key.kept_since {
        unit.tx.execute_one(&DELETE_RESPONSE, &idempotency_key.key_values())?;
        return Ok(Replay::New);
    }
    if stored.fingerprint != idempotency_key.fingerprint {
        return Ok(Replay::KeyReused);
    }
    stored.open(unit, idempotency_key).map(Replay::Answered)
}

/// A row of the table.
struct StoredResponse {
    created_at: Timestamp,
    fingerprint: [u8; 32],
    status: i64,
    /// Number of the user whose key seals the response.
    user_number: i64,
    /// Number of the event whose object is the response, unless the response is stored itself.
    event: Option<i64>,
    sealed: Option<Vec<u8>>,
}

impl StoredResponse {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            created_at: row.at(0)?,
            fingerprint: row.array(1)?,
            status: row.int(2)?,
            user_number: row.int(3)?,
            event: row.int_or_null(4)?,
            sealed: row.bytes_or_null(5)?.map(<[u8]>::to_vec),
        })
    }

    /// Decrypts the response.
    fn open(self, unit: &Unit<'_>, idempotency_key: &IdempotencyKey) -> Result<KeptResponse, StoreError> {
        let (tx, tenant) = (unit.tx, unit.tenant);
        let user = users::find_numbered(tx, tenant, self.user_number)?;
        let body = match (self.sealed, self.event) {
            (Some(sealed), _) => user.key.open(Aad::response(&idempotency_key.key), &sealed)?,
            (None, Some(event)) => events::open_object(tx, tenant.number, event, &user.key)?,
            (None, None) => return Err(StoreError::Corrupt("a kept response without content".into())),
        };
        let status = u16::try_from(self.status).map_err(|_| StoreError::Corrupt("a kept status".into()))?;
        Ok(KeptResponse { status, body })
    }
}

/// Stores a nonce and returns false if it was stored already and may still be valid.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn remember_nonce(tx: &Tx<'_>, nonce: &Nonce) -> Result<bool, StoreError> {
    Ok(tx.execute(&INSERT_NONCE, &nonce.values())? > 0)
}

/// The first queries of the unit of a request, which [`Tx::prefetch`] sends in advance: a write of the API then waits
/// for one round trip to the database, and so do all units of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefetch {
    /// The tenant whose sequence the unit locks.
    pub sequence: Option<TenantNumber>,
    pub nonce: Option<Nonce>,
    pub idempotency_key: Option<IdempotencyKey>,
    /// The webhook that the unit locks instead of a sequence.
    pub webhook: Option<Uuid>,
}

impl FirstQueries for Prefetch {
    fn send(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        // The lock precedes the nonce here as well: two processes that each locked a nonce of the other would deadlock.
        self.sequence.map_or(Ok(()), |tenant| Sequence::prefetch(tx, tenant))?;
        self.nonce.map_or(Ok(()), |nonce| tx.prefetch(&INSERT_NONCE, &nonce.values()))?;
        self.idempotency_key.map_or(Ok(()), |key| tx.prefetch(&FIND_RESPONSE, &key.key_values()))
    }

    /// Orders units that lock a webhook after units that lock a sequence.
    fn lock_order(&self) -> LockOrder {
        LockOrder { rank: self.webhook.is_some().into(), id: self.webhook.unwrap_or_default() }
    }
}

impl IdempotencyKey {
    fn key_values(&self) -> [Value<'_>; 3] {
        [Value::Int(self.tenant.0), Value::Text(self.operation), Value::Id(self.key)]
    }
}

impl Nonce {
    fn values(&self) -> [Value<'_>; 2] {
        [Value::At(self.until), Value::Bytes(&self.hash)]
    }
}

/// Stores the response of an executed request: as a reference to the event that has just told the same object, or
/// encrypted with the key of its user.
///
/// # Errors
///
/// Fails if the key has a stored response or the database is unavailable.
pub fn keep_response(
    unit: &Unit<'_>,
    idempotency_key: &IdempotencyKey,
    user: &UserHandle,
    status: u16,
    body: &str,
) -> Result<(), StoreError> {
    let event = unit.find_published(user.id, body);
    let seal = || user.key.seal(Aad::response(&idempotency_key.key), body.as_bytes(), unit.ids);
    let sealed = event.is_none().then(seal);
    unit.tx.insert(
        &INSERT_RESPONSE,
        &[
            Value::Int(idempotency_key.tenant.0),
            Value::Text(idempotency_key.operation),
            Value::Id(idempotency_key.key),
            Value::Bytes(&idempotency_key.fingerprint),
            Value::Int(status.into()),
            Value::Int(user.number),
            event.map_or(Value::Null, Value::Int),
            Value::bytes_or_null(sealed.as_deref()),
            Value::At(unit.now()),
        ],
    )
}

/// Deletes at most `most` expired nonces and returns the number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_expired_nonces(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&DELETE_EXPIRED_NONCES, &[Value::At(now), Value::Int(most)])
}

/// Deletes at most `most` responses from before the retention window and returns the number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_expired_responses(tx: &Tx<'_>, kept_since: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&DELETE_EXPIRED_RESPONSES, &[Value::At(kept_since), Value::Int(most)])
}
