//! `/users`: the search for users.

use std::collections::BTreeSet;

use axum::extract::State;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;
use strum::VariantNames as _;
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::change::scan;
use crate::app::App;
use crate::domain::identification::identifier::today;
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::{FieldError, FieldRule};
use crate::domain::permissions::Permission;
use crate::domain::resource::View;
use crate::domain::users::search;
use crate::domain::users::search::{Probe, SearchField};
use crate::domain::users::{User, UserView};
use crate::problem::Problem;
use crate::store::tenants::Tenant;
use crate::store::users::{identifiers, search_index};
use crate::store::{StoreError, Tx, tenants, users};

/// Maximum number of users in one response.
const MAX_LISTED: i64 = 100;

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

/// The users who are found.
#[derive(Serialize, JsonSchema)]
pub struct FoundUsers {
    /// How many are found.
    total_count: usize,
    /// The first 100 of them.
    data: Vec<View<User>>,
}

/// A search for users of a tenant.
pub struct FindUsers {
    search: UserSearch,
}

impl OperatorOperation for FindUsers {
    const OPERATION: &'static str = "GET /tenants/{tenant}/users";
    const PERMISSION: Option<Permission> = Some(Permission::PeopleRead);
    type Answer = FoundUsers;
    const DOC: OperatorDoc = OperatorDoc {
        id: "find_users",
        summary: "Find users",
        description: "Answers the users who have all these values, at most 100, those who came first at the \
            beginning; `total_count` counts all of them. A parameter may stand more than once.",
        query: SEARCH,
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { search: UserSearch::parse(received.query, today(received.now))? })
    }
}

/// Handles `GET /tenants/{tenant}/users`: returns the users who have all the given values.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant.
pub async fn find(State(app): State<App>, req: ByOperator<FindUsers>) -> OperatorResult<FoundUsers> {
    let (number, own) = (req.tenant(), app.clone());
    let UserSearch { id, values } = req.operation.search;
    let read = move |tx: &Tx<'_>| {
        let tenant = tenants::open(tx, number, &own.master_key)?;
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
        let mut data = Vec::new();
        for number in found.iter().take(most) {
            data.push(user_view(&users::load_numbered(tx, &tenant, *number)?.0));
        }
        Ok::<_, Problem>(FoundUsers { total_count: found.len(), data })
    };
    Ok(JsonAnswer(scan(&app, number, "operator.find", read).await?))
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

/// Returns a user as clients see it.
pub fn user_view(user: &User) -> View<User> {
    View::new(serde_json::from_str(&UserView::from(user).to_string()).unwrap_or_default())
}
