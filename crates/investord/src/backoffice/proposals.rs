//! `/proposals`: acts of administration that wait for a second person, and those to be reviewed after an emergency.

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::administration::{
    account, actor, check_second_person, circumstances, provisioner, record, still_signed_in,
};
use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::proposal_view::ProposalView;
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::register_event::{RegisterEvent, RegisterEventType, RegisterSubject};
use crate::problem::Problem;
use crate::provision::Provisioner;
use crate::store::Tx;
use crate::store::log::register_events;
use crate::store::tenants::operator_sessions::Session;
use crate::store::tenants::operators;
use crate::store::tenants::operators::Operator;
use crate::store::tenants::proposals;
use crate::store::tenants::proposals::{BreakGlassReview, Proposal, ProposalState};

/// Maximum number of proposals in a list.
const MAX_LISTED: usize = 1000;

/// A request for the proposals that wait.
pub struct ListProposals;

impl OperatorOperation for ListProposals {
    const OPERATION: &'static str = "GET /proposals";
    const PERMISSION: Option<Permission> = None;
    type Answer = List<ProposalView>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_proposals",
        summary: "List proposals",
        description: "Lists the acts of administration that one person did alone and that are to be reviewed, then \
                      those that wait for a second person, the oldest first: the caller's own, and those that the \
                      caller could ask for.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /proposals`: returns what waits for a second person or for a review.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn list(
    State(app): State<App>,
    req: ByOperator<ListProposals>,
) -> OperatorResult<List<ProposalView>> {
    let (provisioner, operator, now) = (provisioner(&app), req.operator, req.now);
    let read = move |tx: &Tx<'_>| {
        let mut data = Vec::new();
        for proposal in proposals::open(tx, now)? {
            let is_own = proposal.proposed_by == operator.id;
            if is_own || provisioner.is_reached(tx, &proposal.content.act, &operator.grants)? {
                let asked = asked(tx, &provisioner, &proposal, now)?;
                data.push(ProposalView::of(&proposal, asked, now));
            }
            if data.len() == MAX_LISTED {
                break;
            }
        }
        Ok::<_, Problem>(List { data })
    };
    Ok(JsonAnswer(app.store.read("proposals.list", read).await?))
}

/// Returns the names of those who could confirm a proposal.
fn asked(
    tx: &Tx<'_>,
    provisioner: &Provisioner,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<Vec<String>, Problem> {
    let first = operators::by_name(tx, &proposal.content.proposed_by)?;
    let Some(first) = first.as_ref().map(account) else { return Ok(Vec::new()) };
    let seconds = provisioner.seconds(tx, &proposal.content.act, proposal.proposed_by)?;
    let allowed = seconds.iter().filter(|one| first.confirmed_by(account(one), now).is_ok());
    Ok(allowed.map(|one| one.name.clone()).collect())
}

/// Finds a proposal that the operator has made or reaches. Others do not exist for the operator.
fn visible(
    tx: &Tx<'_>,
    provisioner: &Provisioner,
    operator: &Operator,
    id: Uuid,
) -> Result<Proposal, Problem> {
    let found = proposals::by_id(tx, id)?.ok_or(Problem::NotFound("proposal"))?;
    let is_own = found.proposed_by == operator.id;
    if is_own || provisioner.is_reached(tx, &found.content.act, &operator.grants)? {
        return Ok(found);
    }
    Err(Problem::NotFound("proposal"))
}

/// Finds a proposal that the operator has made or reaches, and that waits.
fn waiting(
    tx: &Tx<'_>,
    provisioner: &Provisioner,
    operator: &Operator,
    id: Uuid,
    now: Timestamp,
) -> Result<Proposal, Problem> {
    let found = visible(tx, provisioner, operator, id)?;
    if found.waits(now) { Ok(found) } else { Err(Problem::State("the proposal waits no more")) }
}

/// Checks that an operator may be the second person of a proposal, or review it. Returns who asked for it.
fn check_second(
    tx: &Tx<'_>,
    operator: &Operator,
    session: &Session,
    proposal: &Proposal,
    now: Timestamp,
) -> Result<Operator, Problem> {
    check_not_about(operator, proposal)?;
    let first = operators::by_name(tx, &proposal.content.proposed_by)?;
    let first = first.ok_or(Problem::State("whoever asked for it is gone"))?;
    check_second_person(&first, operator, session, now)?;
    if session.id == proposal.session {
        return Err(Problem::Closed("whoever asks for something does not confirm it"));
    }
    Ok(first)
}

/// Checks that a proposal is not about the operator themselves.
fn check_not_about(operator: &Operator, proposal: &Proposal) -> Result<(), Problem> {
    if proposal.content.act.subject_operator() == Some(&operator.name) {
        return Err(Problem::Closed("nobody decides about their own account"));
    }
    Ok(())
}

/// A request to confirm a proposal.
pub struct ConfirmProposal {
    proposal: Uuid,
}

impl OperatorOperation for ConfirmProposal {
    const OPERATION: &'static str = "POST /proposals/{proposal}/confirmation";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = ProposalView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "confirm_proposal",
        summary: "Confirm a proposal",
        description: "Does what another operator has asked for. Takes the permission for the act, and a person who has \
                      signed in: not who asked for it, nor whom it is about. For 24 hours after its invitation an \
                      account confirms nothing, and those who made it confirm nothing that it asks for. The answer \
                      has what is shown once, for example an invitation.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { proposal: received.path_id("proposal", "proposal")? })
    }
}

