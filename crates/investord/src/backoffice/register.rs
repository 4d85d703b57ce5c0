//! `/register`: the record of the register itself, and whether acts of administration take two persons.

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::administration::{AdministrativeOperation, BREAK_GLASS, WHY};
use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::history::{HistoryRange, RANGE};
use crate::app::App;
use crate::domain::administration::Act;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::{Permission, Reach};
use crate::problem::Problem;
use crate::store::log::register_events;
use crate::store::log::register_events::StoredRegisterEvent;
use crate::store::{StoreError, Tx};

/// A page of the record of the register.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegisterRecord")]
pub struct RecordPage {
    data: Vec<RecordedEvent>,
    /// For `after` of the next page; null at the end.
    next: Option<i64>,
    /// Number of the last event of the whole record; 0 if there is none.
    last: i64,
}

/// An event of the register.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegisterEvent")]
struct RecordedEvent {
    number: i64,
    id: Uuid,
    created_at: Timestamp,
    /// What happened, as in `OPERATOR.CREATED`.
    r#type: String,
    /// `actor`, `confirmed_by`, `subject`, `reason`, `old` and `new`.
    content: Value,
}

impl From<StoredRegisterEvent> for RecordedEvent {
    fn from(event: StoredRegisterEvent) -> Self {
        let StoredRegisterEvent { number, id, created_at, kind, content, .. } = event;
        let content = serde_json::from_str(&content).unwrap_or_default();
        Self { number, id, created_at, r#type: kind, content }
    }
}

/// A request for the record of the register.
pub struct ReadRecord {
    range: HistoryRange,
}

impl OperatorOperation for ReadRecord {
    const OPERATION: &'static str = "GET /register/events";
    const PERMISSION: Option<Permission> = Some(Permission::RecordRead);
    type Answer = RecordPage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "register_events",
        summary: "Read the record of the register",
        description: "Answers who has signed in, and what was done to operators, tenants, clients and keys, in order. \
                      Takes the permission for all tenants.",
        query: RANGE,
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { range: HistoryRange::read(received)? })
    }
}

/// Handles `GET /register/events`: returns events of the register, in order.
///
/// # Errors
///
/// Fails unless the caller reads the record of all tenants.
pub async fn events(State(app): State<App>, req: ByOperator<ReadRecord>) -> OperatorResult<RecordPage> {
    if req.operator.grants.reach(Permission::RecordRead) != Reach::All {
        return Err(Problem::NoPermission(Permission::RecordRead));
    }
    let HistoryRange { after, limit } = req.operation.range;
    let read = move |tx: &Tx<'_>| {
        let last = register_events::chain_end(tx)?.events;
        Ok::<_, StoreError>((register_events::page(tx, after, limit)?, last))
    };
    let (page, last) = app.store.read("register.events", read).await?;
    let is_full = i64::try_from(page.len()) == Ok(limit);
    let next = page.last().map(|last| last.number).filter(|_| is_full);
    Ok(JsonAnswer(RecordPage { data: page.into_iter().map(RecordedEvent::from).collect(), next, last }))
}

static SET_FOUR_EYES: ObjectSchema = ObjectSchema {
    name: "SetFourEyes",
    fields: &[
        field(
            "four_eyes",
            Presence::Always,
            FieldRule::Bool,
            "Whether acts of administration take two persons, as soon as there are two.",
        ),
        WHY,
        BREAK_GLASS,
    ],
};

/// `PUT /register/four_eyes`: switches the rule of two persons on or off.
pub struct SetFourEyes;

/// The body of [`SetFourEyes`].
#[derive(Deserialize)]
pub struct FourEyes {
    four_eyes: bool,
}

impl AdministrativeOperation for SetFourEyes {
    const OPERATION: &'static str = "PUT /register/four_eyes";
    const PERMISSION: Permission = Permission::OperatorsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "set_four_eyes",
        summary: "Switch the rule of two persons on or off",
        description: "Switches on or off that acts of administration take two persons; to switch it off takes two \
                      itself. Takes the permission for all tenants.",
        query: &[],
        request: Some(&SET_FOUR_EYES),
    };
    type Body = FourEyes;

    fn act(_: &ReceivedByOperator<'_>, FourEyes { four_eyes }: FourEyes) -> Result<Act, Problem> {
        Ok(Act::SetFourEyes { four_eyes })
    }
}
