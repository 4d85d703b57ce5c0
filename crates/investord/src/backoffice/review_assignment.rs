//! `/reviews/{subject}/assignee` and `/viewer`: assigns a review, and shows who has it open.

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::change::{ActionRecord, RecordedAction, UserChange, change};
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::problem::Problem;
use crate::store::jobs::assignment::{self, Assignment, Viewer};
use crate::store::jobs::{self, Job, JobKind};
use crate::store::tenants::operators;
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;
use crate::store::{Tx, tenants, users};

/// How long an operator counts as a viewer after opening a review.
const VIEWER_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// Returns the operators who have opened a review recently enough to count as its viewers.
pub fn current_viewers(assignment: Assignment, now: Timestamp) -> Vec<Viewer> {
    let all = assignment.viewers.into_iter();
    all.filter(|one| now.duration_since(one.since) < VIEWER_LIFETIME).collect()
}

/// Returns the permission that decides a kind of review.
fn deciding_permission(kind: JobKind) -> Permission {
    if kind == JobKind::Deactivation { Permission::PeopleAct } else { Permission::ReviewsDecide }
}

/// Finds the job of a review that waits for a decision.
fn waiting_job(tx: &Tx<'_>, handle: &UserHandle, subject: Uuid, now: Timestamp) -> Result<Job, Problem> {
    let waits = |job: &Job| match job.kind {
        JobKind::DataChange | JobKind::Check => job.due.is_none(),
        // It is due when it expires.
        JobKind::Deactivation => job.due.is_some_and(|end| now < end),
        _ => false,
    };
    let found = jobs::of_user(tx, handle)?.into_iter().find(|job| job.subject == subject && waits(job));
    found.ok_or(Problem::NotFound("review"))
}

static ASSIGN: ObjectSchema = ObjectSchema {
    name: "ReviewAssignment",
    fields: &[field(
        "assignee",
        Presence::Always,
        FieldRule::OrNull(&FieldRule::Text { min: 1, max: 64 }),
        "Name of the operator to whom the review is assigned; null removes the assignment.",
    )],
};

/// The body of [`AssignReview`].
#[derive(Deserialize)]
struct AssignmentBody {
    assignee: Option<String>,
}

/// A request to assign a review.
pub struct AssignReview {
    user: Uuid,
    subject: Uuid,
    assignee: Option<String>,
}

impl OperatorOperation for AssignReview {
    const OPERATION: &'static str = "PUT /tenants/{tenant}/users/{user}/reviews/{subject}/assignee";
    const PERMISSION: Option<Permission> = Some(Permission::ReviewsDecide);
    type Answer = RecordedAction;
    const DOC: OperatorDoc = OperatorDoc {
        id: "assign_review",
        summary: "Assign a review",
        description: "Assigns a review to an operator who has the permission to decide it, or removes the assignment. \
            Other operators can still decide it. Answers the record of the action.",
        query: &[],
        request: Some(&ASSIGN),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let AssignmentBody { assignee } = received.body(&ASSIGN)?;
        Ok(Self {
            user: received.path_id("user", "user")?,
            subject: received.path_id("subject", "review")?,
            assignee,
        })
    }
}

/// Handles `PUT /tenants/{tenant}/users/{user}/reviews/{subject}/assignee`: assigns a review.
///
/// # Errors
///
/// Fails if the review does not wait, or the assignee may not decide it.
pub async fn assign(State(app): State<App>, req: ByOperator<AssignReview>) -> OperatorResult<RecordedAction> {
    let (number, now) = (req.tenant(), req.now);
    let ByOperator { operator, operation, .. } = req;
    let AssignReview { user, subject, assignee } = operation;
    let work = move |change: &mut UserChange<'_, '_>| {
        let tx = change.unit.tx;
        let job = waiting_job(tx, change.handle, subject, now)?;
        if let Some(name) = &assignee {
            let found = operators::by_name(tx, name)?.filter(|one| one.disabled_at.is_none());
            let needed = deciding_permission(job.kind);
            if !found.is_some_and(|one| one.grants.reach(needed).contains(number)) {
                return Err(Problem::invalid("assignee", "is nobody who may decide this review"));
            }
        }
        let before = assignment::of_job(tx, &job)?;
        assignment::assign(tx, &job, assignee.as_deref())?;
        Ok(ActionRecord {
            action: "assign",
            subject: Some(subject),
            reason: None,
            old: json!({ "assignee": before.assignee }),
            new: json!({ "assignee": assignee }),
        })
    };
    change(&app, operator, number, user, work).await
}

/// A request to add the caller to the viewers of a review.
pub struct ViewReview {
    user: Uuid,
    subject: Uuid,
}

/// The other viewers of a review.
#[derive(Serialize, JsonSchema)]
pub struct OtherViewers {
    /// Other operators who have opened the review within the last five minutes.
    viewers: Vec<Viewer>,
}

impl OperatorOperation for ViewReview {
    const OPERATION: &'static str = "PUT /tenants/{tenant}/users/{user}/reviews/{subject}/viewer";
    const PERMISSION: Option<Permission> = Some(Permission::ReviewsRead);
    type Answer = OtherViewers;
    const DOC: OperatorDoc = OperatorDoc {
        id: "view_review",
        summary: "Open a review",
        description: "Adds the caller to the viewers of a review for five minutes, and answers its other viewers.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { user: received.path_id("user", "user")?, subject: received.path_id("subject", "review")? })
    }
}

/// Handles `PUT /tenants/{tenant}/users/{user}/reviews/{subject}/viewer`: adds the caller to the viewers.
///
/// # Errors
///
/// Fails if the review does not wait.
pub async fn view(State(app): State<App>, req: ByOperator<ViewReview>) -> OperatorResult<OtherViewers> {
    let (number, now, own) = (req.tenant(), req.now, app.clone());
    let ByOperator { operator, operation: ViewReview { user, subject }, .. } = req;
    let unit = move |tx: &Tx<'_>| {
        let tenant = |tx: &Tx<'_>| Ok::<_, Problem>(tenants::open(tx, number, &own.master_key)?);
        Unit::run(tx, number, now, &*own.ids, tenant, |unit| {
            let (_, handle) = users::load(tx, unit.tenant, user)?.ok_or(Problem::NotFound("user"))?;
            let job = waiting_job(tx, &handle, subject, now)?;
            let mut viewers = current_viewers(assignment::of_job(tx, &job)?, now);
            viewers.retain(|one| one.name != operator.name);
            assignment::add_viewer(tx, &job, &operator.name, now)?;
            Ok(OtherViewers { viewers })
        })
    };
    Ok(JsonAnswer(app.store.write("backoffice.view_review", number, unit).await?))
}
