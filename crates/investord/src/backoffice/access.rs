//! `/access`: who may what, since when, given by whom and last used, and its review.

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use strum::{IntoStaticStr, VariantNames};

use super::administration::{actor, provisioner, request_act, still_signed_in};
use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::change::REASON;
use super::operators::visible_operator;
use super::proposal_view::ProposalView;
use crate::app::App;
use crate::domain::administration::Act;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::register_event::{RegisterEvent, RegisterEventType, RegisterSubject};
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::log::register_events;
use crate::store::tenants::operator_sessions::SessionKind;
use crate::store::tenants::operators::{GivenGrant, Operator};
use crate::store::tenants::{operator_sessions, operators, passkeys, second_factors};

/// What an operator may do.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Access")]
pub struct AccessEntry {
    name: String,
    created_at: Timestamp,
    disabled_at: Option<Timestamp>,
    /// The last use of a session or token, to the minute; null for an account that nobody has used.
    last_used_at: Option<Timestamp>,
    has_password: bool,
    /// Whether the identity provider signs them in and gives them their roles.
    has_provider_account: bool,
    /// Since when there is a second factor; null if there is none.
    second_factor_since: Option<Timestamp>,
    grants: Vec<GrantEntry>,
    /// Number of access tokens for scripts.
    tokens: usize,
    reviewed_at: Option<Timestamp>,
    /// When it has to be reviewed; null for an operator who is disabled.
    review_due_at: Option<Timestamp>,
    is_review_due: bool,
}

/// A role, and how it was given.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
struct GrantEntry {
    role: String,
    /// Null for all tenants.
    tenant: Option<String>,
    granted_at: Timestamp,
    /// The operator who asked for it; null for a command on the machine, and for a claim of the identity provider.
    granted_by: Option<String>,
}

impl From<GivenGrant> for GrantEntry {
    fn from(given: GivenGrant) -> Self {
        let GivenGrant { role, tenant, granted_at, granted_by } = given;
        Self { role, tenant, granted_at, granted_by }
    }
}

/// A request for what everybody may do.
pub struct ListAccess;

impl OperatorOperation for ListAccess {
    const OPERATION: &'static str = "GET /access";
    const PERMISSION: Option<Permission> = Some(Permission::OperatorsRead);
    type Answer = List<AccessEntry>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_access",
        summary: "List who may what",
        description: "Lists the operators whose tenants the caller reaches, with what they may do, since when, given \
                      by whom, when they were last here, and when that has to be reviewed.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /access`: returns who may what.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn list(State(app): State<App>, req: ByOperator<ListAccess>) -> OperatorResult<List<AccessEntry>> {
    let (now, interval) = (req.now, app.config.operators.access_review_time());
    let reach = req.operator.grants.reach(Permission::OperatorsRead);
    let read = move |tx: &Tx<'_>| {
        let mut data = Vec::new();
        for one in operators::all(tx)?.into_iter().filter(|one| reach.covers(&one.grants.visible())) {
            data.push(entry(tx, one, now, interval)?);
        }
        Ok::<_, Problem>(List { data })
    };
    Ok(JsonAnswer(app.store.read("access.list", read).await?))
}

fn entry(
    tx: &Tx<'_>,
    operator: Operator,
    now: Timestamp,
    interval: SignedDuration,
) -> Result<AccessEntry, Problem> {
    let sessions = operator_sessions::of_operator(tx, operator.id)?;
    let totp = second_factors::by_operator(tx, operator.id)?.and_then(|factor| factor.confirmed_at);
    let passkeys = passkeys::of_operator(tx, operator.id)?;
    let due = operator.reviewed_at.unwrap_or(operator.created_at) + interval;
    let review_due_at = operator.disabled_at.is_none().then_some(due);
    Ok(AccessEntry {
        grants: operators::given_to(tx, operator.id)?.into_iter().map(GrantEntry::from).collect(),
        name: operator.name,
        created_at: operator.created_at,
        disabled_at: operator.disabled_at,
        last_used_at: operator.used_at,
        has_password: operator.password.is_some(),
        has_provider_account: operator.provider_subject.is_some(),
        second_factor_since: passkeys.iter().map(|passkey| passkey.created_at).chain(totp).min(),
        tokens: sessions.iter().filter(|one| one.kind == SessionKind::Token).count(),
        reviewed_at: operator.reviewed_at,
        review_due_at,
        is_review_due: review_due_at.is_some_and(|due| due <= now),
    })
}