/// Handles `POST /proposals/{proposal}/confirmation`: does what another operator has asked for.
///
/// # Errors
///
/// Fails if the caller may not be the second person, or what the proposal is about has changed since.
pub async fn confirm(
    State(app): State<App>,
    req: ByOperator<ConfirmProposal>,
) -> OperatorResult<ProposalView> {
    let ByOperator { operator, session, now, operation: ConfirmProposal { proposal: id }, .. } = req;
    let provisioner = provisioner(&app);
    let unit = move |tx: &Tx<'_>| {
        let operator = still_signed_in(tx, &operator, &session)?;
        let mut proposal = waiting(tx, &provisioner, &operator, id, now)?;
        let first = check_second(tx, &operator, &session, &proposal, now)?;
        if first.disabled_at.is_some() {
            return Err(Problem::State("whoever asked for it is disabled"));
        }
        let act = proposal.content.act.clone();
        // The operator who asked for it may have lost the permission since.
        let is_same = provisioner.is_reached(tx, &act, &first.grants)?
            && provisioner.state(tx, &act)? == proposal.content.old;
        proposal.content.decided_by = Some(operator.name.clone());
        proposal.content.decided_at = Some(now);
        if !is_same {
            proposal.state = ProposalState::Withdrawn;
            proposals::save(tx, &proposal)?;
            let voided = RegisterEventType::Withdrawn;
            record(tx, &provisioner, actor(&operator, &session), &proposal, voided)?;
            return Ok(None);
        }
        proposal.state = ProposalState::Done;
        proposals::save(tx, &proposal)?;
        let first_session = Session { id: proposal.session, ..session.clone() };
        let by = circumstances(&first, &first_session, &proposal, Some((&operator, &session)));
        let performed = provisioner.perform(tx, &act, &by)?;
        let view = ProposalView::of(&proposal, Vec::new(), now);
        Ok(Some(view.with_shown_once(performed.shown_once)))
    };
    let confirmed = app.store.write_serializable("proposals.confirm", unit).await?;
    let voided = Problem::State("what it is about has changed since it was asked for: ask again");
    confirmed.map(JsonAnswer).ok_or(voided)
}

/// A request to withdraw a proposal.
pub struct WithdrawProposal {
    proposal: Uuid,
}

impl OperatorOperation for WithdrawProposal {
    const OPERATION: &'static str = "DELETE /proposals/{proposal}";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = ProposalView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "withdraw_proposal",
        summary: "Withdraw a proposal",
        description: "Ends a proposal: by who made it, or by who could confirm it.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { proposal: received.path_id("proposal", "proposal")? })
    }
}

