//! Table `proposals`: acts of administration that wait for a second person, or were done by one.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::domain::administration::Act;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &BY_ID, &OPEN, &COUNT_WAITING, &SAVE];

static INSERT: Insert = Insert::new(
    "proposals.insert",
    "proposals",
    &["id", "created_at", "expires", "state", "proposed_by", "session", "content", "to_review"],
);
const BY_ID: Stmt = Stmt {
    name: "proposals.by_id",
    text: "SELECT id, created_at, expires, state, proposed_by, session, content, to_review
           FROM proposals WHERE id = $1",
};
const OPEN: Stmt = Stmt {
    name: "proposals.open",
    text: "SELECT id, created_at, expires, state, proposed_by, session, content, to_review
           FROM proposals WHERE (state = 'waiting' AND expires > $1) OR to_review = 1
           ORDER BY to_review DESC, created_at, id",
};
const COUNT_WAITING: Stmt = Stmt {
    name: "proposals.count_waiting",
    text: "SELECT count(*) FROM proposals WHERE state = 'waiting' AND proposed_by = $1 AND expires > $2",
};
const SAVE: Stmt = Stmt {
    name: "proposals.save",
    text: "UPDATE proposals SET state = $1, content = $2, to_review = $3 WHERE id = $4",
};

/// The state of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, EnumString, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum ProposalState {
    /// It waits for a second person.
    Waiting,
    /// It was done.
    Done,
    /// It was withdrawn, or what it is about has changed meanwhile.
    Withdrawn,
}

/// What a proposal says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposalContent {
    pub act: Act,
    /// State of what it is about when it was proposed: another state voids the proposal.
    pub old: Json,
    pub reason: String,
    /// Name of who asked for it.
    pub proposed_by: String,
    /// Name of who has confirmed or withdrawn it.
    pub decided_by: Option<String>,
    pub decided_at: Option<Timestamp>,
    /// Whether one person did it alone in an emergency.
    pub break_glass: bool,
    /// The review of what was done in an emergency.
    pub review: Option<BreakGlassReview>,
}

/// The review of what one person did alone in an emergency.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BreakGlassReview {
    pub reviewed_by: String,
    pub reviewed_at: Timestamp,
    pub finding: String,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub expires: Timestamp,
    pub state: ProposalState,
    /// Who asked for it.
    pub proposed_by: Uuid,
    /// The session in which it was asked for.
    pub session: Uuid,
    pub content: ProposalContent,
    /// Whether one person did it alone, and nobody has reviewed it.
    pub to_review: bool,
}

impl Proposal {
    /// Returns whether it still waits for a second person.
    pub fn waits(&self, now: Timestamp) -> bool {
        self.state == ProposalState::Waiting && self.expires > now
    }

    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let content = serde_json::from_str(row.text(6)?);
        Ok(Self {
            id: row.id(0)?,
            created_at: row.at(1)?,
            expires: row.at(2)?,
            state: row.parsed(3)?,
            proposed_by: row.id(4)?,
            session: row.id(5)?,
            content: content.map_err(|error| StoreError::Corrupt(error.to_string()))?,
            to_review: row.int(7)? != 0,
        })
    }

    fn content_text(&self) -> String {
        serde_json::to_string(&self.content).expect("a proposal is plain data")
    }
}

/// Inserts a proposal.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn insert(tx: &Tx<'_>, new: &Proposal) -> Result<(), StoreError> {
    let Proposal { id, created_at, expires, state, proposed_by, session, to_review, .. } = new;
    tx.insert(
        &INSERT,
        &[
            Value::Id(*id),
            Value::At(*created_at),
            Value::At(*expires),
            Value::Text(state.into_str()),
            Value::Id(*proposed_by),
            Value::Id(*session),
            Value::Text(&new.content_text()),
            Value::Int((*to_review).into()),
        ],
    )
}

/// Finds a proposal.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_id(tx: &Tx<'_>, id: Uuid) -> Result<Option<Proposal>, StoreError> {
    tx.one(&BY_ID, &[Value::Id(id)], Proposal::read)
}

/// Returns the proposals that wait for a review or a second person, in this order, the oldest first. An operator has at
/// most 50 that wait for a second person; those for review are as many as acts in an emergency that nobody reviewed.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn open(tx: &Tx<'_>, now: Timestamp) -> Result<Vec<Proposal>, StoreError> {
    tx.all(&OPEN, &[Value::At(now)], Proposal::read)
}

/// Returns the number of proposals of an operator that wait.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn count_waiting(tx: &Tx<'_>, operator: Uuid, now: Timestamp) -> Result<i64, StoreError> {
    let values = [Value::Id(operator), Value::At(now)];
    Ok(tx.one(&COUNT_WAITING, &values, |row| row.int(0))?.unwrap_or_default())
}

/// Saves the state, the content and the pending review of a proposal.
///
/// # Errors
///
/// Fails if the proposal does not exist or the database is unavailable.
pub fn save(tx: &Tx<'_>, changed: &Proposal) -> Result<(), StoreError> {
    let values = [
        Value::Text(changed.state.into_str()),
        Value::Text(&changed.content_text()),
        Value::Int(changed.to_review.into()),
        Value::Id(changed.id),
    ];
    tx.execute_one(&SAVE, &values)
}
