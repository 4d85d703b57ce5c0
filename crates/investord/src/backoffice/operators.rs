//! `/operators`: list, create, disable.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use strum::VariantNames as _;

use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::session::{OperatorView, hash_in_turn, hash_password};
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::problem::Problem;
use crate::store::tenants::operator_sessions;
use crate::store::tenants::operators;
use crate::store::tenants::operators::{Operator, Role};
use crate::store::{Tx, tenants};

/// A request for the operators.
pub struct ListOperators;

impl OperatorOperation for ListOperators {
    const OPERATION: &'static str = "GET /operators";
    const ROLE: Role = Role::Administrator;
    type Answer = List<OperatorView>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_operators",
        summary: "List operators",
        description: "Lists the operators of the caller's tenant, or all of them.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /operators`: returns the operators of the caller's tenant, or all operators.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn list(
    State(app): State<App>,
    req: ByOperator<ListOperators>,
) -> OperatorResult<List<OperatorView>> {
    let all = app.store.read("operators.list", operators::all).await?;
    let tenant = req.operator.tenant;
    let own = all.iter().filter(|one| tenant.is_none() || tenant == one.tenant);
    Ok(JsonAnswer(List { data: own.map(OperatorView::from).collect() }))
}

/// Rule for the name of a tenant.
const TENANT: FieldRule = FieldRule::Text { min: 1, max: 200 };

/// The body of `POST /operators`.
static CREATE: ObjectSchema = ObjectSchema {
    name: "CreateOperator",
    fields: &[
        field("name", Presence::Always, FieldRule::Text { min: 1, max: 100 }, "Name of the operator."),
        field("role", Presence::Always, FieldRule::OneOf(Role::VARIANTS), "What the operator may do."),
        field(
            "password",
            Presence::Always,
            FieldRule::Text { min: 1, max: 1000 },
            "A password of at least 12 characters.",
        ),
        field(
            "tenant",
            Presence::No,
            FieldRule::OrNull(&TENANT),
            "The only tenant that the operator sees; that of the caller by default.",
        ),
    ],
};

/// A request to create an operator, which is its body.
#[derive(Deserialize)]
pub struct CreateOperator {
    name: String,
    role: Role,
    password: String,
    tenant: Option<String>,
}

impl OperatorOperation for CreateOperator {
    const OPERATION: &'static str = "POST /operators";
    const ROLE: Role = Role::Administrator;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = OperatorView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "create_operator",
        summary: "Create an operator",
        description: "Creates an operator with name, role and password, perhaps restricted to a tenant.",
        query: &[],
        request: Some(&CREATE),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        received.body(&CREATE)
    }
}

/// Handles `POST /operators`: creates an operator with name, role and password, perhaps restricted to a tenant.
///
/// # Errors
///
/// Fails if the caller does not see that tenant, the name is taken or the password too short.
pub async fn create(State(app): State<App>, req: ByOperator<CreateOperator>) -> OperatorResult<OperatorView> {
    let ByOperator { operator: by, now, operation, peer, .. } = req;
    let CreateOperator { name, role, password, tenant } = operation;
    let ids = Arc::clone(&app.ids);
    // The password is hashed before the unit of work: it takes long, and a unit may run again.
    let hashed = hash_in_turn(&app, peer, {
        let ids = Arc::clone(&app.ids);
        move || hash_password(&password, &*ids)
    });
    let hashed = hashed.await?.map_err(|error| Problem::invalid("password", error.to_string()))?;
    let unit = move |tx: &Tx<'_>| {
        if operators::by_name(tx, &name)?.is_some() {
            return Err(Problem::invalid("name", "is taken"));
        }
        let (tenant, tenant_name) = match &tenant {
            Some(tenant) => {
                let found = tenants::by_name(tx, tenant)?.ok_or(Problem::NotFound("tenant"))?;
                (Some(found.number), Some(found.name))
            }
            None => (by.tenant, by.tenant_name.clone()),
        };
        if by.tenant.is_some() && by.tenant != tenant {
            return Err(Problem::NotFound("tenant"));
        }
        let (name, password) = (name.clone(), Some(hashed.clone()));
        let (id, created_at) = (ids.uuid(), now);
        let new = Operator { id, name, role, tenant, tenant_name, password, created_at, disabled_at: None };
        operators::insert(tx, &new)?;
        Ok(JsonAnswer(OperatorView::from(&new)))
    };
    app.store.write_serializable("operators.create", unit).await
}

/// Returns the operator of this name if the caller sees them: those of all tenants, or of their own.
pub fn visible_operator(tx: &Tx<'_>, by: &Operator, name: &str) -> Result<Operator, Problem> {
    let found =
        operators::by_name(tx, name)?.filter(|found| by.tenant.is_none() || by.tenant == found.tenant);
    found.ok_or(Problem::NotFound("operator"))
}

/// A request to disable an operator.
pub struct DisableOperator {
    name: String,
}

impl OperatorOperation for DisableOperator {
    const OPERATION: &'static str = "DELETE /operators/{name}";
    const ROLE: Role = Role::Administrator;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = OperatorView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "disable_operator",
        summary: "Disable an operator",
        description: "Disables an operator from now on. The record stays, because events name the operator.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { name: received.path_name("name", "operator")? })
    }
}

/// Handles `DELETE /operators/{name}`: disables an operator from now on. The record stays, because events name the
/// operator.
///
/// # Errors
///
/// Fails if the caller does not see that operator, or is that operator, so that the last administrator remains.
pub async fn disable(
    State(app): State<App>,
    req: ByOperator<DisableOperator>,
) -> OperatorResult<OperatorView> {
    let ByOperator { operator: by, now, operation: DisableOperator { name }, .. } = req;
    let unit = move |tx: &Tx<'_>| {
        let found = visible_operator(tx, &by, &name)?;
        if found.id == by.id {
            return Err(Problem::State("nobody disables themselves"));
        }
        operators::disable(tx, found.id, now)?;
        operator_sessions::end_all(tx, found.id)?;
        let disabled = operators::by_name(tx, &name)?.ok_or(Problem::NotFound("operator"))?;
        Ok(JsonAnswer(OperatorView::from(&disabled)))
    };
    app.store.write_serializable("operators.disable", unit).await
}
