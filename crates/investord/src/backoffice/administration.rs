//! The frame of an act of administration: one person asks, a second one confirms.
//!
//! An act waits as a proposal as soon as somebody else administers anything of what it touches (decision S4). In an
//! emergency one person does it alone, which raises an alarm and has to be reviewed afterwards.

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::change::REASON;
use super::proposal_view::ProposalView;
use crate::app::App;
use crate::clock::Ids;
use crate::domain::administration::{Act, OperatorAccount};
use crate::domain::json::schema::{Field, FieldRule, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::register_event::{RegisterActor, RegisterEvent, RegisterEventType, RegisterSubject};
use crate::problem::Problem;
use crate::provision::administration::Circumstances;
use crate::provision::{ProvisionError, Provisioner};
use crate::store::log::register_events;
use crate::store::tenants::operator_sessions::{Session, SessionKind};
use crate::store::tenants::operators::Operator;
use crate::store::tenants::proposals;
use crate::store::tenants::proposals::{Proposal, ProposalContent, ProposalState};
use crate::store::tenants::{operator_sessions, operators};
use crate::store::{StoreError, Tx};

/// Maximum number of waiting proposals of one operator: nobody finds the dangerous ones in a list that is too long.
const MAX_WAITING: i64 = 50;
/// How long a proposal waits for a second person.
const PROPOSAL_LIFETIME: SignedDuration = SignedDuration::from_hours(72);

/// The member `reason` of every act of administration.
pub const WHY: Field = field("reason", Presence::Always, REASON, "Why, for the record.");
/// The member `break_glass` of every act of administration.
pub const BREAK_GLASS: Field = field(
    "break_glass",
    Presence::No,
    FieldRule::Bool,
    "True to do it alone in an emergency: an alarm is raised, and somebody else has to review it afterwards.",
);

/// An operation that is an act of administration.
pub trait AdministrativeOperation: Sized + Send + 'static {
    /// Method and path template, separated by a space.
    const OPERATION: &'static str;
    /// What who asks and who confirms must be allowed to do.
    const PERMISSION: Permission;
    /// Documentation for the OpenAPI document. The table of the body has [`WHY`] and [`BREAK_GLASS`].
    const DOC: OperatorDoc;
    /// The body, without these two members.
    type Body: DeserializeOwned;

    /// Returns the act that is asked for.
    ///
    /// # Errors
    ///
    /// Fails if the path or the body is invalid.
    fn act(received: &ReceivedByOperator<'_>, body: Self::Body) -> Result<Act, Problem>;
}

/// A request for an act of administration.
pub struct Administer<O> {
    act: Act,
    reason: String,
    break_glass: bool,
    operation: std::marker::PhantomData<fn() -> O>,
}

impl<O: AdministrativeOperation> OperatorOperation for Administer<O> {
    const OPERATION: &'static str = O::OPERATION;
    const PERMISSION: Option<Permission> = Some(O::PERMISSION);
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = ProposalView;
    const DOC: OperatorDoc = O::DOC;

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let table = O::DOC.request.expect("an act of administration has a body");
        let members: Map<String, Value> = received.body(table)?;
        let reason = members["reason"].as_str().unwrap_or_default().to_owned();
        let break_glass = members.get("break_glass").and_then(Value::as_bool).unwrap_or_default();
        let body = serde_json::from_value(members.into());
        let body = body.map_err(|error| Problem::invalid("(root)", error.to_string()))?;
        let act = O::act(received, body)?;
        Ok(Self { act, reason, break_glass, operation: std::marker::PhantomData })
    }
}

impl From<ProvisionError> for Problem {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::Field(field, message) => Problem::invalid(field, message),
            ProvisionError::Store(error) => error.into(),
            refused @ (ProvisionError::Invalid(_) | ProvisionError::Rehearsed) => {
                Problem::Decided(refused.to_string())
            }
        }
    }
}

/// Returns the parts that acts of administration need.
pub fn provisioner(app: &App) -> Provisioner {
    let (store, master_key) = (app.store.clone(), app.master_key.clone());
    Provisioner { store, master_key, clock: app.clock.clone(), ids: app.ids.clone() }
}

/// Returns an operator as the actor of an event of the register.
pub fn actor(operator: &Operator, session: &Session) -> RegisterActor {
    RegisterActor::Operator { name: operator.name.clone(), session: session.id }
}

/// Returns an operator as the rule of two persons sees them.
pub fn account(operator: &Operator) -> OperatorAccount {
    let invited = operator.invited.map(|invited| (invited.at, [Some(invited.by), invited.confirmed_by]));
    OperatorAccount { id: operator.id, invited }
}

