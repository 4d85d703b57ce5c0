//! Table `sessions`: sessions and access tokens of operators.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

use super::operators;
use super::operators::Operator;
use crate::domain::permissions::Permissions;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// Prepared statements on the table.
pub static STATEMENTS: &[&dyn Statement] = &[
    &INSERT, &BY_TOKEN, &OF_OPERATOR, &USED, &PROVED, &FORGET_PROOFS, &FORGET_SECOND_FACTORS, &END,
    &END_OTHERS, &END_SESSIONS, &END_OF_PROVIDER, &END_ALL, &DELETE_EXPIRED,
];

static INSERT: Insert = Insert::new(
    "sessions.insert",
    "sessions",
    &[
        "hash", "id", "operator", "kind", "created_at", "used_at", "expires", "address", "agent",
        "permissions", "factors", "proved_at", "provider_session",
    ],
);
const BY_TOKEN: Stmt = Stmt {
    name: "sessions.by_token",
    text: "SELECT o.id, o.name, o.password, o.created_at, o.created_by, o.used_at, o.disabled_at,
                  o.reviewed_at, o.invited_at, o.invited_by, o.invitation_confirmed_by, o.provider_subject,
                  s.id, s.kind, s.created_at, s.used_at, s.expires, s.address, s.agent,
                  s.permissions, s.factors, s.proved_at, s.provider_session
           FROM sessions AS s JOIN operators AS o ON o.id = s.operator
           WHERE s.hash = $1 AND o.disabled_at IS NULL AND (s.expires IS NULL OR s.expires > $2)
             AND (s.kind = 'token' OR s.used_at > $3)",
};
const OF_OPERATOR: Stmt = Stmt {
    name: "sessions.of_operator",
    text: "SELECT id, kind, created_at, used_at, expires, address, agent, permissions, factors, proved_at,
                  provider_session
           FROM sessions WHERE operator = $1 ORDER BY created_at, id",
};
const USED: Stmt =
    Stmt { name: "sessions.used", text: "UPDATE sessions SET used_at = $1, address = $2 WHERE hash = $3" };
const PROVED: Stmt = Stmt {
    name: "sessions.proved",
    text: "UPDATE sessions SET factors = $1, proved_at = $2 WHERE operator = $3 AND id = $4",
};
const FORGET_PROOFS: Stmt = Stmt {
    name: "sessions.forget_proofs",
    text: "UPDATE sessions SET proved_at = NULL WHERE operator = $1 AND id <> $2",
};
const FORGET_SECOND_FACTORS: Stmt = Stmt {
    name: "sessions.forget_second_factors",
    text:
        "UPDATE sessions SET factors = 'password'
           WHERE operator = $1 AND factors IN ('password totp', 'password recovery_code', 'password passkey')",
};
const END: Stmt = Stmt { name: "sessions.end", text: "DELETE FROM sessions WHERE operator = $1 AND id = $2" };
const END_OTHERS: Stmt = Stmt {
    name: "sessions.end_others",
    text: "DELETE FROM sessions WHERE operator = $1 AND id <> $2 AND kind = 'session'",
};
const END_SESSIONS: Stmt = Stmt {
    name: "sessions.end_sessions",
    text: "DELETE FROM sessions WHERE operator = $1 AND kind = 'session'",
};
const END_OF_PROVIDER: Stmt = Stmt {
    name: "sessions.end_of_provider",
    text: "DELETE FROM sessions WHERE operator = $1 AND kind = 'session'
             AND (provider_session = $2 OR (provider_session IS NULL AND factors LIKE 'provider%'))",
};
const END_ALL: Stmt = Stmt { name: "sessions.end_all", text: "DELETE FROM sessions WHERE operator = $1" };
const DELETE_EXPIRED: Stmt = Stmt {
    name: "sessions.delete_expired",
    text: "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires < $1 LIMIT $2)",
};

/// How a session has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, EnumString, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum SessionKind {
    /// By a password or at the identity provider; it ends when it is idle.
    Session,
    /// By a command, for scripts.
    Token,
}

/// A proof of the person behind a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Factor {
    Password,
    /// A time-based code.
    Totp,
    RecoveryCode,
    Passkey,
    /// The identity provider.
    Provider,
    /// A second factor that the identity provider has asked for.
    ProviderSecond,
}

