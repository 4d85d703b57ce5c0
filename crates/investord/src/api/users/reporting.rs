//! `/investord/…/reporting`: the identifier that names a user in a transaction report, and why; not part of the
//! vendor's API.

use std::sync::Arc;

use axum::extract::State;
use uuid::Uuid;

use super::READ;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{OperationDoc, PayloadDoc, REPORTING, path_id, request};
use crate::app::App;
use crate::domain::identification::dry_run::{DRY_RUN, DryRun};
use crate::domain::identification::identifier::today;
use crate::domain::identification::reporting::Report;
use crate::domain::json::json_schema::of_type;
use crate::problem::Problem;
use crate::store::users::identifiers;
use crate::store::{Tx, users};

/// The response of both operations.
const ANSWER: PayloadDoc = PayloadDoc {
    description: "What would be reported today.",
    media: "application/json",
    schema: of_type::<Report>,
    examples: &[
        ("ready", include_str!("../../../../../api/examples/reporting-ready.json")),
        ("missing", include_str!("../../../../../api/examples/reporting-missing.json")),
    ],
};

/// Serialises a report.
fn reply(report: &Report) -> Reply {
    Reply::ok(serde_json::to_string(report).expect("a report is plain data"))
}

/// A request for the report about a user.
pub struct ReadReporting(Uuid);

impl Operation for ReadReporting {
    const OPERATION: &'static str = "GET /investord/users/{user_id}/reporting";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: REPORTING,
        id: "read_reporting",
        summary: "Get what a user would be reported with",
        description: "How the user would be named in a transaction report today (RTS 22, Article 6 and Annex II), the \
            chain of reasons, what is missing, and what speaks against every identifier.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: None,
        answer: ANSWER,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(2).map(Self).ok_or(Problem::NotFound("user"))
    }
}

/// Handles `GET /investord/users/{user_id}/reporting`: returns the identification of a user in a transaction report of
/// today (RTS 22, Article 6 and Annex II).
///
/// # Errors
///
/// Fails if the user does not exist or the tenant's budget of scans is exhausted.
pub async fn of_user(State(app): State<App>, req: Signed<ReadReporting>) -> Result<Reply, Problem> {
    let (client, id, now) = (Arc::clone(&req.client), req.operation.0, req.now);
    let read = move |tx: &Tx<'_>| {
        let tenant = &client.tenant;
        let (user, handle) = users::load(tx, tenant, id)?.ok_or(Problem::NotFound("user"))?;
        let identifiers = identifiers::of_user(tx, &handle)?;
        let contents = identifiers.iter().map(|one| &one.content);
        let shared = identifiers::list_sharing_users(tx, tenant, Some(&handle), contents)?;
        let (identity, regime) = (&user.person.identity, tenant.settings.regime.into());
        Ok::<_, Problem>(Report::of_user(identity, &identifiers, regime, today(now)).shared_with(shared))
    };
    // A scan reads one snapshot, so that the user and the identifiers are consistent.
    Ok(reply(&app.scan(req.client.tenant.number, "reporting.read", read).await?))
}

/// A request for the report about a person who is not in the register.
pub struct DryRunReporting(DryRun);

impl Operation for DryRunReporting {
    const OPERATION: &'static str = "POST /investord/reporting";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: REPORTING,
        id: "dry_run_reporting",
        summary: "Try what a person would be reported with",
        description: "The same for a person who is not in the register; users who have a number of theirs are named. \
            Nothing is stored.",
        parameters: Vec::new,
        request: Some(PayloadDoc {
            description: "The person.",
            media: "application/json",
            schema: |schemas| request(&DRY_RUN, schemas),
            examples: &[("person", include_str!("../../../../../api/examples/reporting-dry-run.json"))],
        }),
        answer: ANSWER,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        Ok(Self(DryRun::parse(received.json()?, &received.client.tenant.settings, received.now)?))
    }
}

/// Handles `POST /investord/reporting`: returns the identification of a person who is not in the register.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn dry_run(State(app): State<App>, req: Signed<DryRunReporting>) -> Result<Reply, Problem> {
    let (client, DryRunReporting(person)) = (Arc::clone(&req.client), req.operation);
    let report = person.report();
    let read = move |tx: &Tx<'_>| identifiers::list_sharing_users(tx, &client.tenant, None, &person.contents);
    let shared = app.store.read("reporting.shared", read).await?;
    Ok(reply(&report.shared_with(shared)))
}
