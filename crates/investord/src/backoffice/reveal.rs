//! Reveals what is masked of a user to a session, for a purpose that is on record.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strum::VariantNames;
use uuid::Uuid;

use super::by_operator::{ByOperator, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator};
use super::change::{ActionRecord, RecordedAction, UserChange, change};
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::problem::Problem;
use crate::store::tenants::reveals;

/// Number of users whom a session may see unmasked at the same time.
const MOST_AT_ONCE: usize = 100;

/// The purpose for which an operator looks at the masked data of a person.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Purpose {
    /// The person asks for something, and has to be recognised or answered.
    PersonAsks,
    /// A data change or check is decided.
    Review,
    /// An authority or court asks.
    Authority,
    Complaint,
    /// What `reference` says.
    Other,
}

/// The body of a reveal.
#[derive(Clone, Serialize, Deserialize)]
pub struct RevealBody {
    pub purpose: Purpose,
    pub reference: Option<String>,
}

const REFERENCE: FieldRule = FieldRule::Text { min: 1, max: 200 };
static REVEAL: ObjectSchema = ObjectSchema {
    name: "Reveal",
    fields: &[
        field(
            "purpose",
            Presence::Always,
            FieldRule::OneOf(Purpose::VARIANTS),
            "What the data is needed for. person_asks: they have to be recognised or answered. review: a data change \
             or check is decided. authority: an authority or court asks. complaint, other.",
        ),
        field(
            "reference",
            Presence::No,
            FieldRule::OrNull(&REFERENCE),
            "Number of the case or call, as in CALL-5521. With the purpose other it states the purpose.",
        ),
    ],
};

/// A request to reveal a user.
pub struct RevealUser {
    user: Uuid,
    body: RevealBody,
}

impl OperatorOperation for RevealUser {
    const OPERATION: &'static str = "POST /tenants/{tenant}/users/{user}/reveals";
    const PERMISSION: Option<Permission> = Some(Permission::PeopleReveal);
    type Answer = RecordedAction;
    const DOC: OperatorDoc = OperatorDoc {
        id: "reveal_user",
        summary: "Reveal a user",
        description: "Shows the user unmasked to this session for `operators.reveal_minutes`, wherever it looks at \
            them. Purpose and reference stay on record in the history of the user. Answers the record; `new.until` \
            says how long it lasts.",
        query: &[],
        request: Some(&REVEAL),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let body: RevealBody = received.body(&REVEAL)?;
        if body.purpose == Purpose::Other && body.reference.is_none() {
            return Err(Problem::invalid(
                "reference",
                "field 'reference' was not filled: it says what the purpose is",
            ));
        }
        Ok(Self { user: received.path_id("user", "user")?, body })
    }
}

/// Handles `POST /tenants/{tenant}/users/{user}/reveals`: reveals a user to the session for a while.
///
/// # Errors
///
/// Fails if the user does not exist, or too many are revealed to the session at the same time.
pub async fn reveal(State(app): State<App>, req: ByOperator<RevealUser>) -> OperatorResult<RecordedAction> {
    let (number, now, session) = (req.tenant(), req.now, req.session.id);
    let ByOperator { operator, operation: RevealUser { user, body }, .. } = req;
    let until = now + app.config.operators.reveal_time();
    let work = move |change: &mut UserChange<'_, '_>| {
        let tx = change.unit.tx;
        let mut revealed = reveals::of_session(tx, session, now)?;
        revealed.insert(user);
        if revealed.len() > MOST_AT_ONCE {
            return Err(Problem::State(
                "too many people are revealed to this session: wait until some are masked again",
            ));
        }
        reveals::save(tx, session, user, until)?;
        let new = json!({ "purpose": body.purpose, "until": until });
        Ok(ActionRecord {
            action: "reveal",
            subject: None,
            reason: body.reference.clone(),
            old: Value::Null,
            new,
        })
    };
    change(&app, operator, number, user, work).await
}
