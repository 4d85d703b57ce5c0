//! `/users/{user_id}/tax_residencies`: read, set.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;
use uuid::Uuid;

use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::{change_idempotently, has_not_left, load_user};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{OperationDoc, PayloadDoc, TAXES, path_id, request};
use crate::app::App;
use crate::domain::json::json_schema::of_type;
use crate::domain::resource::View;
use crate::domain::users::tax_residency::{SET, TaxResidencies};
use crate::problem::Problem;
use crate::store::unit::Unit;
use crate::store::users::{activation, tax_residencies};
use crate::store::{Tx, users};

/// Scopes of which one allows reading tax residencies.
const READ: &[&str] = &["taxes:read", "taxes:admin"];
/// Scope that allows setting tax residencies.
const ADMIN: &[&str] = &["taxes:admin"];

/// The response of both operations.
const RECORDED: PayloadDoc = PayloadDoc {
    description: "The tax residencies.",
    media: "application/json",
    schema: of_type::<View<TaxResidencies>>,
    examples: &[("record", include_str!("../../../../../api/examples/tax-residencies.json"))],
};

/// A request for the tax residencies of a user.
pub struct ReadTaxResidencies(Uuid);

impl Operation for ReadTaxResidencies {
    const OPERATION: &'static str = "GET /users/{user_id}/tax_residencies";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: TAXES,
        id: "retrieve_tax_residencies",
        summary: "Get the tax residencies of a user",
        description: "Answers what was set last; 404 if nothing has been set.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: None,
        answer: RECORDED,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(1).map(Self).ok_or(Problem::NotFound("user"))
    }
}

/// Handles `GET /users/{user_id}/tax_residencies`: returns the tax residencies of a user.
///
/// # Errors
///
/// Fails if the user does not exist or has no record of tax residencies.
pub async fn read(State(app): State<App>, req: Signed<ReadTaxResidencies>) -> Result<Reply, Problem> {
    let (client, user) = (Arc::clone(&req.client), req.operation.0);
    let read = move |tx: &Tx<'_>| {
        let user = users::find(tx, &client.tenant, user)?.ok_or(Problem::NotFound("user"))?;
        let found = tax_residencies::of_user(tx, &user)?;
        found.ok_or(Problem::NotFound("record: no tax residency has been set"))
    };
    Ok(Reply::ok(app.store.read("tax_residencies.read", read).await?.view().to_string()))
}

/// A request to replace the tax residencies of a user.
pub struct SetTaxResidencies {
    user: Uuid,
    all: Value,
}

impl Operation for SetTaxResidencies {
    const OPERATION: &'static str = "POST /users/{user_id}/tax_residencies";
    const SCOPES: &'static [&'static str] = ADMIN;
    const IDEMPOTENT: bool = true;
    const DOC: OperationDoc = OperationDoc {
        tag: TAXES,
        id: "set_tax_residencies",
        summary: "Set the tax residencies of a user",
        description: "Puts these in the place of those that were set before. A user who waited for nothing else \
            becomes ACTIVE by it.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: Some(PayloadDoc {
            description: "All of them.",
            media: "application/json",
            schema: |schemas| request(&SET, schemas),
            examples: &[("two", include_str!("../../../../../api/examples/set-tax-residencies.json"))],
        }),
        answer: RECORDED,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let user = received.path_id(1).ok_or(Problem::NotFound("user"))?;
        let all = TaxResidencies::parse(received.json()?, &received.client.tenant.settings, received.now)?;
        Ok(Self { user, all })
    }
}

/// Handles `POST /users/{user_id}/tax_residencies`: replaces the tax residencies, and activates the user if all
/// requirements are met.
///
/// # Errors
///
/// Fails if the user does not exist or has left.
pub async fn set(State(app): State<App>, req: Signed<SetTaxResidencies>) -> Result<Reply, Problem> {
    let work = |unit: &mut Unit<'_>, req: &Signed<SetTaxResidencies>| {
        let (mut user, handle) = load_user(unit, req.operation.user)?;
        has_not_left(&user)?;
        let record = tax_residencies::set(unit, &handle, req.operation.all.clone())?;
        activation::activate_if_complete(unit, &handle, &mut user, None)?;
        Ok((handle, Reply::ok(record.view().to_string())))
    };
    change_idempotently(&app, "tax_residencies.set", req, work).await
}
