//! `/reviews`: data changes, checks and deactivations that wait for a decision.

use axum::extract::State;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strum::{IntoStaticStr, VariantNames};
use uuid::Uuid;

use super::administration::check_second_person;
use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::change::{ActionRecord, RecordedAction, UserChange, actor_name, change, missing_record, scan};
use super::deactivation::WaitingDeactivation;
use super::review_assignment::current_viewers;
use super::user_overview::{ReviewedCheck, ReviewedDataChange};
use crate::app::App;
use crate::domain::identification::identifier::today;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::users::User;
use crate::domain::users::check::{Check, CheckStatus};
use crate::domain::users::preview::Preview;
use crate::domain::users::review::{Review, Verdict};
use crate::problem::Problem;
use crate::store::jobs::assignment::{self, Viewer};
use crate::store::jobs::{self, Job, JobKind};
use crate::store::tenants::Tenant;
use crate::store::tenants::operator_sessions::Session;
use crate::store::tenants::operators;
use crate::store::tenants::operators::Operator;
use crate::store::users::handle::UserHandle;
use crate::store::users::{activation, checks, data_changes, identifiers};
use crate::store::{StoreError, Tx, tenants, users};

/// Maximum number of reviews in one response.
const MAX_REVIEWS: i64 = 200;

/// What waits for a decision.
#[derive(Serialize, JsonSchema)]
pub struct WaitingReview {
    /// Id of the data change or check, or of the user.
    id: Uuid,
    waiting_since: Timestamp,
    age_seconds: i64,
    user_id: Uuid,
    /// First and last name of the user.
    user: String,
    /// Name of the operator to whom it is assigned; null without an assignment.
    assignee: Option<String>,
    /// Operators who have opened it within the last five minutes.
    viewers: Vec<Viewer>,
    #[serde(flatten)]
    subject: ReviewSubject,
}

/// What has to be decided, and what would follow.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum ReviewSubject {
    DataChange {
        preview: Box<Preview>,
        matter: ReviewedDataChange,
    },
    Check {
        preview: CheckPreview,
        matter: ReviewedCheck,
    },
    /// A deactivation that another operator than the first confirms with `POST …/actions`. Its id is the user's.
    Deactivation {
        matter: WaitingDeactivation,
    },
}