impl Factor {
    /// Returns whether it is a second one beside a password or the word of the identity provider.
    const fn is_second(self) -> bool {
        matches!(self, Self::Totp | Self::RecoveryCode | Self::Passkey | Self::ProviderSecond)
    }
}

/// A session or access token. Its secret is stored as a hash alone.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: Uuid,
    pub kind: SessionKind,
    pub created_at: Timestamp,
    /// The last use, to the minute.
    pub used_at: Timestamp,
    /// `None` for a token that does not expire.
    pub expires: Option<Timestamp>,
    /// Address of the last use.
    pub address: Option<String>,
    /// Header `user-agent` of the sign-in.
    pub agent: Option<String>,
    /// What a token may do of what its operator may; `None` for all of it.
    pub permissions: Option<Permissions>,
    /// How the person has been proved; empty for an access token.
    pub factors: Vec<Factor>,
    /// The last proof; `None` for an access token, and after a change that made earlier proofs void.
    pub proved_at: Option<Timestamp>,
    /// The session at the identity provider, if it has begun there.
    pub provider_session: Option<String>,
}

impl Session {
    /// Returns a session that begins now, does not expire and has no address. A password has proved its person.
    pub fn new(id: Uuid, kind: SessionKind, now: Timestamp) -> Self {
        let (factors, proved_at) = match kind {
            SessionKind::Session => (vec![Factor::Password], Some(now)),
            SessionKind::Token => (Vec::new(), None),
        };
        Self {
            id,
            kind,
            created_at: now,
            used_at: now,
            expires: None,
            address: None,
            agent: None,
            permissions: None,
            factors,
            proved_at,
            provider_session: None,
        }
    }

    /// Returns whether a second factor has proved the person.
    pub fn has_second_factor(&self) -> bool {
        self.factors.iter().any(|factor| factor.is_second())
    }
}

/// Returns the stored form of factors.
fn join(factors: &[Factor]) -> String {
    factors.iter().map(Factor::into_str).collect::<Vec<_>>().join(" ")
}

/// Parses the stored form of factors.
fn parse_factors(text: &str) -> Result<Vec<Factor>, StoreError> {
    let unknown = |_| StoreError::Corrupt(format!("'{text}' are no factors"));
    text.split_whitespace().map(|name| name.parse().map_err(unknown)).collect()
}

/// An operator who is signed in.
pub struct SignedIn {
    pub operator: Operator,
    pub session: Session,
}

fn session(row: &Row<'_>, first: usize) -> Result<Session, StoreError> {
    let permissions = row.text_or_null(first + 7)?.map(Permissions::parse);
    Ok(Session {
        id: row.id(first)?,
        kind: row.parsed(first + 1)?,
        created_at: row.at(first + 2)?,
        used_at: row.at(first + 3)?,
        expires: row.at_or_null(first + 4)?,
        address: row.text_or_null(first + 5)?.map(str::to_owned),
        agent: row.text_or_null(first + 6)?.map(str::to_owned),
        permissions: permissions.transpose().map_err(StoreError::Corrupt)?,
        factors: parse_factors(row.text(first + 8)?)?,
        proved_at: row.at_or_null(first + 9)?,
        provider_session: row.text_or_null(first + 10)?.map(str::to_owned),
    })
}

/// Inserts a session under `hash`, the SHA-256 of its token, which itself is never stored.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn insert(tx: &Tx<'_>, hash: &[u8; 32], operator: Uuid, new: &Session) -> Result<(), StoreError> {
    let permissions = new.permissions.as_ref().map(Permissions::text);
    let factors = join(&new.factors);
    let values = [
        Value::Bytes(hash),
        Value::Id(new.id),
        Value::Id(operator),
        Value::Text(new.kind.into_str()),
        Value::At(new.created_at),
        Value::At(new.used_at),
        new.expires.map_or(Value::Null, Value::At),
        new.address.as_deref().map_or(Value::Null, Value::Text),
        new.agent.as_deref().map_or(Value::Null, Value::Text),
        permissions.as_deref().map_or(Value::Null, Value::Text),
        Value::Text(&factors),
        new.proved_at.map_or(Value::Null, Value::At),
        new.provider_session.as_deref().map_or(Value::Null, Value::Text),
    ];
    tx.insert(&INSERT, &values)
}

