//! Idempotency and replay protection: tables `idempotent_responses` and `nonces`.

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::Ids;
use crate::store::encryption::{Aad, Plaintext, TenantKey, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Stmt, Tx, Value};
use crate::store::engine::unit::{FirstQueries, LockOrder};
use crate::store::tenants::Sequence;
use crate::store::users;

pub const STATEMENTS: &[&Stmt] =
    &[&INSERT_NONCE, &SWEEP_NONCES, &REPLY, &INSERT_REPLY, &DROP_REPLY, &SWEEP_REPLIES];

const INSERT_NONCE: Stmt = Stmt {
    name: "nonces.insert",
    text: "INSERT INTO nonces (hash, until) VALUES ($1, $2)
           ON CONFLICT (hash) DO UPDATE SET until = excluded.until WHERE nonces.until < $3
           RETURNING until",
};
const SWEEP_NONCES: Stmt = Stmt {
    name: "nonces.delete_expired",
    text: "DELETE FROM nonces WHERE hash IN (SELECT hash FROM nonces WHERE until < $1 LIMIT $2)",
};
const REPLY: Stmt = Stmt {
    name: "idempotent_responses.find",
    text: "SELECT fingerprint, status, subject, sealed, created_at FROM idempotent_responses
           WHERE tenant = $1 AND operation = $2 AND idempotency_key = $3",
};
const INSERT_REPLY: Stmt = Stmt {
    name: "idempotent_responses.insert",
    text:
        "INSERT INTO idempotent_responses (tenant, operation, idempotency_key, fingerprint, status, subject, sealed, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
};
const DROP_REPLY: Stmt = Stmt {
    name: "idempotent_responses.delete",
    text: "DELETE FROM idempotent_responses WHERE tenant = $1 AND operation = $2 AND idempotency_key = $3",
};
const SWEEP_REPLIES: Stmt = Stmt {
    name: "idempotent_responses.delete_expired",
    text: "DELETE FROM idempotent_responses WHERE (tenant, operation, idempotency_key) IN
           (SELECT tenant, operation, idempotency_key FROM idempotent_responses WHERE created_at < $1 LIMIT $2)",
};

/// Identity of a signed request: a hash of its key id and its nonce, or without a nonce of its key id and what was signed.
#[derive(Clone, Copy, Debug)]
pub struct Nonce {
    pub hash: [u8; 16],
    /// Until when the request could be played again.
    pub until: Timestamp,
    /// When it was received.
    pub now: Timestamp,
}

/// A request that is to happen once: its idempotency key, and what the key stands for.
#[derive(Clone, Copy, Debug)]
pub struct IdempotencyKey {
    pub tenant: i64,
    /// Method and path template: the scope of a key inside its tenant (decision W11).
    pub operation: &'static str,
    pub key: Uuid,
    /// Over path and body, under a key of the tenant: what is kept gives no guess at a body away.
    pub fingerprint: [u8; 32],
    /// Replies made before this instant are no longer kept.
    pub kept_since: Timestamp,
}

/// What the store knows of a request.
pub enum Replay {
    /// Nothing: it is to be done now. Its nonce is remembered.
    New,
    /// It has been done; this was the answer.
    Answered(KeptResponse),
    /// The key was used for another request.
    KeyReused,
    /// This very message has been received before.
    MessageReplayed,
}

pub struct KeptResponse {
    pub status: u16,
    pub body: Plaintext,
}

/// Judges a write before anything of it is done but its nonce, which is remembered whatever the judgement:
/// what is refused is refused by a value, so that the nonce stays.
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
    let kept = tx.one(&REPLY, &idempotency_key.key_values(), |row| {
        let (fingerprint, status): ([u8; 32], _) = (row.array(0)?, row.int(1)?);
        Ok((fingerprint, status, row.id(2)?, row.bytes(3)?.to_vec(), row.at(4)?))
    })?;
    match kept {
        None => Ok(Replay::New),
        Some((.., created_at)) if created_at < idempotency_key.kept_since => {
            tx.execute_one(&DROP_REPLY, &idempotency_key.key_values())?;
            Ok(Replay::New)
        }
        Some((fingerprint, ..)) if fingerprint != idempotency_key.fingerprint => Ok(Replay::KeyReused),
        Some((_, status, subject, sealed, _)) => {
            let body = users::key(tx, idempotency_key.tenant, &subject, key)?
                .open(Aad::reply(&idempotency_key.key), &sealed)?;
            let status = u16::try_from(status).map_err(|_| StoreError::Corrupt("a kept status".into()))?;
            Ok(Replay::Answered(KeptResponse { status, body }))
        }
    }
}

/// Remembers a nonce; false if it was there already and could still be valid.
pub fn remember_nonce(tx: &Tx<'_>, nonce: &Nonce) -> Result<bool, StoreError> {
    let remembered = tx.one(&INSERT_NONCE, &nonce.values(), |_| Ok(()))?.is_some();
    if remembered {
        tx.mark_written();
    }
    Ok(remembered)
}

/// What the unit of a request looks at first, so that it can be asked for ahead ([`Tx::ahead`]): a write of an API
/// then waits for the database once, and so do all that share a commit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefetch {
    /// The tenant whose head the unit takes.
    pub sequence: Option<i64>,
    pub nonce: Option<Nonce>,
    pub idempotency_key: Option<IdempotencyKey>,
    /// A webhook that is locked instead of a head.
    pub webhook: Option<Uuid>,
}

impl FirstQueries for Prefetch {
    fn send(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        // The lock comes first here, too: two processes that hold each other's nonces would wait in a circle.
        self.sequence.map_or(Ok(()), |tenant| Sequence::prefetch(tx, tenant))?;
        self.nonce.map_or(Ok(()), |nonce| tx.prefetch(&INSERT_NONCE, &nonce.values()))?;
        self.idempotency_key.map_or(Ok(()), |key| tx.prefetch(&REPLY, &key.key_values()))
    }

    /// Orders units that lock a webhook behind those that lock a sequence.
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

/// Keeps the answer of a request that has been done, sealed with the key of the user it concerns.
pub fn keep_response(
    tx: &Tx<'_>,
    idempotency_key: &IdempotencyKey,
    reply: (u16, &str),
    subject: (Uuid, &UserKey),
    now: Timestamp,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let sealed = subject.1.seal(Aad::reply(&idempotency_key.key), reply.1.as_bytes(), ids);
    tx.execute_one(
        &INSERT_REPLY,
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

/// Forgets at most `most` nonces that can no longer be played; how many.
pub fn delete_expired_nonces(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&SWEEP_NONCES, &[Value::At(now), Value::Int(most)])
}

/// Forgets at most `most` replies from before the window; how many.
pub fn delete_expired_responses(tx: &Tx<'_>, kept_since: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&SWEEP_REPLIES, &[Value::At(kept_since), Value::Int(most)])
}
