//! `/users/{user_id}/data_change_requests`: create, list, preview.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADMIN, READ};
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::{change, has_not_left, load_user, too_many};
use crate::api::front::paging;
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{ACCEPTED, OperationDoc, PayloadDoc, USERS, path_id, request_with};
use crate::app::App;
use crate::domain::json::json_schema::of_type;
use crate::domain::tenants::OperatingModel;
use crate::domain::users::data_change::{
    ADDRESS, ANY, DataChange, DataChangeView, NAME, NATIONALITY, OTHER, RequestedChange,
};
use crate::domain::users::preview::Preview;
use crate::problem::Problem;
use crate::store::jobs;
use crate::store::jobs::JobKind;
use crate::store::paging::{Page, list_of_user};
use crate::store::unit::Unit;
use crate::store::users::{data_changes, identifiers};
use crate::store::{Tx, users};

/// JSON Schema keywords for a change without proof: at least one member.
const ANYTHING: &str = r#"{ "minProperties": 1 }"#;
/// JSON Schema keywords for a change that may have a proof: at least one member beside the proof.
const MORE_THAN_PROOF: &str = r#"{ "minProperties": 1, "not": {
    "propertyNames": { "enum": ["issuance_date", "data_download_link", "document_type"] }
} }"#;

/// A request to change data of a user.
pub struct RequestDataChange {
    user: Uuid,
    requested: RequestedChange,
}

impl Operation for RequestDataChange {
    const OPERATION: &'static str = "POST /users/{user_id}/data_change_requests";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::ACCEPTED;
    const DOC: OperationDoc = OperationDoc {
        tag: USERS,
        id: "user_data_change",
        summary: "Change user data",
        description: "Asks for a change of a user's data. It is accepted at once and done later, requests of one user \
            in their order; USER.DATA_CHANGED or USER.DATA_CHANGE_FAILED tells the outcome. A tenant that works \
            under the register's licence sends one thing with its proof, or what needs none.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: Some(PayloadDoc {
            description: "What is to be changed.",
            media: "application/json",
            schema: |schemas| {
                // The operating model of the tenant decides which of these bodies is valid (decision U8).
                let any = request_with(&ANY, MORE_THAN_PROOF, Some(OperatingModel::Byol), schemas);
                let proved = [&NAME, &NATIONALITY, &ADDRESS];
                let proved =
                    proved.map(|shape| request_with(shape, "{}", Some(OperatingModel::Tol), schemas));
                let other = request_with(&OTHER, ANYTHING, Some(OperatingModel::Tol), schemas);
                let all: Vec<Value> = std::iter::once(any).chain(proved).chain([other]).collect();
                json!({ "anyOf": all })
            },
            examples: &[
                ("name", include_str!("../../../../../api/examples/change-name.json")),
                ("email", include_str!("../../../../../api/examples/change-email.json")),
                ("nationality", include_str!("../../../../../api/examples/change-nationality.json")),
                ("address", include_str!("../../../../../api/examples/change-address.json")),
                ("byol", include_str!("../../../../../api/examples/change-byol.json")),
            ],
        }),
        answer: ACCEPTED,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let user = received.path_id(1).ok_or(Problem::NotFound("user"))?;
        let requested =
            RequestedChange::parse(received.json()?, &received.client.tenant.settings, received.now)?;
        Ok(Self { user, requested })
    }
}

/// Handles `POST /users/{user_id}/data_change_requests`: files a data change, which the worker applies.
///
/// # Errors
///
/// Fails if the user does not exist or has left, or has too many undecided data changes.
pub async fn create(State(app): State<App>, req: Signed<RequestDataChange>) -> Result<Reply, Problem> {
    let most_open = app.config.limits.open_data_changes_per_user;
    let work = move |unit: &mut Unit<'_>, req: &Signed<RequestDataChange>| {
        let RequestDataChange { user, requested } = &req.operation;
        let (user, handle) = load_user(unit, *user)?;
        has_not_left(&user)?;
        if jobs::count_open(unit.tx, &handle, JobKind::DataChange)? >= most_open {
            return Err(too_many("undecided data changes of this user").into());
        }
        let change = DataChange::new(unit.ids.uuid(), user.id, unit.now(), requested.clone());
        data_changes::insert(unit, &handle, &change)?;
        // By the worker's clock, which decides about due jobs: the instant of the unit may be ahead of it.
        let due = (!requested.is_for_review(&unit.tenant.settings)).then_some(req.now);
        jobs::enqueue(unit.tx, &handle, JobKind::DataChange, change.id, due)?;
        Ok(Reply::accepted())
    };
    let reply = change(&app, "data_changes.create", req, work).await?;
    app.work.notify_one();
    Ok(reply)
}