/// Finds the enabled operator of a session that has neither expired nor been idle since `idle_since`.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_token(
    tx: &Tx<'_>,
    hash: &[u8; 32],
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    let values = [Value::Bytes(hash), Value::At(now), Value::At(idle_since)];
    let found = tx.one(&BY_TOKEN, &values, |row| {
        Ok(SignedIn { operator: operators::read(row)?, session: session(row, operators::COLUMNS)? })
    })?;
    let Some(SignedIn { operator, session }) = found else { return Ok(None) };
    let mut operator = operators::with_grants(tx, operator)?;
    if let Some(own) = &session.permissions {
        operator.grants = operator.grants.limited_to(own);
    }
    Ok(Some(SignedIn { operator, session }))
}

/// Returns the sessions and access tokens of an operator, the oldest first.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn of_operator(tx: &Tx<'_>, operator: Uuid) -> Result<Vec<Session>, StoreError> {
    tx.all(&OF_OPERATOR, &[Value::Id(operator)], |row| session(row, 0))
}

/// Records the use of a session, and of the account of its operator.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn record_use(
    tx: &Tx<'_>,
    operator: Uuid,
    hash: &[u8; 32],
    now: Timestamp,
    address: &str,
) -> Result<(), StoreError> {
    tx.execute(&USED, &[Value::At(now), Value::Text(address), Value::Bytes(hash)])?;
    operators::record_use(tx, operator, now)
}

/// Records that factors have proved the person behind a session, and returns whether it still exists.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn record_proof(
    tx: &Tx<'_>,
    operator: Uuid,
    id: Uuid,
    factors: &[Factor],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let factors = join(factors);
    let values = [Value::Text(&factors), Value::At(now), Value::Id(operator), Value::Id(id)];
    Ok(tx.execute(&PROVED, &values)? == 1)
}

/// Makes the proofs of all sessions of an operator but one void. The sessions go on.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn forget_proofs(tx: &Tx<'_>, operator: Uuid, kept: Uuid) -> Result<(), StoreError> {
    tx.execute(&FORGET_PROOFS, &[Value::Id(operator), Value::Id(kept)]).map(drop)
}

/// Makes all sessions of an operator such that a password alone has proved the person.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn forget_second_factors(tx: &Tx<'_>, operator: Uuid) -> Result<(), StoreError> {
    tx.execute(&FORGET_SECOND_FACTORS, &[Value::Id(operator)]).map(drop)
}

/// Ends a session of an operator, and returns whether there was one.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn end(tx: &Tx<'_>, operator: Uuid, id: Uuid) -> Result<bool, StoreError> {
    Ok(tx.execute(&END, &[Value::Id(operator), Value::Id(id)])? > 0)
}

/// Ends the sessions of an operator but one, and returns their number. Access tokens stay.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn end_others(tx: &Tx<'_>, operator: Uuid, kept: Uuid) -> Result<usize, StoreError> {
    tx.execute(&END_OTHERS, &[Value::Id(operator), Value::Id(kept)])
}

/// Ends the sessions of an operator, and returns their number. Access tokens stay.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn end_sessions(tx: &Tx<'_>, operator: Uuid) -> Result<usize, StoreError> {
    tx.execute(&END_SESSIONS, &[Value::Id(operator)])
}

/// Ends a session at the identity provider, or all sessions of an operator, and returns their number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn end_of_provider(tx: &Tx<'_>, operator: Uuid, session: Option<&str>) -> Result<usize, StoreError> {
    match session {
        Some(session) => tx.execute(&END_OF_PROVIDER, &[Value::Id(operator), Value::Text(session)]),
        None => end_sessions(tx, operator),
    }
}

/// Ends all sessions and access tokens of an operator, and returns their number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn end_all(tx: &Tx<'_>, operator: Uuid) -> Result<usize, StoreError> {
    tx.execute(&END_ALL, &[Value::Id(operator)])
}

/// Deletes at most `most` expired sessions and returns the number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_expired(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&DELETE_EXPIRED, &[Value::At(now), Value::Int(most)])
}