/// Returns the operator as they are now, under the lock of the unit: while the body of a request arrived they may have
/// been disabled, lost a role, or been signed out.
pub fn still_signed_in(tx: &Tx<'_>, operator: &Operator, session: &Session) -> Result<Operator, Problem> {
    let ended = || Problem::unauthorised_public("the session has ended: POST /sessions gives another one");
    let found = operators::by_name(tx, &operator.name)?.filter(|one| one.disabled_at.is_none());
    let mut found = found.ok_or_else(ended)?;
    let sessions = operator_sessions::of_operator(tx, found.id)?;
    sessions.iter().find(|one| one.id == session.id).ok_or_else(ended)?;
    if let Some(own) = &session.permissions {
        found.grants = found.grants.limited_to(own);
    }
    Ok(found)
}

/// Returns what is missing if an act does not reach what it names: the answer is that of what does not exist.
fn unreached(act: &Act) -> Problem {
    Problem::NotFound(match act {
        Act::CreateOperator { .. } => "tenant",
        Act::SetGrants { .. } => "operator or tenant",
        Act::DisableOperator { .. }
        | Act::EnableOperator { .. }
        | Act::ResetOperator { .. }
        | Act::ResetSecondFactor { .. } => "operator",
        Act::ChangeTenantSettings { .. }
        | Act::SuspendTenant { .. }
        | Act::ResumeTenant { .. }
        | Act::CreateClient { .. } => "tenant",
        Act::SetClientScopes { .. }
        | Act::DisableClient { .. }
        | Act::EnableClient { .. }
        | Act::RotateClientSecret { .. }
        | Act::AddClientKey { .. } => "client",
        Act::RevokeClientKey { .. } => "key",
        // The register itself takes the permission for all tenants.
        Act::SetRole { .. } | Act::SetFourEyes { .. } | Act::CreateTenant { .. } => {
            return Problem::NoPermission(act.permission());
        }
    })
}

/// Handles every act of administration: performs it, or keeps it as a proposal until a second person confirms it.
///
/// # Errors
///
/// Fails if the act is invalid, or is about something that the caller does not reach.
pub async fn administer<O: AdministrativeOperation>(
    State(app): State<App>,
    req: ByOperator<Administer<O>>,
) -> OperatorResult<ProposalView> {
    let ByOperator { operator, session, now, operation: Administer { act, reason, break_glass, .. }, .. } =
        req;
    if act.subject_operator() == Some(&operator.name) {
        return Err(Problem::State("nobody changes their own account"));
    }
    let provisioner = provisioner(&app);
    let id = app.ids.uuid();
    let mut proposal = new_proposal(id, (&operator, &session), act, &reason, now);
    proposal.content.break_glass = break_glass;
    rehearse(&provisioner, &operator, &session, &proposal).await?;
    let unit = move |tx: &Tx<'_>| request(tx, &provisioner, &operator, &session, proposal.clone());
    let answer = app.store.write_serializable("proposals.request", unit).await?;
    if answer.break_glass {
        metrics::counter!("investord_break_glass_total").increment(1);
        let (act, by) = (answer.act, &answer.proposed_by);
        tracing::error!(act, by, "one person did an act of administration alone, in an emergency");
        if let Some(alarm) = &app.alarm {
            let kind = RegisterEventType::BreakGlass.into_str();
            alarm.raise(&json!({ "type": kind, "proposal": answer.id, "act": act, "by": by, "at": now }));
        }
    }
    Ok(JsonAnswer(answer))
}

/// Returns a proposal that waits.
fn new_proposal(
    id: Uuid,
    (operator, session): (&Operator, &Session),
    act: Act,
    reason: &str,
    now: Timestamp,
) -> Proposal {
    let content = ProposalContent {
        act,
        old: Value::Null,
        reason: reason.to_owned(),
        proposed_by: operator.name.clone(),
        decided_by: None,
        decided_at: None,
        break_glass: false,
        review: None,
    };
    Proposal {
        id,
        created_at: now,
        expires: now + PROPOSAL_LIFETIME,
        state: ProposalState::Waiting,
        proposed_by: operator.id,
        session: session.id,
        content,
        to_review: false,
    }
}

/// Asks for an act that follows from another one, in its commit.
pub fn request_act(
    tx: &Tx<'_>,
    provisioner: &Provisioner,
    by: (&Operator, &Session),
    act: Act,
    reason: &str,
    now: Timestamp,
) -> Result<ProposalView, Problem> {
    let proposal = new_proposal(provisioner.ids.uuid(), by, act, reason, now);
    request(tx, provisioner, by.0, by.1, proposal)
}

