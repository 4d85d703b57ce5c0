//! `/users/{user_id}/checks`: list, create, read.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::{change, is_not_leaving, load_user, too_many};
use crate::api::front::paging;
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{CHECKS, OperationDoc, PayloadDoc, path_id, request, request_with};
use crate::app::App;
use crate::domain::json::json_schema::{named, of_type};
use crate::domain::json::query;
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::FieldRule;
use crate::domain::resource::View;
use crate::domain::users::check::{Check, CheckContent, CheckKind, INSTRUMENT_FIT, KYC, KYC_DOCUMENT, POR};
use crate::problem::Problem;
use crate::store::jobs;
use crate::store::jobs::JobKind;
use crate::store::paging::{ListPage, Page, each_of_user, list_of_user};
use crate::store::unit::Unit;
use crate::store::users::checks;
use crate::store::{Tx, users};

/// Scopes of which one allows reading checks.
const READ: &[&str] = &["checks:read", "checks:admin"];
/// Scope that allows creating checks.
const ADMIN: &[&str] = &["checks:admin"];

/// Returns the path parameters of one check.
fn parameters() -> Vec<Value> {
    vec![path_id("user_id", "Id of the user."), path_id("check_id", "Id of the check.")]
}

/// Query parameters of the list. All checks are the default (decision W25).
pub static LIST: [QueryParameter; 2] = [
    QueryParameter {
        name: "list_history",
        rule: FieldRule::Bool,
        default: Some("true"),
        description: "Whether all are listed, or of each type the latest alone.",
    },
    QueryParameter {
        name: "type",
        rule: FieldRule::OneOf(KINDS),
        default: None,
        description: "Of which type; of all without it.",
    },
];
/// Types of checks, as they are named in the query.
const KINDS: &[&str] = &[
    CheckKind::Kyc.into_str(),
    CheckKind::Por.into_str(),
    CheckKind::InstrumentFit.into_str(),
    CheckKind::Compliance.into_str(),
];

/// A request for the checks of a user.
pub struct ListChecks {
    user: Uuid,
    page: Page,
    /// Whether only the latest check of each type is listed.
    latest: bool,
    kind: Option<CheckKind>,
}

impl Operation for ListChecks {
    const OPERATION: &'static str = "GET /users/{user_id}/checks";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: CHECKS,
        id: "list_user_checks",
        summary: "List the checks of a user",
        description: "Lists the checks of a user, the oldest first.",
        parameters: || {
            let user = path_id("user_id", "Id of the user.");
            std::iter::once(user).chain(query::to_openapi(&LIST)).chain(paging::whole_parameters()).collect()
        },
        request: None,
        answer: PayloadDoc {
            description: "A page of the list.",
            media: "application/json",
            schema: |schemas| paging::named_schema("CheckList", of_type::<View<Check>>, schemas),
            examples: &[("list", include_str!("../../../../../api/examples/check-list.json"))],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let user = received.path_id(1).ok_or(Problem::NotFound("user"))?;
        let values = query::read(received.query(), &LIST)?;
        let kind = values.text("type").and_then(|kind| kind.parse::<CheckKind>().ok());
        let page = paging::parse_whole(received.query())?;
        Ok(Self { user, page, latest: !values.is_true("list_history"), kind })
    }
}

/// Handles `GET /users/{user_id}/checks`: returns a page of the user's checks.
///
/// # Errors
///
/// Fails if the user does not exist or the tenant's budget of scans is exhausted.
pub async fn list(State(app): State<App>, req: Signed<ListChecks>) -> Result<Reply, Problem> {
    let (client, ListChecks { user, page, latest, kind }) = (Arc::clone(&req.client), req.operation);
    let read = move |tx: &Tx<'_>| {
        let user = users::find(tx, &client.tenant, user)?.ok_or(Problem::NotFound("user"))?;
        // Only the unfiltered list can read its page alone; the filters need every check of the user.
        if !latest && kind.is_none() {
            return Ok::<_, Problem>(list_of_user(tx, &user, page, Check::view)?);
        }
        let (mut found, part) = (Vec::new(), page.offset..page.offset + page.limit);
        let mut listed = ListPage::new(0);
        each_of_user(tx, &user, |check: Check| {
            if kind.is_some_and(|kind| check.content.kind != kind) {
                return;
            }
            if latest {
                // The checks come in the order of their creation, so the latest one remains.
                found.retain(|one: &Check| one.content.kind != check.content.kind);
                found.push(check);
            } else {
                if part.contains(&listed.total) {
                    listed.add(&check.view());
                }
                listed.total += 1;
            }
        })?;
        Ok(if latest { page.of(found, |_, _, _| Ordering::Equal, Check::view) } else { listed })
    };
    let listed = app.scan(req.client.tenant.number, "checks.list", read).await?;
    Ok(Reply::ok(paging::envelope(page, listed)))
}

