//! `/users`: list, create, read, offboard.

pub(in crate::api) mod checks;
pub(in crate::api) mod data_changes;
pub(in crate::api) mod identifiers;
pub(in crate::api) mod reporting;
pub(in crate::api) mod tax_residencies;

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::front::paging;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::{change, change_idempotently, load_user, too_many};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{
    ACCEPTED, OPERATING_MODEL, OperationDoc, PayloadDoc, USERS, path_id,
};
use crate::app::App;
use crate::domain::json::json_schema::{SchemaSide, Schemas, named, of_type};
use crate::domain::resource::View;
use crate::domain::tenants::{OffboardingWaitsFor, OperatingModel};
use crate::domain::users::User;
use crate::domain::users::person::{CREATE, Person};
use crate::problem::Problem;
use crate::store::jobs::{self, JobKind};
use crate::store::paging::{Page, SortKey};
use crate::store::unit::Unit;
use crate::store::{Tx, users};

/// Scopes of which one allows reading users.
pub const READ: &[&str] = &["users:read", "users:admin"];
/// Scope that allows changing users.
pub const ADMIN: &[&str] = &["users:admin"];

/// Returns the named schema of the body that creates a user, for tenants of an operating model (decision U1).
fn create_user(name: &'static str, model: OperatingModel, schemas: &mut Schemas) -> Value {
    named(schemas, name, |schemas| {
        let mut schema = CREATE.json_schema(SchemaSide::Request(model), schemas);
        schema["description"] = json!(match model {
            OperatingModel::Byol => "What a tenant sends that is itself the regulated firm.",
            OperatingModel::Tol => "What a tenant sends that works under the register's licence.",
        });
        schema[OPERATING_MODEL] = json!(model);
        schema
    })
}

/// The response with one user.
const ONE_USER: PayloadDoc = PayloadDoc {
    description: "The user.",
    media: "application/json",
    schema: of_type::<View<User>>,
    examples: &[
        ("byol", include_str!("../../../../../api/examples/user-byol.json")),
        ("tol", include_str!("../../../../../api/examples/user-tol.json")),
    ],
};

/// A request to create a user.
pub struct CreateUser(Person);

impl Operation for CreateUser {
    const OPERATION: &'static str = "POST /users";
    const SCOPES: &'static [&'static str] = ADMIN;
    const IDEMPOTENT: bool = true;
    const DOC: OperationDoc = OperationDoc {
        tag: USERS,
        id: "create_user",
        summary: "Create a user",
        description: "Takes a person into the register. Which members are required depends on the operating model \
            of the tenant; all are allowed in both. No text has control characters. The user is ACTIVE at \
            once if nothing is missing that activation requires.",
        parameters: Vec::new,
        request: Some(PayloadDoc {
            description: "The person.",
            media: "application/json",
            schema: |schemas| {
                json!({ "anyOf": [
                    create_user("CreateUserByol", OperatingModel::Byol, schemas),
                    create_user("CreateUserTol", OperatingModel::Tol, schemas),
                ] })
            },
            examples: &[
                ("byol", include_str!("../../../../../api/examples/create-user-byol.json")),
                ("tol", include_str!("../../../../../api/examples/create-user-tol.json")),
            ],
        }),
        answer: ONE_USER,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let body = received.json()?;
        Ok(Self(Person::parse(body, &received.client.tenant.settings, received.now)?))
    }
}

/// Handles `POST /users`: registers a user, who is active at once if all requirements are met (decision U2).
///
/// # Errors
///
/// Fails if the tenant has too many users, or the idempotency key belongs to another request.
pub async fn create(State(app): State<App>, req: Signed<CreateUser>) -> Result<Reply, Problem> {
    let most = app.config.limits.users_per_tenant;
    let work = move |unit: &mut Unit<'_>, req: &Signed<CreateUser>| {
        if usize::try_from(unit.user_count()).is_ok_and(|users| users >= most) {
            return Err(too_many("users of this tenant").into());
        }
        let person = req.operation.0.clone();
        let registration = User::register(person, &unit.tenant.settings, unit.ids.uuid(), unit.now());
        let (user, view) = users::register(unit, registration)?;
        Ok((user, Reply::ok(view)))
    };
    change_idempotently(&app, "users.create", req, work).await
}

/// A request for a user.
pub struct ReadUser(Uuid);