/// What follows if a check passes.
#[derive(Serialize, JsonSchema)]
struct CheckPreview {
    before: StatusOfCheck,
    after: StatusOfCheck,
    /// What follows, to be read out.
    says: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct StatusOfCheck {
    status: CheckStatus,
}

/// A request for the reviews that wait for a decision.
pub struct ListReviews;

impl OperatorOperation for ListReviews {
    const OPERATION: &'static str = "GET /tenants/{tenant}/reviews";
    const PERMISSION: Option<Permission> = Some(Permission::ReviewsRead);
    type Answer = List<WaitingReview>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_reviews",
        summary: "List reviews",
        description: "Lists the data changes, checks and deactivations that wait for a decision, with their evidence \
            and what would follow, the oldest first.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /tenants/{tenant}/reviews`: returns the waiting reviews with their evidence, the oldest first.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant.
pub async fn queue(
    State(app): State<App>,
    req: ByOperator<ListReviews>,
) -> OperatorResult<List<WaitingReview>> {
    let (number, own, now) = (req.tenant(), app.clone(), req.now);
    let read = move |tx: &Tx<'_>| {
        let tenant = tenants::open(tx, number, &own.master_key)?;
        let mut all = jobs::list_reviews(tx, tenant.number, MAX_REVIEWS)?;
        all.extend(jobs::list_deactivations(tx, tenant.number, now, MAX_REVIEWS)?);
        let mut waiting = Vec::new();
        for job in all {
            waiting.push(waiting_review(tx, &tenant, &job, now)?);
        }
        waiting.sort_by_key(|one| one.waiting_since);
        Ok::<_, Problem>(List { data: waiting })
    };
    Ok(JsonAnswer(scan(&app, number, "operator.reviews", read).await?))
}

/// Reads what a job waits for, with its evidence.
fn waiting_review(tx: &Tx<'_>, tenant: &Tenant, job: &Job, now: Timestamp) -> Result<WaitingReview, Problem> {
    let (user, handle) = users::load_numbered(tx, tenant, job.user_number)?;
    let (waiting_since, subject) = match job.kind {
        JobKind::Deactivation => {
            let matter = WaitingDeactivation::of_user(tx, &handle)?;
            (matter.asked_at, ReviewSubject::Deactivation { matter })
        }
        JobKind::Check => {
            let found = checks::by_id(tx, &handle, job.subject)?;
            let found = found.ok_or_else(|| missing_record("check", job.subject))?;
            let preview = preview_passed_check(tx, tenant, &handle, &user, &found, today(now))?;
            (found.created_at, ReviewSubject::Check { preview, matter: found.into() })
        }
        _ => {
            let found = data_changes::by_id(tx, &handle, job.subject)?;
            let found = found.ok_or_else(|| missing_record("data change", job.subject))?;
            let held = identifiers::of_user(tx, &handle)?;
            let requested = found.content.requested.clone();
            let contents = held.iter().map(|one| &one.content);
            let shared = identifiers::list_sharing_users(tx, tenant, Some(&handle), contents)?;
            let preview = Preview::of(&user, &held, &shared, requested, &tenant.settings, now);
            (found.created_at, ReviewSubject::DataChange { preview: preview.into(), matter: found.into() })
        }
    };
    let person: Value = serde_json::from_str(&user.person.json).unwrap_or_default();
    let name = |member: &str| person[member].as_str().unwrap_or_default().to_owned();
    let assignment = assignment::of_job(tx, job)?;
    Ok(WaitingReview {
        id: job.subject,
        waiting_since,
        age_seconds: now.duration_since(waiting_since).as_secs().max(0),
        user_id: user.id,
        user: format!("{} {}", name("first_name"), name("last_name")),
        assignee: assignment.assignee.clone(),
        viewers: current_viewers(assignment, now),
        subject,
    })
}

/// Returns the consequences of a passed check.
fn preview_passed_check(
    tx: &Tx<'_>,
    tenant: &Tenant,
    handle: &UserHandle,
    user: &User,
    check: &Check,
    today: Date,
) -> Result<CheckPreview, StoreError> {
    let mut says = Vec::new();
    if user.awaits_activation() {
        let passed = Check { status: CheckStatus::Passed, ..check.clone() };
        let lacks = activation::unmet(tx, handle, user, Some(&passed), &tenant.settings, today)?;
        says.extend(lacks.is_empty().then(|| "the user becomes ACTIVE".to_owned()));
        says.extend(lacks.iter().map(ToString::to_string));
    }
    let [before, after] = [check.status, CheckStatus::Passed].map(|status| StatusOfCheck { status });
    Ok(CheckPreview { before, after, says })
}

/// An operator's decision in a review.
#[derive(Clone, Copy, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ReviewDecision {
    /// The data change is applied, or the check passes.
    Approve,
    /// The data change or check fails for a reason.
    Refuse,
    /// The data change or check is withdrawn, which means that it fails.
    Cancel,
}

/// Rule for the reason of a decision. It becomes part of an event for the client.
const DECISION_REASON: FieldRule = FieldRule::Text { min: 1, max: 100 };

/// The body of a decision.
#[derive(Serialize, Deserialize)]
pub struct ReviewDecisionBody {
    pub verdict: ReviewDecision,
    pub reason: Option<String>,
}

static DECIDE: ObjectSchema = ObjectSchema {
    name: "ReviewDecision",
    fields: &[
        field(
            "verdict",
            Presence::Always,
            FieldRule::OneOf(ReviewDecision::VARIANTS),
            "approve: it is good. refuse: it is not. cancel: it is withdrawn.",
        ),
        field("reason", Presence::No, FieldRule::OrNull(&DECISION_REASON), "Why; needed unless it is good."),
    ],
};

/// A request to decide a data change or a check.
pub struct DecideReview {
    user: Uuid,
    subject: Uuid,
    say: ReviewDecision,
    reason: Option<String>,
}

impl OperatorOperation for DecideReview {
    const OPERATION: &'static str = "POST /tenants/{tenant}/users/{user}/reviews/{subject}";
    const PERMISSION: Option<Permission> = Some(Permission::ReviewsDecide);
    type Answer = RecordedAction;
    const DOC: OperatorDoc = OperatorDoc {
        id: "decide_review",
        summary: "Decide a review",
        description: "Records a decision, which the worker applies in the order of the jobs of the user. Answers the \
            record of the action.",
        query: &[],
        request: Some(&DECIDE),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let ReviewDecisionBody { verdict: say, reason } = received.body(&DECIDE)?;
        if reason.is_none() && !matches!(say, ReviewDecision::Approve) {
            return Err(Problem::invalid("reason", "field 'reason' was not filled"));
        }
        Ok(Self {
            user: received.path_id("user", "user")?,
            subject: received.path_id("subject", "data change or check")?,
            say,
            reason,
        })
    }
}

