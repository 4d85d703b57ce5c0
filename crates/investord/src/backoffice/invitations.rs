//! `POST /invitations`: the choice of a password by an invited operator.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;

use super::by_operator::{JsonAnswer, OperatorDoc, OperatorResult, client_address, read_body};
use super::password_hash::{check_new_password, hash_in_turn, hash_password};
use super::session::OperatorView;
use crate::access::connections::network;
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::register_event::{RegisterActor, RegisterEvent, RegisterEventType, RegisterSubject};
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::encryption::sha256;
use crate::store::log::register_events;
use crate::store::tenants::{invitations, operators};

/// The body of `POST /invitations`.
static ACCEPT: ObjectSchema = ObjectSchema {
    name: "AcceptInvitation",
    fields: &[
        field("invitation", Presence::Always, FieldRule::Text { min: 1, max: 100 }, "The invitation."),
        field(
            "password",
            Presence::Always,
            FieldRule::Text { min: 1, max: 1000 },
            "A password of at least 12 characters, which nobody else learns.",
        ),
    ],
};

/// The acceptance of an invitation, which is its body.
#[derive(Deserialize)]
pub struct AcceptInvitation {
    invitation: String,
    password: String,
}

/// Documentation of [`accept`].
pub const ACCEPT_DOC: OperatorDoc = OperatorDoc {
    id: "accept_invitation",
    summary: "Choose a password",
    description: "Sets the password of the operator who was invited. An invitation is used once.",
    query: &[],
    request: Some(&ACCEPT),
};

/// Parses the acceptance of an invitation.
///
/// # Errors
///
/// Fails if a member is missing, unknown or invalid.
pub fn read_acceptance(body: &[u8], now: Timestamp) -> Result<AcceptInvitation, Problem> {
    read_body(body, &ACCEPT, now)
}

/// Handles `POST /invitations`: sets the password of the operator who was invited.
///
/// # Errors
///
/// Fails with 401 if the invitation is unknown, used or expired, and with 400 if the password is too short.
pub async fn accept(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> OperatorResult<OperatorView> {
    let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
    let AcceptInvitation { invitation, password } = read_acceptance(&body, app.clock.now())?;
    let network = network(client_address(&app, peer, &headers));
    let too_many = |_| Problem::TooManyRequests { retry_after_seconds: 1, what: "passwords at once" };
    let _place = app.budgets.sign_ins.acquire(network, 1).map_err(too_many)?;
    let invalid = |error: anyhow::Error| Problem::invalid("password", error.to_string());
    check_new_password(&password).map_err(invalid)?;
    let hash = sha256(invitation.as_bytes());
    let now = app.clock.now();
    // Nothing is hashed for who has no invitation: 256 random bits are not guessed, so nothing is counted either.
    let known = app.store.read("invitations.find", move |tx| invitations::by_hash(tx, &hash, now)).await?;
    known.ok_or_else(no_invitation)?;
    let ids = Arc::clone(&app.ids);
    let hashed = hash_in_turn(&app, network, move || hash_password(&password, &*ids)).await?;
    let hashed = hashed.map_err(invalid)?;
    let ids = Arc::clone(&app.ids);
    let unit = move |tx: &Tx<'_>| {
        let operator = invitations::by_hash(tx, &hash, now)?.ok_or_else(no_invitation)?;
        invitations::delete(tx, operator.id)?;
        operators::set_password(tx, operator.id, Some(&hashed))?;
        let event = RegisterEvent::new(
            RegisterEventType::OperatorInvitationAccepted,
            RegisterActor::Invited { name: operator.name.clone() },
            RegisterSubject::Operator(operator.name.clone()),
        );
        register_events::record(tx, &*ids, now, &event)?;
        let operator = operators::by_name(tx, &operator.name)?.ok_or_else(no_invitation)?;
        Ok(JsonAnswer(OperatorView::from(&operator)))
    };
    app.store.write_serializable("invitations.accept", unit).await
}

fn no_invitation() -> Problem {
    Problem::unauthorised_public("the invitation is unknown, was used or has expired: ask for another one")
}
