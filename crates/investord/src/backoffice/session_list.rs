//! `/me/sessions` and `/operators/{name}/sessions`: lists sessions and access tokens, and ends them.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::administration::{actor, record_own};
use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::operators::visible_operator;
use super::session::EndedSession;
use crate::app::App;
use crate::domain::permissions::Permission;
use crate::domain::register_event::{RegisterEvent, RegisterEventType, RegisterSubject};
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::engine::unit::Owner;
use crate::store::log::register_events;
use crate::store::tenants::operator_sessions;
use crate::store::tenants::operator_sessions::{Factor, Session, SessionKind};

/// A session or access token, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SessionEntry")]
pub struct SessionEntry {
    id: Uuid,
    /// `session` after a sign-in, `token` for scripts.
    kind: SessionKind,
    /// Whether it is that of this request.
    is_current: bool,
    created_at: Timestamp,
    /// The last use, to the minute.
    last_used_at: Timestamp,
    /// Null for one that does not expire.
    expires_at: Option<Timestamp>,
    /// Address of the last use.
    address: Option<String>,
    /// What the program that signed in calls itself (`user-agent`).
    agent: Option<String>,
    /// What a token may do of what its operator may; null for all of it.
    permissions: Option<Vec<Permission>>,
    /// What has proved the person; empty for an access token.
    factors: Vec<Factor>,
    /// The last proof (`POST /me/proof`).
    proved_at: Option<Timestamp>,
}

/// Returns the sessions of an operator as a response to the request of `current`.
fn entries(sessions: Vec<Session>, current: Uuid) -> JsonAnswer<List<SessionEntry>> {
    let entry = |session: Session| {
        let Session { id, kind, created_at, used_at, expires, address, agent, .. } = session;
        let (factors, proved_at, permissions) = (session.factors, session.proved_at, session.permissions);
        let is_current = id == current;
        SessionEntry {
            id,
            kind,
            is_current,
            created_at,
            last_used_at: used_at,
            expires_at: expires,
            address,
            agent,
            permissions: permissions.map(|all| all.iter().collect()),
            factors,
            proved_at,
        }
    };
    JsonAnswer(List { data: sessions.into_iter().map(entry).collect() })
}

/// A request for the caller's own sessions.
pub struct ListOwnSessions;

impl OperatorOperation for ListOwnSessions {
    const OPERATION: &'static str = "GET /me/sessions";
    const PERMISSION: Option<Permission> = None;
    type Answer = List<SessionEntry>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_own_sessions",
        summary: "List my sessions",
        description: "Lists the caller's sessions and access tokens, the oldest first.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /me/sessions`: returns the caller's sessions and access tokens.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn list_own(
    State(app): State<App>,
    req: ByOperator<ListOwnSessions>,
) -> OperatorResult<List<SessionEntry>> {
    let own = req.operator.id;
    let sessions = app.store.read("sessions.list", move |tx| operator_sessions::of_operator(tx, own)).await?;
    Ok(entries(sessions, req.session.id))
}

/// A request to end one of the caller's sessions.
pub struct EndOwnSession {
    session: Uuid,
}

impl OperatorOperation for EndOwnSession {
    const OPERATION: &'static str = "DELETE /me/sessions/{session}";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = EndedSession;
    const DOC: OperatorDoc = OperatorDoc {
        id: "end_own_session",
        summary: "End one of my sessions",
        description: "Ends a session or access token of the caller at once.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { session: received.path_id("session", "session")? })
    }
}

/// Handles `DELETE /me/sessions/{session}`: ends a session or access token of the caller.
///
/// # Errors
///
/// Fails if the caller has no such session.
pub async fn end_own(State(app): State<App>, req: ByOperator<EndOwnSession>) -> OperatorResult<EndedSession> {
    let ByOperator { operator, session, now, operation: EndOwnSession { session: id }, .. } = req;
    let ids = Arc::clone(&app.ids);
    let unit = move |tx: &Tx<'_>| {
        let ended = operator_sessions::end(tx, operator.id, id)?;
        if ended {
            let kind = RegisterEventType::OperatorSessionsEnded;
            record_own(tx, &*ids, now, kind, (&operator, &session))?;
        }
        Ok::<_, Problem>(ended)
    };
    if !app.store.write("sessions.end", Owner::REGISTER, unit).await? {
        return Err(Problem::NotFound("session"));
    }
    Ok(JsonAnswer(EndedSession { ended: true }))
}

