//! `/me/password`: the change of one's own password.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;

use super::administration::{record_own, still_signed_in};
use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::lockout::AttemptCounters;
use super::password_hash::{check_new_password, hash_in_turn, hash_password, verify_password};
use super::session::OperatorView;
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::register_event::RegisterEventType;
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::tenants::operator_sessions::Session;
use crate::store::tenants::operators::Operator;
use crate::store::tenants::{operator_sessions, operators};

/// The body of `PUT /me/password`.
static CHANGE: ObjectSchema = ObjectSchema {
    name: "ChangePassword",
    fields: &[
        field(
            "old_password",
            Presence::Always,
            FieldRule::Text { min: 1, max: 1000 },
            "The password until now.",
        ),
        field(
            "new_password",
            Presence::Always,
            FieldRule::Text { min: 1, max: 1000 },
            "Another password of at least 12 characters.",
        ),
    ],
};

/// A request to change the caller's password, which is its body.
#[derive(Deserialize)]
pub struct ChangePassword {
    old_password: String,
    new_password: String,
}

impl OperatorOperation for ChangePassword {
    const OPERATION: &'static str = "PUT /me/password";
    const PERMISSION: Option<Permission> = None;
    type Answer = OperatorView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "change_password",
        summary: "Change my password",
        description: "Changes the caller's password and ends all other sessions. Access tokens stay. Wrong old \
                      passwords delay the next ones, as at a sign-in.",
        query: &[],
        request: Some(&CHANGE),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        received.body(&CHANGE)
    }
}

/// Handles `PUT /me/password`: changes the caller's password and ends all other sessions.
///
/// # Errors
///
/// Fails with 400 if the old password is wrong or the new one too short, and with 429 after too many attempts.
pub async fn change(State(app): State<App>, req: ByOperator<ChangePassword>) -> OperatorResult<OperatorView> {
    let ByOperator { operator, session, now, peer, operation, .. } = req;
    let ChangePassword { old_password, new_password } = operation;
    if old_password == new_password {
        return Err(Problem::invalid("new_password", "must be another one"));
    }
    let invalid = |error: anyhow::Error| Problem::invalid("new_password", error.to_string());
    check_new_password(&new_password).map_err(invalid)?;
    let counters = verify_old(&app, &operator, &session, peer, old_password).await?;
    let ids = Arc::clone(&app.ids);
    let hashed = hash_in_turn(&app, peer, move || hash_password(&new_password, &*ids)).await?;
    let hashed = hashed.map_err(invalid)?;
    let (changed, ids) = (operator.clone(), Arc::clone(&app.ids));
    let unit = move |tx: &Tx<'_>| {
        // While the body arrived and the password was hashed, the account may have been reset.
        let is_same = still_signed_in(tx, &changed, &session)?.password == changed.password;
        if !is_same {
            return Err(Problem::State("the password has been changed meanwhile"));
        }
        counters.succeed(tx)?;
        operators::set_password(tx, changed.id, Some(&hashed))?;
        operator_sessions::end_others(tx, changed.id, session.id)?;
        let kind = RegisterEventType::OperatorPasswordChanged;
        Ok::<_, Problem>(record_own(tx, &*ids, now, kind, (&changed, &session))?)
    };
    app.store.write_serializable("operators.set_password", unit).await?;
    Ok(JsonAnswer(OperatorView::from(&operator)))
}

/// Verifies the old password and returns what was counted of the attempt.
async fn verify_old(
    app: &App,
    operator: &Operator,
    session: &Session,
    peer: IpAddr,
    password: String,
) -> Result<AttemptCounters, Problem> {
    let kept = operator.password.clone();
    if kept.is_none() {
        return Err(Problem::State("this operator has access tokens and no password"));
    }
    let counters = AttemptCounters::of_session(session, &app.master_key);
    counters.count(app).await?;
    if verify_password(app, peer, password, kept).await? {
        return Ok(counters);
    }
    Err(Problem::invalid("old_password", "is not the password of this operator"))
}