/// Performs an act in a transaction that is rolled back, so that what waits for a second person is known to be
/// possible.
async fn rehearse(
    provisioner: &Provisioner,
    operator: &Operator,
    session: &Session,
    proposal: &Proposal,
) -> Result<(), Problem> {
    let (own, act) = (provisioner.clone(), proposal.content.act.clone());
    let (grants, by) = (operator.grants.clone(), circumstances(operator, session, proposal, None));
    let rehearsal = move |tx: &Tx<'_>| {
        if !own.is_reached(tx, &act, &grants)? {
            return Ok(false);
        }
        own.perform(tx, &act, &by)?;
        // The error makes the store roll the transaction back.
        Err(ProvisionError::Rehearsed)
    };
    match provisioner.store.write_serializable("proposals.rehearse", rehearsal).await {
        Err(ProvisionError::Rehearsed) => Ok(()),
        Ok(_) => Err(unreached(&proposal.content.act)),
        Err(error) => Err(error.into()),
    }
}

/// Checks that an operator may confirm what another one has asked for: another person, as far as the register can know,
/// who has signed in (decision S4).
///
/// # Errors
///
/// Fails with the reason if not.
pub fn check_second_person(
    first: &Operator,
    second: &Operator,
    session: &Session,
    now: Timestamp,
) -> Result<(), Problem> {
    account(first).confirmed_by(account(second), now).map_err(Problem::Closed)?;
    if session.kind != SessionKind::Session {
        return Err(Problem::Closed("a person confirms who has signed in; an access token does not suffice"));
    }
    Ok(())
}

/// Returns what is on record beside an act.
pub fn circumstances(
    operator: &Operator,
    session: &Session,
    proposal: &Proposal,
    second: Option<(&Operator, &Session)>,
) -> Circumstances {
    let is_kept = second.is_some() || proposal.content.break_glass;
    Circumstances {
        actor: actor(operator, session),
        actor_id: Some(operator.id),
        confirmed_by: second.map(|(operator, session)| actor(operator, session)),
        confirmed_by_id: second.map(|(operator, _)| operator.id),
        proposal: is_kept.then_some(proposal.id),
        reason: Some(proposal.content.reason.clone()),
    }
}

/// Performs an act that takes one person, or inserts the proposal.
fn request(
    tx: &Tx<'_>,
    provisioner: &Provisioner,
    operator: &Operator,
    session: &Session,
    mut proposal: Proposal,
) -> Result<ProposalView, Problem> {
    let operator = &still_signed_in(tx, operator, session)?;
    let act = proposal.content.act.clone();
    if !provisioner.is_reached(tx, &act, &operator.grants)? {
        return Err(unreached(&act));
    }
    let now = proposal.created_at;
    proposal.content.old = provisioner.state(tx, &act)?;
    let seconds = provisioner.seconds(tx, &act, operator.id)?;
    let takes_two = provisioner.takes_two(tx, &act, operator.id)?;
    if takes_two && !proposal.content.break_glass {
        if proposals::count_waiting(tx, operator.id, now)? >= MAX_WAITING {
            return Err(Problem::State("50 proposals of this operator wait already: withdraw some"));
        }
        record(tx, provisioner, actor(operator, session), &proposal, RegisterEventType::Proposed)?;
        proposals::insert(tx, &proposal)?;
        let allowed = |one: &&Operator| account(operator).confirmed_by(account(one), now).is_ok();
        let asked = seconds.iter().filter(allowed).map(|one| one.name.clone()).collect();
        return Ok(ProposalView::of(&proposal, asked, now));
    }
    // Where one person suffices there is no emergency.
    proposal.content.break_glass &= takes_two;
    proposal.state = ProposalState::Done;
    if proposal.content.break_glass {
        record(tx, provisioner, actor(operator, session), &proposal, RegisterEventType::BreakGlass)?;
        proposal.to_review = true;
        proposals::insert(tx, &proposal)?;
    }
    let performed = provisioner.perform(tx, &act, &circumstances(operator, session, &proposal, None))?;
    let id = proposal.content.break_glass.then_some(proposal.id);
    let view = ProposalView::of(&proposal, Vec::new(), now);
    Ok(view.done_at_once(id, performed.shown_once))
}

/// Records what an operator has done to their own account.
pub fn record_own(
    tx: &Tx<'_>,
    ids: &dyn Ids,
    now: Timestamp,
    kind: RegisterEventType,
    (operator, session): (&Operator, &Session),
) -> Result<(), StoreError> {
    let subject = RegisterSubject::Operator(operator.name.clone());
    register_events::record(tx, ids, now, &RegisterEvent::new(kind, actor(operator, session), subject))
}

/// Records what happens to a proposal beside the act itself.
pub fn record(
    tx: &Tx<'_>,
    provisioner: &Provisioner,
    actor: RegisterActor,
    proposal: &Proposal,
    kind: RegisterEventType,
) -> Result<(), Problem> {
    let event = RegisterEvent::new(kind, actor, RegisterSubject::Proposal(proposal.id))
        .because(&proposal.content.reason)
        .with_change(proposal.content.old.clone(), json!(proposal.content.act));
    Ok(register_events::record(tx, &*provisioner.ids, provisioner.clock.now(), &event)?)
}