/// Handles `POST /tenants/{tenant}/users/{user}/reviews/{subject}`: records the decision `verdict`, with a `reason`
/// unless it is an approval. The worker applies the decision, in the order of the user's jobs.
///
/// # Errors
///
/// Fails if the data change or check does not wait for a decision.
pub async fn decide(State(app): State<App>, req: ByOperator<DecideReview>) -> OperatorResult<RecordedAction> {
    let (number, now) = (req.tenant(), req.now);
    let ByOperator { operator, session, operation, .. } = req;
    let DecideReview { user, subject, say, reason } = operation;
    let work = move |change: &mut UserChange<'_, '_>| {
        let all = jobs::of_user(change.unit.tx, change.handle)?;
        let job = all
            .into_iter()
            .find(|job| job.subject == subject && matches!(job.kind, JobKind::DataChange | JobKind::Check));
        let mut job = job.map_or_else(|| Err(nothing_to_decide(change, subject)), Ok)?;
        let verdict = Verdict {
            refusal: if matches!(say, ReviewDecision::Approve) { None } else { reason.clone() },
            by: actor_name(change.operator),
        };
        let UserChange { unit, handle, operator, .. } = change;
        let (old, new) = if job.kind == JobKind::Check {
            let found = checks::by_id(unit.tx, handle, subject)?;
            let mut check = found.ok_or_else(|| missing_record("check", subject))?;
            let old = json!(check.content.review);
            check_second(unit.tx, unit.tenant, &check.content.review, (operator, &session), now)?;
            apply_decision(&mut check.content.review, say, verdict, unit.tenant, job.due.is_none())?;
            checks::save(unit, handle, &check)?;
            (old, check.content.review)
        } else {
            let found = data_changes::by_id(unit.tx, handle, subject)?;
            let mut data_change = found.ok_or_else(|| missing_record("data change", subject))?;
            let old = json!(data_change.content.review);
            check_second(unit.tx, unit.tenant, &data_change.content.review, (operator, &session), now)?;
            apply_decision(&mut data_change.content.review, say, verdict, unit.tenant, job.due.is_none())?;
            data_changes::update(unit, handle, &data_change)?;
            (old, data_change.content.review)
        };
        if new.decided.is_some() {
            // The worker applies it when it is its turn: an earlier data change of the user may still be open.
            job.due = Some(now);
            jobs::save(unit.tx, &job)?;
        }
        let action = say.into_str();
        Ok(ActionRecord { action, subject: Some(subject), reason: reason.clone(), old, new: json!(new) })
    };
    change(&app, operator, number, user, work).await
}

/// Checks that the second of two operators is another person than the first, as far as the register can know
/// (decision S4).
fn check_second(
    tx: &Tx<'_>,
    tenant: &Tenant,
    review: &Review,
    (second, session): (&Operator, &Session),
    now: Timestamp,
) -> Result<(), Problem> {
    let first = review.proposed.as_ref().filter(|_| tenant.settings.four_eyes);
    let name = first.and_then(|first| first.by.strip_prefix("operator:"));
    let Some(first) = name.map(|name| operators::by_name(tx, name)).transpose()?.flatten() else {
        return Ok(());
    };
    if first.id == second.id {
        // They may still say otherwise, which begins anew.
        return Ok(());
    }
    check_second_person(&first, second, session, now)
}

/// Records the decision in the review. `waits` says whether the job waits for a decision, not only for its turn.
fn apply_decision(
    review: &mut Review,
    say: ReviewDecision,
    verdict: Verdict,
    tenant: &Tenant,
    waits: bool,
) -> Result<(), Problem> {
    let said = match say {
        // A job that only waits for its turn needs no review, so that one operator can cancel it; the cancellation of a
        // reviewed one requires as many operators as a refusal.
        ReviewDecision::Cancel if !waits => review.cancel(verdict),
        ReviewDecision::Approve | ReviewDecision::Refuse if !waits && review.decided.is_none() => {
            return Err(Problem::State("nobody has to decide this"));
        }
        ReviewDecision::Approve | ReviewDecision::Refuse | ReviewDecision::Cancel => {
            review.decide(verdict, tenant.settings.four_eyes).map(drop)
        }
    };
    said.map_err(Problem::Decided)
}

/// Returns the reason why a decision is not possible: another operator was faster, or the subject does not exist.
fn nothing_to_decide(change: &UserChange<'_, '_>, subject: Uuid) -> Problem {
    let (tx, handle) = (change.unit.tx, change.handle);
    let by = match data_changes::by_id(tx, handle, subject) {
        Err(error) => return error.into(),
        Ok(Some(change)) => Some(change.content.decided_by),
        Ok(None) => match checks::by_id(tx, handle, subject) {
            Err(error) => return error.into(),
            Ok(check) => check.map(|check| check.content.decided_by),
        },
    };
    match by {
        None => Problem::NotFound("data change or check"),
        Some(by) => Problem::Decided(format!("{} has decided it", by.unwrap_or_default())),
    }
}