/// The outcome of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum AccessDecision {
    /// The operator still needs what they may do.
    Keep,
    /// The operator is to be disabled.
    Remove,
}

static REVIEW: ObjectSchema = ObjectSchema {
    name: "ReviewAccess",
    fields: &[
        field(
            "decision",
            Presence::Always,
            FieldRule::OneOf(AccessDecision::VARIANTS),
            "`keep`, or `remove`, which asks to disable the operator.",
        ),
        field("reason", Presence::Always, REASON, "Why, for the record."),
    ],
};

/// A request to review what an operator may do.
pub struct ReviewAccess {
    name: String,
    body: ReviewAccessBody,
}

/// The body of [`ReviewAccess`].
#[derive(Serialize, Deserialize)]
pub struct ReviewAccessBody {
    pub decision: AccessDecision,
    pub reason: String,
}

/// A review that is on record.
#[derive(Serialize, JsonSchema)]
pub struct AccessReview {
    decision: AccessDecision,
    reviewed_at: Timestamp,
    /// What was asked for by `remove`; it may wait for a second person.
    proposal: Option<ProposalView>,
}

impl OperatorOperation for ReviewAccess {
    const OPERATION: &'static str = "POST /operators/{name}/access_review";
    const PERMISSION: Option<Permission> = Some(Permission::OperatorsManage);
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = AccessReview;
    const DOC: OperatorDoc = OperatorDoc {
        id: "review_access",
        summary: "Review what an operator may do",
        description: "Records that what an operator may do was reviewed, and with `remove` asks to disable them, which \
                      takes two persons.",
        query: &[],
        request: Some(&REVIEW),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { body: received.body(&REVIEW)?, name: received.path_name("name", "operator")? })
    }
}

/// Handles `POST /operators/{name}/access_review`: records the review of what an operator may do.
///
/// # Errors
///
/// Fails if the caller does not reach the operator, or is that operator.
pub async fn review(State(app): State<App>, req: ByOperator<ReviewAccess>) -> OperatorResult<AccessReview> {
    let ByOperator { operator: by, session, now, operation: ReviewAccess { name, body }, .. } = req;
    if name == by.name {
        return Err(Problem::State("nobody reviews their own account"));
    }
    let provisioner = provisioner(&app);
    let unit = move |tx: &Tx<'_>| {
        let found = visible_operator(tx, &by, Permission::OperatorsManage, &name)?;
        let by = still_signed_in(tx, &by, &session)?;
        let subject = RegisterSubject::Operator(found.name.clone());
        let event =
            RegisterEvent::new(RegisterEventType::OperatorAccessReviewed, actor(&by, &session), subject);
        let event = event.because(&body.reason).with_new(json!({ "decision": body.decision }));
        register_events::record(tx, &*provisioner.ids, now, &event)?;
        let proposal = match body.decision {
            AccessDecision::Keep => {
                operators::record_review(tx, found.id, now)?;
                None
            }
            // It stays due until the operator is disabled.
            AccessDecision::Remove => {
                let act = Act::DisableOperator { operator: found.name };
                Some(request_act(tx, &provisioner, (&by, &session), act, &body.reason, now)?)
            }
        };
        Ok::<_, Problem>(JsonAnswer(AccessReview { decision: body.decision, reviewed_at: now, proposal }))
    };
    app.store.write_serializable("access.review", unit).await
}
