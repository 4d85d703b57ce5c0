//! The operations that account groups and accounts share: list, list those of a user, read, close.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::{change, load_user};
use crate::api::front::paging;
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{ACCEPTED, OperationDoc, PayloadDoc, path_id};
use crate::app::App;
use crate::domain::accounts::{AccountResource, CLOSURE_REASONS};
use crate::domain::json::query;
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::FieldRule;
use crate::problem::Problem;
use crate::store::accounts;
use crate::store::accounts::StoredAccountResource;
use crate::store::jobs::JobKind;
use crate::store::paging::{Page, SortKey};
use crate::store::unit::Unit;
use crate::store::{Tx, jobs, users};

/// Scopes of which one allows reading account groups and accounts.
pub const READ: &[&str] = &["accounts:read", "accounts:admin"];
/// Scope that allows changing account groups and accounts.
pub const ADMIN: &[&str] = &["accounts:admin"];

/// The differences between account groups and accounts in the API.
pub trait AccountEndpoints: StoredAccountResource {
    /// Section of the OpenAPI document.
    const TAG: &'static str;
    /// Operation and operation id of the list of all users' resources.
    const LIST: (&'static str, &'static str);
    /// Operation and operation id of the list of one user's resources.
    const OF_USER: (&'static str, &'static str);
    /// Operation and operation id of the read.
    const READ: (&'static str, &'static str);
    /// Operation and operation id of the closing.
    const CLOSE: (&'static str, &'static str);
    /// Name of the id in the path.
    const ID: &'static str;
    /// Kind of the job that completes a closing.
    const CLOSING: JobKind;
    /// Description of the closing for the OpenAPI document.
    const CLOSE_DESCRIPTION: &'static str;
    /// The response with one resource.
    const ONE: PayloadDoc;
    /// The response with a page of resources.
    const PAGE: PayloadDoc;

    /// Stores the data of the closing request with the resource. An account has none.
    fn closes(&mut self, _query: &CloseQuery) {}

    /// Returns the query parameters of the closing request.
    fn close_parameters() -> Vec<Value> {
        Vec::new()
    }
}

/// A request for a page of the resources of all users.
pub struct ListAccountResources<T>(Page, PhantomData<T>);

impl<T: AccountEndpoints> Operation for ListAccountResources<T> {
    const OPERATION: &'static str = T::LIST.0;
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: T::TAG,
        id: T::LIST.1,
        summary: "List all",
        description: "Lists those of all users of the tenant, closed ones among them, page by page.",
        parameters: paging::parameters_with_cursor::<SortKey>,
        request: None,
        answer: T::PAGE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        Ok(Self(paging::parse_with_cursor(received.query())?, PhantomData))
    }
}

/// Handles `GET /account_groups` and `GET /accounts`: returns a page of the resources of all users.
///
/// # Errors
///
/// Fails if the tenant's budget of scans is exhausted.
pub async fn list<T: AccountEndpoints>(
    State(app): State<App>,
    req: Signed<ListAccountResources<T>>,
) -> Result<Reply, Problem> {
    let (client, page) = (Arc::clone(&req.client), req.operation.0);
    let scan = move |tx: &Tx<'_>| accounts::list::<T>(tx, &client.tenant, page).map_err(Problem::from);
    let listed = app.scan(req.client.tenant.number, "accounts.list", scan).await?;
    Ok(Reply::ok(paging::envelope(page, listed)))
}

/// A request for a page of the resources of one user.
pub struct ListAccountResourcesOfUser<T>(Uuid, Page, PhantomData<T>);

impl<T: AccountEndpoints> Operation for ListAccountResourcesOfUser<T> {
    const OPERATION: &'static str = T::OF_USER.0;
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: T::TAG,
        id: T::OF_USER.1,
        summary: "List those of a user",
        description: "Lists those of one user, closed ones among them, page by page.",
        parameters: || {
            std::iter::once(path_id("user_id", "Id of the user."))
                .chain(paging::parameters::<SortKey>())
                .collect()
        },
        request: None,
        answer: T::PAGE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let page = paging::parse(received.query())?;
        received.path_id(1).map(|user| Self(user, page, PhantomData)).ok_or(Problem::NotFound("user"))
    }
}

/// Handles `GET /users/{user_id}/account_groups` and `GET /users/{user_id}/accounts`: returns a page of the resources
/// of one user.
///
/// # Errors
///
/// Fails if the user does not exist.
pub async fn of_user<T: AccountEndpoints>(
    State(app): State<App>,
    req: Signed<ListAccountResourcesOfUser<T>>,
) -> Result<Reply, Problem> {
    let (client, ListAccountResourcesOfUser(user, page, _)) = (Arc::clone(&req.client), req.operation);
    let read = move |tx: &Tx<'_>| {
        let user = users::find(tx, &client.tenant, user)?.ok_or(Problem::NotFound("user"))?;
        Ok::<_, Problem>(accounts::of_user::<T>(tx, &user)?)
    };
    let all = app.store.read("accounts.of_user", read).await?;
    let compare = |sort: SortKey, one: &AccountResource<T>, other: &AccountResource<T>| match sort {
        SortKey::CreatedAt => Ordering::Equal,
        SortKey::UpdatedAt => one.updated_at.cmp(&other.updated_at),
    };
    let listed = page.of(all, compare, T::view);
    Ok(Reply::ok(paging::envelope(page, listed)))
}

