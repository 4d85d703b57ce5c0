//! `/investord/…/reporting`: the identifier that names a user in a transaction report, and why; not part of the
//! vendor's API.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};
use uuid::Uuid;

use super::READ;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{OperationDoc, PayloadDoc, REPORTING, path_id, request};
use crate::app::App;
use crate::domain::identification::dry_run::{DRY_RUN, DryRun};
use crate::domain::identification::identifier::today;
use crate::domain::identification::reporting::Report;
use crate::domain::json::json_schema::Schemas;
use crate::problem::Problem;
use crate::store::users::identifiers;
use crate::store::{Tx, users};

/// Returns the schema of a [`Report`].
pub fn schema(schemas: &mut Schemas) -> Value {
    schemas.named("Reporting", |_| {
        let country = text("The nationality that counts, ISO 3166-1 alpha-2.");
        let reason = object(&json!({
            "text": text("What was decided and why."),
            "open": { "type": "boolean", "description": "The rules leave it open: it is a choice." },
        }));
        let rules = object(&json!({
            "version": text("The version of the rule tables, as in 2026-11-29."),
            "digest": text("SHA-256 of the rule tables, in hexadecimal."),
        }));
        object(&json!({
            "as_of": { "type": "string", "format": "date", "description": "The day of the answer." },
            "regime": { "enum": ["EU", "UK"], "description": "Under which copy of RTS 22." },
            "rules": rules,
            "outcome": { "enum": ["READY", "MISSING", "NEEDS_REVIEW"] },
            "designation": priority(json!({
                "country": country,
                "priority": { "type": "integer", "minimum": 1, "description": "Of the country's row, from 1." },
                "identifier": text("As it is reported: country code and identifier."),
            })),
            "missing": priority(json!({ "country": country, "next": priority(json!({})) })),
            "review": { "type": ["string", "null"], "description": "Why somebody has to look at it." },
            "reasons": list(&reason, "The chain that leads to the outcome."),
            "identifiers": list(&identifier(), "All that is known, of use here or not."),
            "auth016": { "type": ["string", "null"], "description": "The element Prsn of ISO 20022 auth.016." },
        }))
    })
}

/// Returns the schema of an identifier and its findings.
fn identifier() -> Value {
    let severity = "hard: no such identifier exists; soft: worth a look.";
    let finding = object(&json!({
        "severity": { "enum": ["hard", "soft"], "description": severity },
        "code": text("A name for machines, as in check_digit."),
        "message": text("What is found, to be read out."),
    }));
    let mut identifier = object(&json!({
        "type": { "enum": ["NATIONAL_ID", "PASSPORT"] },
        "issuing_country": text("Whose identifier it is."),
        "identifier_standard": text("Abbreviation of the standard."),
        "identifier": text("As it was sent."),
        "reported": text("In the form that is reported."),
        "faults": list(&finding, "What speaks against it today, beside the person as they are."),
    }));
    identifier["properties"]["id"] = json!({ "type": "string", "format": "uuid" });
    identifier["properties"]["shared_with"] = json!({
        "type": "array", "items": { "type": "string", "format": "uuid" },
        "description": "Other users who have the same number; left out if none has.",
    });
    identifier
}

/// Returns the schema of a priority of Annex II with further members, or null.
fn priority(more: Value) -> Value {
    let mut properties = json!({
        "identifier_standard": text("Abbreviation of the standard, as for identifiers."),
        "scheme": { "enum": ["NIDN", "CCPT", "CONCAT"], "description": "The label in the report." },
        "name": text("The name of the identifier in Annex II of RTS 22; empty for a CONCAT."),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
        all.extend(more);
    }
    let mut schema = object(&properties);
    schema["type"] = json!(["object", "null"]);
    schema
}

/// Returns the schema of an object with all of these members.
fn object(properties: &Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn list(item: &Value, description: &str) -> Value {
    json!({ "type": "array", "items": item, "description": description })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// The response of both operations.
const ANSWER: PayloadDoc = PayloadDoc {
    description: "What would be reported today.",
    media: "application/json",
    schema,
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