/// Handles `DELETE /proposals/{proposal}`: ends a proposal.
///
/// # Errors
///
/// Fails if the caller does not see the proposal, or it waits no more.
pub async fn withdraw(
    State(app): State<App>,
    req: ByOperator<WithdrawProposal>,
) -> OperatorResult<ProposalView> {
    let ByOperator { operator, session, now, operation: WithdrawProposal { proposal: id }, .. } = req;
    let provisioner = provisioner(&app);
    let unit = move |tx: &Tx<'_>| {
        let operator = still_signed_in(tx, &operator, &session)?;
        let mut proposal = waiting(tx, &provisioner, &operator, id, now)?;
        check_not_about(&operator, &proposal)?;
        proposal.state = ProposalState::Withdrawn;
        proposal.content.decided_by = Some(operator.name.clone());
        proposal.content.decided_at = Some(now);
        proposals::save(tx, &proposal)?;
        record(tx, &provisioner, actor(&operator, &session), &proposal, RegisterEventType::Withdrawn)?;
        Ok(JsonAnswer(ProposalView::of(&proposal, Vec::new(), now)))
    };
    app.store.write_serializable("proposals.withdraw", unit).await
}

/// The body of a review.
static REVIEW: ObjectSchema = ObjectSchema {
    name: "ReviewBreakGlass",
    fields: &[field(
        "finding",
        Presence::Always,
        FieldRule::Text { min: 1, max: 500 },
        "What the review has found, for the record.",
    )],
};

/// A request to review what one person did alone.
pub struct ReviewBreakGlass {
    proposal: Uuid,
    finding: String,
}

#[derive(Deserialize)]
struct ReviewBody {
    finding: String,
}

impl OperatorOperation for ReviewBreakGlass {
    const OPERATION: &'static str = "POST /proposals/{proposal}/review";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = ProposalView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "review_break_glass",
        summary: "Review what was done in an emergency",
        description: "Ends the review of an act that one person did alone. The same persons may review it who could \
                      have confirmed it.",
        query: &[],
        request: Some(&REVIEW),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let ReviewBody { finding } = received.body(&REVIEW)?;
        Ok(Self { proposal: received.path_id("proposal", "proposal")?, finding })
    }
}

/// Handles `POST /proposals/{proposal}/review`: ends the review of what one person did alone.
///
/// # Errors
///
/// Fails if the caller could not have confirmed it, or it is not to be reviewed.
pub async fn review(
    State(app): State<App>,
    req: ByOperator<ReviewBreakGlass>,
) -> OperatorResult<ProposalView> {
    let ByOperator { operator, session, now, operation, .. } = req;
    let ReviewBreakGlass { proposal: id, finding } = operation;
    let provisioner = provisioner(&app);
    let unit = move |tx: &Tx<'_>| {
        let operator = still_signed_in(tx, &operator, &session)?;
        let mut proposal = visible(tx, &provisioner, &operator, id)?;
        if !proposal.to_review {
            return Err(Problem::State("there is nothing to review"));
        }
        check_second(tx, &operator, &session, &proposal, now)?;
        let (reviewed_by, finding) = (operator.name.clone(), finding.clone());
        let event = RegisterEvent::new(
            RegisterEventType::BreakGlassReviewed,
            actor(&operator, &session),
            RegisterSubject::Proposal(id),
        );
        let event = event.because(&finding).with_new(json!(proposal.content.act));
        register_events::record(tx, &*provisioner.ids, now, &event)?;
        proposal.content.review = Some(BreakGlassReview { reviewed_by, reviewed_at: now, finding });
        proposal.to_review = false;
        proposals::save(tx, &proposal)?;
        Ok(JsonAnswer(ProposalView::of(&proposal, Vec::new(), now)))
    };
    app.store.write_serializable("proposals.review", unit).await
}