/// A request to preview a data change.
pub struct PreviewDataChange {
    user: Uuid,
    requested: RequestedChange,
}

impl Operation for PreviewDataChange {
    const OPERATION: &'static str = "POST /investord/users/{user_id}/data_change_requests/preview";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: USERS,
        id: "preview_data_change",
        summary: "Try a change of user data",
        description: "Beyond the vendor's API: what a change would lead to. Nothing is stored and nothing is told.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: RequestDataChange::DOC.request,
        answer: PayloadDoc {
            description: "What would become of the user.",
            media: "application/json",
            schema: of_type::<Preview>,
            examples: &[("polish", include_str!("../../../../../api/examples/data-change-preview.json"))],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let user = received.path_id(2).ok_or(Problem::NotFound("user"))?;
        let requested =
            RequestedChange::parse(received.json()?, &received.client.tenant.settings, received.now)?;
        Ok(Self { user, requested })
    }
}

/// Handles `POST /investord/users/{user_id}/data_change_requests/preview`: returns the consequences of a data change
/// without storing it.
///
/// # Errors
///
/// Fails if the user does not exist or the tenant's budget of scans is exhausted.
pub async fn preview(State(app): State<App>, req: Signed<PreviewDataChange>) -> Result<Reply, Problem> {
    let (client, id, now) = (Arc::clone(&req.client), req.operation.user, req.now);
    let requested = req.operation.requested;
    let read = move |tx: &Tx<'_>| {
        let tenant = &client.tenant;
        let (user, handle) = users::load(tx, tenant, id)?.ok_or(Problem::NotFound("user"))?;
        let held = identifiers::of_user(tx, &handle)?;
        let contents = held.iter().map(|one| &one.content);
        let shared = identifiers::list_sharing_users(tx, tenant, Some(&handle), contents)?;
        Ok::<_, Problem>(Preview::of(&user, &held, &shared, requested.clone(), &tenant.settings, now))
    };
    // A scan reads one snapshot, so that the user and the identifiers are consistent.
    let preview = app.scan(req.client.tenant.number, "data_changes.preview", read).await?;
    Ok(Reply::ok(serde_json::to_string(&preview).expect("a preview is plain data")))
}

/// A request for the data changes of a user.
pub struct ListDataChanges(Uuid, Page);

impl Operation for ListDataChanges {
    const OPERATION: &'static str = "GET /investord/users/{user_id}/data_change_requests";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: USERS,
        id: "list_data_changes",
        summary: "Get the data changes of a user",
        description: "Beyond the vendor's API: every request that the data of a user be changed, the oldest first, \
            with its proof, the values before, and its outcome.",
        parameters: || {
            std::iter::once(path_id("user_id", "Id of the user.")).chain(paging::whole_parameters()).collect()
        },
        request: None,
        answer: PayloadDoc {
            description: "A page of the list.",
            media: "application/json",
            schema: |schemas| paging::named_schema("DataChangeList", of_type::<DataChangeView>, schemas),
            examples: &[],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let page = paging::parse_whole(received.query())?;
        received.path_id(2).map(|user| Self(user, page)).ok_or(Problem::NotFound("user"))
    }
}

/// Handles `GET /investord/users/{user_id}/data_change_requests`: returns a page of the user's data changes.
///
/// # Errors
///
/// Fails if the user does not exist or the tenant's budget of scans is exhausted.
pub async fn list(State(app): State<App>, req: Signed<ListDataChanges>) -> Result<Reply, Problem> {
    let (client, ListDataChanges(user, page)) = (Arc::clone(&req.client), req.operation);
    let read = move |tx: &Tx<'_>| {
        let user = users::find(tx, &client.tenant, user)?.ok_or(Problem::NotFound("user"))?;
        Ok::<_, Problem>(list_of_user(tx, &user, page, |change: &DataChange| json!(change.view()))?)
    };
    let listed = app.scan(req.client.tenant.number, "data_changes.list", read).await?;
    Ok(Reply::ok(paging::envelope(page, listed)))
}
