//! Idempotency and replay protection: tables `idempotent_responses` and `nonces`.

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::Ids;
use crate::store::encryption::{Aad, Plaintext, TenantKey, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Stmt, Tx, Value};
use crate::store::engine::unit::{FirstQueries, LockOrder};
use crate::store::tenants::sequence::Sequence;
use crate::store::users;

/// The statements of this file, which a test and `investord doctor` prepare.
pub const STATEMENTS: &[&Stmt] = &[
    &INSERT_NONCE,
    &DELETE_EXPIRED_NONCES,
    &FIND_RESPONSE,
    &INSERT_RESPONSE,
    &DELETE_RESPONSE,
    &DELETE_EXPIRED_RESPONSES,
];

// An expired nonce is overwritten, so that correctness does not depend on the retention job.
const INSERT_NONCE: Stmt = Stmt {
    name: "nonces.insert",
    text: "INSERT INTO nonces (hash, until) VALUES ($1, $2)
           ON CONFLICT (hash) DO UPDATE SET until = excluded.until WHERE nonces.until < $3
           RETURNING until",
};
const DELETE_EXPIRED_NONCES: Stmt = Stmt {
    name: "nonces.delete_expired",
    text: "DELETE FROM nonces WHERE hash IN (SELECT hash FROM nonces WHERE until < $1 LIMIT $2)",
};
const FIND_RESPONSE: Stmt = Stmt {
    name: "idempotent_responses.find",
    text: "SELECT fingerprint, status, subject, sealed, created_at FROM idempotent_responses
           WHERE tenant = $1 AND operation = $2 AND idempotency_key = $3",
};
const INSERT_RESPONSE: Stmt = Stmt {
    name: "idempotent_responses.insert",
    text:
        "INSERT INTO idempotent_responses (tenant, operation, idempotency_key, fingerprint, status, subject, sealed, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
};
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
    pub tenant: i64,
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
    tx: &Tx<'_>,
    idempotency_key: Option<&IdempotencyKey>,
    nonce: Option<&Nonce>,
    key: &TenantKey,
) -> Result<Replay, StoreError> {
    if let Some(nonce) = nonce
        && !remember_nonce(tx, nonce)?
    {
        return Ok(Replay::MessageReplayed);
    }
    let Some(idempotency_key) = idempotency_key else { return Ok(Replay::New) };
    let kept = tx.one(&FIND_RESPONSE, &idempotency_key.key_values(), |row| {
        let (fingerprint, status): ([u8; 32], _) = (row.array(0)?, row.int(1)?);
        Ok((fingerprint, status, row.id(2)?, row.bytes(3)?.to_vec(), row.at(4)?))
    })?;
    match kept {
        None => Ok(Replay::New),
        Some((.., created_at)) if created_at < idempotency_key.kept_since => {
            tx.execute_one(&DELETE_RESPONSE, &idempotency_key.key_values())?;
            Ok(Replay::New)
        }
        Some((fingerprint, ..)) if fingerprint != idempotency_key.fingerprint => Ok(Replay::KeyReused),
        Some((_, status, subject, sealed, _)) => {
            let body = users::key(tx, idempotency_key.tenant, &subject, key)?
                .open(Aad::response(&idempotency_key.key), &sealed)?;
            let status = u16::try_from(status).map_err(|_| StoreError::Corrupt("a kept status".into()))?;
            Ok(Replay::Answered(KeptResponse { status, body }))
        }
    }
}

/// Stores a nonce and returns false if it was stored already and may still be valid.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn remember_nonce(tx: &Tx<'_>, nonce: &Nonce) -> Result<bool, StoreError> {
    let remembered = tx.one(&INSERT_NONCE, &nonce.values(), |_| Ok(()))?.is_some();
    if remembered {
        tx.mark_written();
    }
    Ok(remembered)
}

/// The first queries of the unit of a request, which [`Tx::prefetch`] sends in advance: a write of the API then waits
/// for one round trip to the database, and so do all units of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefetch {
    /// The tenant whose sequence the unit locks.
    pub sequence: Option<i64>,
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
        [Value::Int(self.tenant), Value::Text(self.operation), Value::Id(self.key)]
    }
}

impl Nonce {
    fn values(&self) -> [Value<'_>; 3] {
        [Value::Bytes(&self.hash), Value::At(self.until), Value::At(self.now)]
    }
}

/// Stores the response of an executed request, encrypted with the key of its user.
///
/// # Errors
///
/// Fails if the key has a stored response or the database is unavailable.
pub fn keep_response(
    tx: &Tx<'_>,
    idempotency_key: &IdempotencyKey,
    reply: (u16, &str),
    subject: (Uuid, &UserKey),
    now: Timestamp,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let sealed = subject.1.seal(Aad::response(&idempotency_key.key), reply.1.as_bytes(), ids);
    tx.execute_one(
        &INSERT_RESPONSE,
        &[
            Value::Int(idempotency_key.tenant),
            Value::Text(idempotency_key.operation),
            Value::Id(idempotency_key.key),
            Value::Bytes(&idempotency_key.fingerprint),
            Value::Int(reply.0.into()),
            Value::Id(subject.0),
            Value::Bytes(&sealed),
            Value::At(now),
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