/// The number of sessions that were ended.
#[derive(Serialize, JsonSchema)]
pub struct EndedSessions {
    ended: usize,
}

/// A request to end all sessions of the caller but that of the request.
pub struct EndOtherSessions;

impl OperatorOperation for EndOtherSessions {
    const OPERATION: &'static str = "DELETE /me/sessions";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = EndedSessions;
    const DOC: OperatorDoc = OperatorDoc {
        id: "end_other_sessions",
        summary: "End my other sessions",
        description: "Ends all sessions of the caller but that of the request. Access tokens stay.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `DELETE /me/sessions`: ends all sessions of the caller but that of the request.
///
/// # Errors
///
/// Fails if the store cannot be written.
pub async fn end_others(
    State(app): State<App>,
    req: ByOperator<EndOtherSessions>,
) -> OperatorResult<EndedSessions> {
    let ByOperator { operator, session, now, .. } = req;
    let ids = Arc::clone(&app.ids);
    let unit = move |tx: &Tx<'_>| {
        let ended = operator_sessions::end_others(tx, operator.id, session.id)?;
        record_own(tx, &*ids, now, RegisterEventType::OperatorSessionsEnded, (&operator, &session))?;
        Ok::<_, Problem>(ended)
    };
    let ended = app.store.write("sessions.end_others", Owner::REGISTER, unit).await?;
    Ok(JsonAnswer(EndedSessions { ended }))
}

/// A request for the sessions of an operator.
pub struct ListOperatorSessions {
    name: String,
}

impl OperatorOperation for ListOperatorSessions {
    const OPERATION: &'static str = "GET /operators/{name}/sessions";
    const PERMISSION: Option<Permission> = Some(Permission::OperatorsRead);
    type Answer = List<SessionEntry>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_operator_sessions",
        summary: "List an operator's sessions",
        description: "Lists the sessions and access tokens of an operator, the oldest first.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { name: received.path_name("name", "operator")? })
    }
}

/// Handles `GET /operators/{name}/sessions`: returns the sessions and access tokens of an operator.
///
/// # Errors
///
/// Fails if the caller does not see that operator.
pub async fn list_of_operator(
    State(app): State<App>,
    req: ByOperator<ListOperatorSessions>,
) -> OperatorResult<List<SessionEntry>> {
    let ByOperator { operator: by, session, operation: ListOperatorSessions { name }, .. } = req;
    let read = move |tx: &Tx<'_>| {
        let found = visible_operator(tx, &by, Permission::OperatorsRead, &name)?;
        Ok::<_, Problem>(operator_sessions::of_operator(tx, found.id)?)
    };
    Ok(entries(app.store.read("sessions.list", read).await?, session.id))
}

/// A request to end the sessions of an operator.
pub struct EndOperatorSessions {
    name: String,
}

impl OperatorOperation for EndOperatorSessions {
    const OPERATION: &'static str = "DELETE /operators/{name}/sessions";
    const PERMISSION: Option<Permission> = Some(Permission::OperatorsManage);
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = EndedSessions;
    const DOC: OperatorDoc = OperatorDoc {
        id: "end_operator_sessions",
        summary: "End an operator's sessions",
        description: "Ends all sessions and access tokens of an operator at once, for example after a device was lost.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { name: received.path_name("name", "operator")? })
    }
}

/// Handles `DELETE /operators/{name}/sessions`: ends all sessions and access tokens of an operator.
///
/// # Errors
///
/// Fails if the caller does not see that operator.
pub async fn end_of_operator(
    State(app): State<App>,
    req: ByOperator<EndOperatorSessions>,
) -> OperatorResult<EndedSessions> {
    let ByOperator { operator: by, session, now, operation: EndOperatorSessions { name }, .. } = req;
    let ids = Arc::clone(&app.ids);
    let unit = move |tx: &Tx<'_>| {
        let found = visible_operator(tx, &by, Permission::OperatorsManage, &name)?;
        let ended = operator_sessions::end_all(tx, found.id)?;
        let subject = RegisterSubject::Operator(found.name);
        let event =
            RegisterEvent::new(RegisterEventType::OperatorSessionsEnded, actor(&by, &session), subject);
        register_events::record(tx, &*ids, now, &event.with_new(json!({ "ended": ended })))?;
        Ok::<_, Problem>(ended)
    };
    let ended = app.store.write("sessions.end_all", Owner::REGISTER, unit).await?;
    Ok(JsonAnswer(EndedSessions { ended }))
}
