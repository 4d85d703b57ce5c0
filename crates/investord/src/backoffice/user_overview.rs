//! Everything that the register holds about a user at present.

use axum::extract::State;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::change::scan;
use super::status_explanation::explain_status;
use super::users::user_view;
use crate::app::App;
use crate::domain::accounts::{
    Account, AccountDetails as _, AccountGroup, GroupDetails, SingleAccountDetails,
};
use crate::domain::identification::identifier::{Finding, Identifier, today};
use crate::domain::identification::reporting::Report;
use crate::domain::permissions::Permission;
use crate::domain::resource::View;
use crate::domain::tenants::RegimeSetting;
use crate::domain::users::User;
use crate::domain::users::check::Check;
use crate::domain::users::data_change::{DataChange, DataChangeView};
use crate::domain::users::obstacle::{Obstacle, ObstacleView};
use crate::domain::users::review::Review;
use crate::domain::users::tax_residency::TaxResidencies;
use crate::problem::Problem;
use crate::store::jobs::{Job, JobKind};
use crate::store::paging::last_of_user;
use crate::store::users::{identifiers, tax_residencies};
use crate::store::{Tx, accounts, tenants, users};

/// Maximum number of checks or data changes in one response.
const MAX_LISTED: i64 = 100;

/// The complete present state of a user.
#[derive(Serialize, JsonSchema)]
pub struct UserOverview {
    user: View<User>,
    /// An operator has taken the user out of trading.
    suspended: bool,
    /// When the user entered the status.
    status_since: Timestamp,
    not_active_because: Vec<ObstacleView>,
    /// What a report would say today, with the reasons.
    reporting: Report,
    identifiers: Vec<IdentifierRecord>,
    /// The last 100 checks, the oldest first.
    checks: Vec<ReviewedCheck>,
    /// How many checks there are.
    checks_count: i64,
    tax_residencies: Option<View<TaxResidencies>>,
    account_groups: Vec<View<AccountGroup>>,
    accounts: Vec<View<Account>>,
    /// The last 100 data changes, the oldest first.
    data_changes: Vec<ReviewedDataChange>,
    /// How many data changes there are.
    data_changes_count: i64,
    /// What the register has still to do.
    pending: Vec<PendingJob>,
}

/// An identifier and what speaks against it.
#[derive(Serialize, JsonSchema)]
struct IdentifierRecord {
    #[serde(flatten)]
    identifier: View<Identifier>,
    /// In the form that is reported.
    reported: String,
    /// What speaks against it today, beside the person as they are.
    faults: Vec<Finding>,
    /// What spoke against it when it was sent.
    faults_when_filed: Vec<Finding>,
    /// Other users who have the same number.
    shared_with: Vec<Uuid>,
}

/// A job that the register has still to do.
#[derive(Serialize, JsonSchema)]
struct PendingJob {
    kind: JobKind,
    /// Id of the subject: a data change, check, account, account group or user.
    subject: Uuid,
    /// Earliest time of the run; null while the job waits for a decision or for other work of the user.
    due: Option<Timestamp>,
    /// It does not run even if it is due.
    held: bool,
}

impl From<Job> for PendingJob {
    fn from(job: Job) -> Self {
        Self { kind: job.kind, subject: job.subject, due: job.due, held: job.held }
    }
}

/// A data change and its review.
#[derive(Serialize, JsonSchema)]
pub struct ReviewedDataChange {
    #[serde(flatten)]
    change: DataChangeView,
    review: Review,
}

impl From<DataChange> for ReviewedDataChange {
    fn from(change: DataChange) -> Self {
        Self { change: change.view(), review: change.content.review }
    }
}

/// A check and its review.
#[derive(Serialize, JsonSchema)]
pub struct ReviewedCheck {
    #[serde(flatten)]
    check: View<Check>,
    created_at: Timestamp,
    /// Who decided.
    decided_by: Option<String>,
    /// Why it failed.
    reason: Option<String>,
    review: Review,
}