/// A request for a check, with the ids of the user and the check.
pub struct ReadCheck(Uuid, Uuid);

impl Operation for ReadCheck {
    const OPERATION: &'static str = "GET /users/{user_id}/checks/{check_id}";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: CHECKS,
        id: "retrieve_user_check",
        summary: "Get a check of a user by id",
        description: "Answers one check of a user.",
        parameters,
        request: None,
        answer: PayloadDoc {
            description: "The check.",
            media: "application/json",
            schema: of_type::<View<Check>>,
            examples: &[
                ("kyc", include_str!("../../../../../api/examples/check-kyc.json")),
                ("compliance", include_str!("../../../../../api/examples/check-compliance.json")),
            ],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let ids = received.path_id(1).zip(received.path_id(3));
        ids.map(|(user, id)| Self(user, id)).ok_or(Problem::NotFound("check"))
    }
}

/// Handles `GET /users/{user_id}/checks/{check_id}`: returns a check.
///
/// # Errors
///
/// Fails if the user or the check does not exist.
pub async fn read(State(app): State<App>, req: Signed<ReadCheck>) -> Result<Reply, Problem> {
    let (client, ReadCheck(user, id)) = (Arc::clone(&req.client), req.operation);
    let read = move |tx: &Tx<'_>| {
        let user = users::find(tx, &client.tenant, user)?.ok_or(Problem::NotFound("user"))?;
        checks::by_id(tx, &user, id)?.ok_or(Problem::NotFound("check"))
    };
    Ok(Reply::ok(app.store.read("checks.read", read).await?.view().to_string()))
}

/// A request to create a check.
pub struct CreateCheck {
    user: Uuid,
    content: CheckContent,
}

impl Operation for CreateCheck {
    const OPERATION: &'static str = "POST /users/{user_id}/checks";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::ACCEPTED;
    const DOC: OperationDoc = OperationDoc {
        tag: CHECKS,
        id: "create_user_check",
        summary: "Create a check of a user",
        description: "Files what was checked of a user. It is accepted at once and decided later; USER_CHECK.PASSED or \
            USER_CHECK.FAILED tells the outcome. When a KYC check has passed, the register makes a COMPLIANCE check \
            itself.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: Some(PayloadDoc {
            description: "What was checked.",
            media: "application/json",
            schema: |schemas| {
                let kyc = request_with(&KYC, KYC_DOCUMENT, None, schemas);
                json!({ "oneOf": [kyc, request(&POR, schemas), request(&INSTRUMENT_FIT, schemas)] })
            },
            examples: &[
                ("kyc", include_str!("../../../../../api/examples/create-check-kyc.json")),
                ("por", include_str!("../../../../../api/examples/create-check-por.json")),
                (
                    "instrument fit",
                    include_str!("../../../../../api/examples/create-check-instrument-fit.json"),
                ),
            ],
        }),
        answer: PayloadDoc {
            description: "Accepted.",
            media: "application/json",
            schema: |schemas| {
                named(schemas, "CheckId", |_| {
                    json!({
                        "type": "object",
                        "properties": { "id": { "type": "string", "format": "uuid" } },
                        "required": ["id"],
                    })
                })
            },
            examples: &[("id", include_str!("../../../../../api/examples/check-id.json"))],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let user = received.path_id(1).ok_or(Problem::NotFound("user"))?;
        let content = CheckContent::parse(received.json()?, &received.client.tenant.settings, received.now)?;
        Ok(Self { user, content })
    }
}

/// Handles `POST /users/{user_id}/checks`: files a check, which the worker or an operator decides.
///
/// # Errors
///
/// Fails if the user does not exist or is leaving, or has too many undecided checks.
pub async fn create(State(app): State<App>, req: Signed<CreateCheck>) -> Result<Reply, Problem> {
    let most_open = app.config.limits.open_checks_per_user;
    let work = move |unit: &mut Unit<'_>, req: &Signed<CreateCheck>| {
        let (user, handle) = load_user(unit, req.operation.user)?;
        is_not_leaving(&user)?;
        if jobs::count_open(unit.tx, &handle, JobKind::Check)? >= most_open {
            return Err(too_many("undecided checks of this user").into());
        }
        let check = Check::new(unit.ids.uuid(), user.id, unit.now(), req.operation.content.clone());
        checks::insert_and_publish(unit, &handle, &check)?;
        // By the worker's clock, which decides about due jobs: the instant of the unit may be ahead of it.
        let due = (!check.content.is_for_review(&unit.tenant.settings)).then_some(req.now);
        jobs::enqueue(unit.tx, &handle, JobKind::Check, check.id, due)?;
        Ok(Reply::accepted_with(json!({ "id": check.id }).to_string()))
    };
    let reply = change(&app, "checks.create", req, work).await?;
    app.work.notify_one();
    Ok(reply)
}
