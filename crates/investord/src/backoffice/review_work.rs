//! `/reviews/{subject}/assignee` and `/viewer`: who is to decide what waits, and who looks at it.

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
use crate::store::jobs::attention::{self, Attention, Viewer};
use crate::store::jobs::{self, Job, JobKind};
use crate::store::tenants::operators;
use crate::store::users::handle::UserHandle;
use crate::store::{Tx, tenants, users};

/// How long somebody who has opened a review counts as looking at it.
const LOOKS_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Returns who looks at a review now: who has opened it not long ago.
pub fn who_looks(attention: &Attention, now: Timestamp) -> Vec<Viewer> {
    let all = attention.viewers.iter();
    all.filter(|one| now.duration_since(one.since) < LOOKS_FOR).cloned().collect()
}

/// Finds the job of a review that waits for a decision.
fn waiting_job(tx: &Tx<'_>, handle: &UserHandle, subject: Uuid) -> Result<Job, Problem> {
    let waits = |job: &Job| match job.kind {
        JobKind::DataChange | JobKind::Check => job.due.is_none(),
        JobKind::Deactivation => true,
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
        "Name of the operator who is to decide it; null for nobody.",
    )],
};

/// The body of [`AssignReview`].
#[derive(Deserialize)]
struct Assignment {
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
        description: "Says who is to decide a review, who has to be allowed to. Others still can. Answers the record \
            of the action.",
        query: &[],
        request: Some(&ASSIGN),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let Assignment { assignee } = received.body(&ASSIGN)?;
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
    let number = req.tenant();
    let ByOperator { operator, operation, .. } = req;
    let AssignReview { user, subject, assignee } = operation;
    let work = move |change: &mut UserChange<'_, '_>| {
        let tx = change.unit.tx;
        let job = waiting_job(tx, change.handle, subject)?;
        if let Some(name) = &assignee {
            let found = operators::by_name(tx, name)?.filter(|one| one.disabled_at.is_none());
            let may =
                |one: &operators::Operator| one.grants.reach(Permission::ReviewsDecide).contains(number);
            if !found.as_ref().is_some_and(may) {
                return Err(Problem::invalid("assignee", "is nobody who may decide reviews of this tenant"));
            }
        }
        let before = attention::of_job(tx, &job)?;
        attention::assign(tx, &job, assignee.as_deref())?;
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

/// A request to note that somebody looks at a review.
pub struct ViewReview {
    user: Uuid,
    subject: Uuid,
}

/// Who else looks at a review.
#[derive(Serialize, JsonSchema)]
pub struct OtherViewers {
    /// Others who have opened it within the last five minutes.
    viewers: Vec<Viewer>,
}

impl OperatorOperation for ViewReview {
    const OPERATION: &'static str = "PUT /tenants/{tenant}/users/{user}/reviews/{subject}/viewer";
    const PERMISSION: Option<Permission> = Some(Permission::ReviewsRead);
    type Answer = OtherViewers;
    const DOC: OperatorDoc = OperatorDoc {
        id: "view_review",
        summary: "Open a review",
        description: "Says that the caller looks at a review, so that others see it for five minutes, and answers who \
            else does.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { user: received.path_id("user", "user")?, subject: received.path_id("subject", "review")? })
    }
}

/// Handles `PUT /tenants/{tenant}/users/{user}/reviews/{subject}/viewer`: notes who looks at a review.
///
/// # Errors
///
/// Fails if the review does not wait.
pub async fn view(State(app): State<App>, req: ByOperator<ViewReview>) -> OperatorResult<OtherViewers> {
    let (number, now, own) = (req.tenant(), req.now, app.clone());
    let ByOperator { operator, operation: ViewReview { user, subject }, .. } = req;
    let unit = move |tx: &Tx<'_>| {
        let tenant = tenants::open(tx, number, &own.master_key)?;
        let (_, handle) = users::load(tx, &tenant, user)?.ok_or(Problem::NotFound("user"))?;
        let job = waiting_job(tx, &handle, subject)?;
        let mut viewers = who_looks(&attention::of_job(tx, &job)?, now);
        viewers.retain(|one| one.name != operator.name);
        attention::note_viewer(tx, &job, &operator.name, now)?;
        Ok::<_, Problem>(OtherViewers { viewers })
    };
    Ok(JsonAnswer(app.store.write("backoffice.view_review", number, unit).await?))
}