impl From<Check> for ReviewedCheck {
    fn from(check: Check) -> Self {
        let (view, content) = (View::new(check.view()), check.content);
        Self {
            check: view,
            created_at: check.created_at,
            decided_by: content.decided_by,
            reason: content.reason,
            review: content.review,
        }
    }
}

/// Returns the identifiers of a user, with the present findings about each and those at the time of filing (decision
/// I7). `shared` has the other users with the number of each.
fn identifiers_with_findings(
    own: Vec<Identifier>,
    shared: Vec<Vec<Uuid>>,
    user: &User,
    regime: RegimeSetting,
    today: Date,
) -> Vec<IdentifierRecord> {
    let shown = own.into_iter().zip(shared).map(|(one, shared_with)| {
        let mut faults = one.content.current_findings(&user.person.identity, regime.into(), today);
        faults.extend(Finding::duplicate(&shared_with));
        IdentifierRecord {
            identifier: View::new(serde_json::from_str(&one.to_string()).unwrap_or_default()),
            reported: one.content.reported,
            faults,
            faults_when_filed: one.content.faults,
            shared_with,
        }
    });
    shown.collect()
}

/// A request for everything about a user.
pub struct ShowUser {
    user: Uuid,
}

impl OperatorOperation for ShowUser {
    const OPERATION: &'static str = "GET /tenants/{tenant}/users/{user}";
    const PERMISSION: Option<Permission> = Some(Permission::PeopleRead);
    type Answer = UserOverview;
    const DOC: OperatorDoc = OperatorDoc {
        id: "show_user",
        summary: "Show a user",
        description: "Answers the present state of a user: person, identifiers with what speaks against them, \
            checks, accounts, data changes, and why the user is not active.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { user: received.path_id("user", "user")? })
    }
}

/// Handles `GET /tenants/{tenant}/users/{user}`: returns the complete present state of a user.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant or the user does not exist.
pub async fn show(State(app): State<App>, req: ByOperator<ShowUser>) -> OperatorResult<UserOverview> {
    let (number, own, today, user) = (req.tenant(), app.clone(), today(req.now), req.operation.user);
    let read = move |tx: &Tx<'_>| {
        let tenant = tenants::open(tx, number, &own.master_key)?;
        let (found, handle) = users::load(tx, &tenant, user)?.ok_or(Problem::NotFound("user"))?;
        let groups = accounts::of_user::<GroupDetails>(tx, &handle)?;
        let all_accounts = accounts::of_user::<SingleAccountDetails>(tx, &handle)?;
        let standing = explain_status(tx, &own, &tenant, &handle, &found)?;
        let taxes = tax_residencies::of_user(tx, &handle)?;
        let (checks, last_checks) = last_of_user::<Check>(tx, &handle, MAX_LISTED)?;
        let (changes, last_changes) = last_of_user::<DataChange>(tx, &handle, MAX_LISTED)?;
        let pending = standing.pending.into_iter().map(PendingJob::from);
        let own = identifiers::of_user(tx, &handle)?;
        let shared =
            identifiers::list_sharing_users(tx, &tenant, Some(&handle), own.iter().map(|one| &one.content))?;
        let regime = tenant.settings.regime;
        let reporting = Report::of_user(&found.person.identity, &own, regime.into(), today);
        Ok::<_, Problem>(UserOverview {
            user: user_view(&found),
            suspended: found.suspended,
            status_since: standing.since,
            not_active_because: standing.obstacles.iter().map(Obstacle::view).collect(),
            reporting: reporting.shared_with(shared.clone()),
            identifiers: identifiers_with_findings(own, shared, &found, regime, today),
            checks: last_checks.into_iter().map(ReviewedCheck::from).collect(),
            checks_count: checks,
            tax_residencies: taxes.map(|record| View::new(record.view())),
            account_groups: groups.iter().map(|group| View::new(GroupDetails::view(group))).collect(),
            accounts: all_accounts.iter().map(|one| View::new(SingleAccountDetails::view(one))).collect(),
            data_changes: last_changes.into_iter().map(ReviewedDataChange::from).collect(),
            data_changes_count: changes,
            pending: pending.collect(),
        })
    };
    Ok(JsonAnswer(scan(&app, number, "operator.show", read).await?))
}
