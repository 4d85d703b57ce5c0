//! Search for users, and everything that is known of one.

use std::collections::BTreeSet;

use axum::extract::State;
use jiff::civil::Date;
use serde_json::{Value, json};
use strum::VariantNames as _;
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator, list_schema,
};
use super::change::{scan, visible_tenant};
use super::status_explanation::explain_status;
use crate::app::App;
use crate::domain::accounts::{AccountDetails as _, GroupDetails, SingleAccountDetails};
use crate::domain::identification::identifier::{Finding, today};
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::{FieldError, FieldRule};
use crate::domain::users::activation::Obstacle;
use crate::domain::users::check::Check;
use crate::domain::users::data_change::DataChange;
use crate::domain::users::search;
use crate::domain::users::search::{Probe, SearchField};
use crate::domain::users::{User, UserView};
use crate::problem::Problem;
use crate::store::paging::last_of_user;
use crate::store::tenants::Tenant;
use crate::store::tenants::operators::Role;
use crate::store::users::handle::UserHandle;
use crate::store::users::{identifiers, search_index, tax_residencies};
use crate::store::{StoreError, Tx, accounts, tenants, users};

/// Maximum number of users, checks or data changes in one response.
const MAX_LISTED: i64 = 100;

/// A request for the tenants that the operator sees.
pub struct ListTenants;