/// A request for one resource.
pub struct ReadAccountResource<T>(Uuid, PhantomData<T>);

impl<T: AccountEndpoints> Operation for ReadAccountResource<T> {
    const OPERATION: &'static str = T::READ.0;
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: T::TAG,
        id: T::READ.1,
        summary: "Get one by id",
        description: "Answers it as it is now. What belongs to users of other tenants is not found.",
        parameters: || vec![path_id(T::ID, "Its id.")],
        request: None,
        answer: T::ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(1).map(|id| Self(id, PhantomData)).ok_or(Problem::NotFound(T::NOUN))
    }
}

/// Handles `GET /account_groups/{account_group_id}` and `GET /accounts/{account_id}`: returns one resource.
///
/// # Errors
///
/// Fails if the resource does not exist.
pub async fn read<T: AccountEndpoints>(
    State(app): State<App>,
    req: Signed<ReadAccountResource<T>>,
) -> Result<Reply, Problem> {
    let (client, id) = (Arc::clone(&req.client), req.operation.0);
    let read =
        move |tx: &Tx<'_>| accounts::by_id::<T>(tx, &client.tenant, id)?.ok_or(Problem::NotFound(T::NOUN));
    Ok(Reply::ok(T::view(&app.store.read("accounts.read", read).await?).to_string()))
}

/// The query parameters of a closing request.
pub struct CloseQuery {
    /// Reason for the closing, stored with the resource.
    pub reason: Option<String>,
    /// Whether the user is only to be notified of a later closing, so that nothing is closed yet.
    notification_only: bool,
}

/// Query parameters of the request that closes an account group.
pub static CLOSE: [QueryParameter; 2] = [
    QueryParameter {
        name: "closure_reason",
        rule: FieldRule::OneOf(CLOSURE_REASONS),
        default: None,
        description: "Why it is closed; kept with it.",
    },
    QueryParameter {
        name: "notification_only",
        rule: FieldRule::Bool,
        default: Some("false"),
        description: "Whether the user is only to be told; then nothing is closed.",
    },
];

impl CloseQuery {
    /// Parses the query parameters.
    fn parse(query: &str) -> Result<Self, Problem> {
        let values = query::read(query, &CLOSE)?;
        let reason = values.text("closure_reason").map(str::to_owned);
        Ok(Self { reason, notification_only: values.is_true("notification_only") })
    }
}

/// A request to close one resource.
pub struct CloseAccountResource<T> {
    id: Uuid,
    query: CloseQuery,
    kind: PhantomData<T>,
}

impl<T: AccountEndpoints> Operation for CloseAccountResource<T> {
    const OPERATION: &'static str = T::CLOSE.0;
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::ACCEPTED;
    const DOC: OperationDoc = OperationDoc {
        tag: T::TAG,
        id: T::CLOSE.1,
        summary: "Close one",
        description: T::CLOSE_DESCRIPTION,
        parameters: || std::iter::once(path_id(T::ID, "Its id.")).chain(T::close_parameters()).collect(),
        request: None,
        answer: ACCEPTED,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let query = CloseQuery::parse(received.query())?;
        let id = received.path_id(1).ok_or(Problem::NotFound(T::NOUN))?;
        Ok(Self { id, query, kind: PhantomData })
    }
}

/// Handles `DELETE /account_groups/{account_group_id}` and `DELETE /accounts/{account_id}`: begins a closing, which the
/// worker completes.
///
/// # Errors
///
/// Fails if the resource does not exist, or is closing, closed or locked.
pub async fn close<T: AccountEndpoints>(
    State(app): State<App>,
    req: Signed<CloseAccountResource<T>>,
) -> Result<Reply, Problem> {
    let work = |unit: &mut Unit<'_>, req: &Signed<CloseAccountResource<T>>| {
        let CloseAccountResource { id, query, .. } = &req.operation;
        let found = accounts::by_id::<T>(unit.tx, unit.tenant, *id)?;
        let mut found = found.ok_or(Problem::NotFound(T::NOUN))?;
        if query.notification_only {
            return Ok(Reply::accepted());
        }
        let event = found.close(unit.now()).ok_or(Problem::State("it is closing, closed or locked"))?;
        found.content.closes(query);
        let (_, handle) = load_user(unit, found.user_id)?;
        accounts::update(unit, &handle, &found, event)?;
        // By the worker's clock, which decides about due jobs: the instant of the unit may be ahead of it.
        jobs::enqueue(unit.tx, &handle, T::CLOSING, *id, Some(req.now))?;
        Ok(Reply::accepted())
    };
    let reply = change(&app, "accounts.close", req, work).await?;
    app.work.notify_one();
    Ok(reply)
}

/// Returns the parameters of a [`CloseQuery`] for the OpenAPI document.
pub fn close_parameters() -> Vec<Value> {
    query::to_openapi(&CLOSE)
}