impl Operation for ReadUser {
    const OPERATION: &'static str = "GET /users/{user_id}";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: USERS,
        id: "retrieve_user",
        summary: "Get a user by id",
        description: "Answers the user as it is now. Users of other tenants are not found.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: None,
        answer: ONE_USER,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(1).map(Self).ok_or(Problem::NotFound("user"))
    }
}

/// Handles `GET /users/{user_id}`: returns a user.
///
/// # Errors
///
/// Fails if the user does not exist.
pub async fn read(State(app): State<App>, req: Signed<ReadUser>) -> Result<Reply, Problem> {
    let (client, id) = (Arc::clone(&req.client), req.operation.0);
    let read = move |tx: &Tx<'_>| users::view(tx, &client.tenant, id).map_err(Problem::from);
    let user = app.store.read("users.read", read).await?;
    user.map(Reply::ok).ok_or(Problem::NotFound("user"))
}

/// A request to offboard a user.
pub struct OffboardUser(Uuid);

impl Operation for OffboardUser {
    const OPERATION: &'static str = "DELETE /users/{user_id}";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::ACCEPTED;
    const DOC: OperationDoc = OperationDoc {
        tag: USERS,
        id: "offboard_user",
        summary: "Offboard a user",
        description: "Begins to offboard a user, which ends when no account group, account or data change is open any \
            more, and not before the tenant's settings allow; USER.OFFBOARDING_INITIATED and USER.OFFBOARDED tell. \
            Nothing is closed by it. Again is no change. The user stays readable.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: None,
        answer: ACCEPTED,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(1).map(Self).ok_or(Problem::NotFound("user"))
    }
}

/// Handles `DELETE /users/{user_id}`: begins the offboarding of a user, which the worker completes (decision U9).
///
/// # Errors
///
/// Fails if the user does not exist.
pub async fn offboard(State(app): State<App>, req: Signed<OffboardUser>) -> Result<Reply, Problem> {
    let work = |unit: &mut Unit<'_>, req: &Signed<OffboardUser>| {
        let (mut user, handle) = load_user(unit, req.operation.0)?;
        if let Some(event) = user.offboard(unit.now()) {
            users::set_status(unit, &handle, &user, event)?;
            let settings = &unit.tenant.settings;
            // By the worker's clock, which decides about due jobs: the instant of the unit may be ahead of it.
            let due = settings.earliest_offboarding(req.now);
            jobs::enqueue(unit.tx, &handle, JobKind::Offboarding, user.id, Some(due))?;
            if settings.offboarding_waits_for.contains(&OffboardingWaitsFor::Operator) {
                jobs::hold_of_kind(unit.tx, &handle, JobKind::Offboarding)?;
            }
        }
        Ok(Reply::accepted())
    };
    let reply = change(&app, "users.offboard", req, work).await?;
    app.work.notify_one();
    Ok(reply)
}

/// A request for a page of the users.
pub struct ListUsers(Page);

impl Operation for ListUsers {
    const OPERATION: &'static str = "GET /users";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: USERS,
        id: "list_users",
        summary: "Get all users",
        description: "Lists the users of the tenant, offboarded ones among them, page by page.",
        parameters: paging::parameters_with_cursor::<SortKey>,
        request: None,
        answer: PayloadDoc {
            description: "A page of the list.",
            media: "application/json",
            schema: |schemas| paging::named_schema("UserList", of_type::<View<User>>, schemas),
            examples: &[
                ("byol", include_str!("../../../../../api/examples/user-list-byol.json")),
                ("tol", include_str!("../../../../../api/examples/user-list-tol.json")),
                ("empty", include_str!("../../../../../api/examples/user-list-empty.json")),
            ],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        paging::parse_with_cursor(received.query()).map(Self)
    }
}

/// Handles `GET /users`: returns a page of the tenant's users.
///
/// # Errors
///
/// Fails if the tenant's budget of scans is exhausted.
pub async fn list(State(app): State<App>, req: Signed<ListUsers>) -> Result<Reply, Problem> {
    let (client, page) = (Arc::clone(&req.client), req.operation.0);
    let scan = move |tx: &Tx<'_>| users::list(tx, &client.tenant, page).map_err(Problem::from);
    let listed = app.scan(req.client.tenant.number, "users.list", scan).await?;
    Ok(Reply::ok(paging::envelope(page, listed)))
}