impl OperatorOperation for ListTenants {
    const OPERATION: &'static str = "GET /tenants";
    const ROLE: Role = Role::Viewer;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_tenants",
        summary: "List tenants",
        description: "Lists the tenants to which the operator has access, with their settings.",
        query: &[],
        request: None,
        answer: || list_schema(&json!({ "type": "object" })),
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /tenants`: returns the tenants to which the operator has access.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn tenants(State(app): State<App>, req: ByOperator<ListTenants>) -> OperatorResult {
    let all = app.store.read("backoffice.tenants", tenants::all).await?;
    let own = all.iter().filter(|row| req.operator.tenant.is_none_or(|own| own == row.number));
    let shown: Vec<Value> = own.map(|row| json!({ "name": row.name, "settings": row.settings })).collect();
    Ok(JsonAnswer(json!({ "data": shown })))
}

/// Maximum number of users per search value that are considered. A common value matches many more users than are shown,
/// and the other values of the search narrow them down.
const MAX_WITH_ONE_VALUE: i64 = 65_535;

/// A parsed search: an id, and values that a user must all have.
pub struct UserSearch {
    id: Option<Uuid>,
    /// The probes of each value; a user must match one of them.
    values: Vec<Vec<Probe>>,
}

/// Maximum number of values in one search: room for every field, and for some of them twice.
const MAX_VALUES: usize = 20;

impl UserSearch {
    /// Parses the query of a search. A parameter may be repeated: a user must have all its values. `today` decides
    /// which birth dates are possible, and the century of a short number.
    ///
    /// # Errors
    ///
    /// Fails if a value is invalid or there is none.
    pub fn parse(query: &str, today: Date) -> Result<Self, Problem> {
        let (mut id, mut values, mut faults) = (None, Vec::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.parse::<SearchField>().ok() {
                Some(field) => match search::to_probes(field, &value, today) {
                    Ok(probes) => values.push(probes),
                    Err(why) => faults.push(FieldError::new(name, why)),
                },
                None if name == "id" => match value.trim().parse() {
                    Ok(uuid) => id = Some(uuid),
                    Err(_) => faults.push(FieldError::new(name, "must be a UUID")),
                },
                None => {
                    let names = SearchField::VARIANTS.join(", ");
                    faults.push(FieldError::new(name, format!("is not one of id, {names}")));
                }
            }
        }
        if values.len() > MAX_VALUES {
            let message = format!("has more than {MAX_VALUES} values to search for");
            faults.push(FieldError::new("(query)", message));
        }
        if faults.is_empty() && id.is_none() && values.is_empty() {
            faults.push(FieldError::new("(query)", "names nothing to search for"));
        }
        if faults.is_empty() { Ok(Self { id, values }) } else { Err(faults.into()) }
    }
}

/// The parameters of a search, for the OpenAPI document: [`UserSearch::parse`] takes each of them more than once.
const SEARCH: &[QueryParameter] = &[
    search_parameter("id", "Id of the user."),
    search_parameter("name", "Last name, or first and last name."),
    search_parameter("birth_date", "Date of birth, as in 1980-01-02."),
    search_parameter("email", "E-mail address."),
    search_parameter("phone_number", "Phone number with its country code."),
    search_parameter("identifier", "Identifier in any usual spelling, or a CONCAT."),
    search_parameter("securities_account_number", "Number of an account group."),
];

const fn search_parameter(name: &'static str, description: &'static str) -> QueryParameter {
    QueryParameter { name, rule: FieldRule::Text { min: 1, max: 1000 }, default: None, description }
}

/// A search for users of a tenant.
pub struct FindUsers {
    tenant: String,
    search: UserSearch,
}

impl OperatorOperation for FindUsers {
    const OPERATION: &'static str = "GET /tenants/{tenant}/users";
    const ROLE: Role = Role::Viewer;
    const DOC: OperatorDoc = OperatorDoc {
        id: "find_users",
        summary: "Find users",
        description: "Answers the users who have all these values, at most 100, those who came first at the \
            beginning; `total_count` counts all of them. A parameter may stand more than once.",
        query: SEARCH,
        request: None,
        answer: || {
            json!({
                "type": "object",
                "properties": {
                    "total_count": { "type": "integer" },
                    "data": { "type": "array", "items": { "type": "object" } },
                },
                "required": ["total_count", "data"],
            })
        },
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let tenant = received.path_name("tenant", "tenant")?;
        Ok(Self { tenant, search: UserSearch::parse(received.query, today(received.now))? })
    }
}

/// Handles `GET /tenants/{tenant}/users`: returns the users who have all the given values.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant.
pub async fn find(State(app): State<App>, req: ByOperator<FindUsers>) -> OperatorResult {
    let ByOperator { operator, operation: FindUsers { tenant: name, search }, .. } = req;
    let (of, own, UserSearch { id, values }) = (operator.tenant, app.clone(), search);
    let read = move |tx: &Tx<'_>| {
        let tenant = visible_tenant(tx, &own, &operator, &name)?;
        let mut found: Option<BTreeSet<i64>> = match id {
            None => None,
            Some(id) => Some(users::find(tx, &tenant, id)?.iter().map(|user| user.number).collect()),
        };
        for probes in &values {
            let with = find_by_value(tx, &tenant, probes)?;
            found = Some(found.map_or_else(|| with.clone(), |before| &before & &with));
        }
        let found = found.unwrap_or_default();
        let most = usize::try_from(MAX_LISTED).unwrap_or_default();
        let mut shown = Vec::new();
        for number in found.iter().take(most) {
            shown.push(user_view(&users::load_numbered(tx, &tenant, *number)?.0));
        }
        Ok::<_, Problem>((shown, found.len()))
    };
    let (shown, count) = scan(&app, of, "operator.find", read).await?;
    Ok(JsonAnswer(json!({ "total_count": count, "data": shown })))
}

/// Returns the users who have one of the values. A match of a term alone is not always proof, so the decrypted user is
/// compared as well where it is not.
fn find_by_value(tx: &Tx<'_>, tenant: &Tenant, probes: &[Probe]) -> Result<BTreeSet<i64>, StoreError> {
    let mut with = BTreeSet::new();
    for probe in probes {
        for user in search_index::find(tx, tenant, &probe.term, MAX_WITH_ONE_VALUE)? {
            if !with.contains(&user) && (probe.is_proof() || matches_probe(tx, tenant, user, probe)?) {
                with.insert(user);
            }
        }
    }
    Ok(with)
}

/// Compares a probe with the decrypted data of a user.
fn matches_probe(tx: &Tx<'_>, tenant: &Tenant, user: i64, probe: &Probe) -> Result<bool, StoreError> {
    let (user, handle) = users::load_numbered(tx, tenant, user)?;
    let identifiers = identifiers::of_user(tx, &handle)?;
    Ok(probe.matches(&user.person, &identifiers))
}

/// Returns the identifiers of a user, with the present findings about each and those at the time of filing (decision
/// I7).
fn identifiers_with_findings(
    tx: &Tx<'_>,
    tenant: &Tenant,
    handle: &UserHandle,
    user: &User,
    today: Date,
) -> Result<Vec<Value>, StoreError> {
    let own = identifiers::of_user(tx, handle)?;
    let contents = own.iter().map(|one| &one.content);
    let shared = identifiers::list_sharing_users(tx, tenant, Some(handle), contents)?;
    let shown = own.iter().zip(shared).map(|(one, others)| {
        let mut faults =
            one.content.current_findings(&user.person.identity, tenant.settings.regime.into(), today);
        faults.extend(Finding::duplicate(&others));
        let mut shown: Value = serde_json::from_str(&one.to_string()).unwrap_or_default();
        shown["reported"] = json!(one.content.reported);
        shown["faults"] = json!(faults);
        shown["faults_when_filed"] = json!(one.content.faults);
        shown["shared_with"] = json!(others);
        shown
    });
    Ok(shown.collect())
}

/// A request for everything about a user.
pub struct ShowUser {
    tenant: String,
    user: Uuid,
}

impl OperatorOperation for ShowUser {
    const OPERATION: &'static str = "GET /tenants/{tenant}/users/{user}";
    const ROLE: Role = Role::Viewer;
    const DOC: OperatorDoc = OperatorDoc {
        id: "show_user",
        summary: "Show a user",
        description: "Answers the present state of a user: person, identifiers with what speaks against them, \
            checks, accounts, data changes, and why the user is not active.",
        query: &[],
        request: None,
        answer: || json!({ "type": "object" }),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let tenant = received.path_name("tenant", "tenant")?;
        Ok(Self { tenant, user: received.path_id("user", "user")? })
    }
}

/// Handles `GET /tenants/{tenant}/users/{user}`: returns the complete present state of a user.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant or the user does not exist.
pub async fn show(State(app): State<App>, req: ByOperator<ShowUser>) -> OperatorResult {
    let ByOperator { operator, now, operation: ShowUser { tenant: name, user }, .. } = req;
    let (of, own, today) = (operator.tenant, app.clone(), today(now));
    let read = move |tx: &Tx<'_>| {
        let tenant = visible_tenant(tx, &own, &operator, &name)?;
        let (found, handle) = users::load(tx, &tenant, user)?.ok_or(Problem::NotFound("user"))?;
        let groups = accounts::of_user::<GroupDetails>(tx, &handle)?;
        let all_accounts = accounts::of_user::<SingleAccountDetails>(tx, &handle)?;
        let standing = explain_status(tx, &own, &tenant, &handle, &found)?;
        let taxes = tax_residencies::of_user(tx, &handle)?;
        let (checks, last_checks) = last_of_user(tx, &handle, MAX_LISTED)?;
        let (changes, last_changes) = last_of_user(tx, &handle, MAX_LISTED)?;
        Ok::<_, Problem>(json!({
            "user": user_view(&found),
            "suspended": found.suspended,
            "status_since": standing.since,
            "not_active_because": standing.obstacles.iter().map(Obstacle::view).collect::<Vec<_>>(),
            "identifiers": identifiers_with_findings(tx, &tenant, &handle, &found, today)?,
            "checks": last_checks.iter().map(reviewed_check).collect::<Vec<_>>(),
            "checks_count": checks,
            "tax_residencies": taxes.map(|record| record.view()),
            "account_groups": groups.iter().map(GroupDetails::view).collect::<Vec<_>>(),
            "accounts": all_accounts.iter().map(SingleAccountDetails::view).collect::<Vec<_>>(),
            "data_changes": last_changes.iter().map(reviewed_change).collect::<Vec<_>>(),
            "data_changes_count": changes,
            "pending": standing.pending.iter().map(|job| json!({
                "kind": job.kind.into_str(), "subject": job.subject, "due": job.due, "held": job.held,
            })).collect::<Vec<_>>(),
        }))
    };
    Ok(JsonAnswer(scan(&app, of, "operator.show", read).await?))
}

/// Returns a user as clients see it.
fn user_view(user: &User) -> Value {
    serde_json::from_str(&UserView::from(user).to_string()).unwrap_or_default()
}

/// Returns a data change as JSON with its review.
pub fn reviewed_change(change: &DataChange) -> Value {
    let mut view = change.view();
    view["review"] = json!(change.content.review);
    view
}

/// Returns a check as JSON with its review.
pub fn reviewed_check(check: &Check) -> Value {
    let mut view = check.view();
    view["created_at"] = json!(check.created_at);
    view["decided_by"] = json!(check.content.decided_by);
    view["reason"] = json!(check.content.reason);
    view["review"] = json!(check.content.review);
    view
}
