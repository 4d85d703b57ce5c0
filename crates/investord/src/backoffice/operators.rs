//! `/operators`: list, create, disable.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, State};
use http::HeaderMap;
use serde_json::{Value, json};

use super::session::{hash_in_turn, hash_password, operator_view};
use super::{BodyResult, JsonAnswer, OperatorResult, authorize, parse_name, read_fields, require_text};
use crate::access::connections::network;
use crate::app::App;
use crate::problem::Problem;
use crate::store::tenants::operators;
use crate::store::tenants::operators::{Operator, Role};
use crate::store::{Tx, tenants};

/// Handles `GET /operators`: returns the operators of the caller's tenant, or all operators.
///
/// # Errors
///
/// Fails if the caller does not have the role `Administrator`.
pub async fn list(State(app): State<App>, headers: HeaderMap) -> OperatorResult {
    let by = authorize(&app, &headers, Role::Administrator).await?;
    let all = app.store.read("operators.list", operators::all).await?;
    let own = all.iter().filter(|one| by.tenant.is_none() || by.tenant == one.tenant);
    Ok(JsonAnswer(json!({ "data": own.map(operator_view).collect::<Vec<Value>>() })))
}

/// The parsed request for a new operator.
pub struct NewOperator {
    name: String,
    role: Role,
    password: String,
    tenant: Option<String>,
}

impl NewOperator {
    /// Parses the body.
    ///
    /// # Errors
    ///
    /// Fails if a member is missing, unknown or invalid.
    pub fn read(body: BodyResult) -> Result<Self, Problem> {
        let [name, role, password, tenant] = read_fields(body, ["name", "role", "password", "tenant"])?;
        let (name, role) = (require_text("name", name, 100)?, require_text("role", role, 20)?);
        let role = role.parse().map_err(|message: String| Problem::invalid("role", message))?;
        Ok(Self { name, role, password: require_text("password", password, 1000)?, tenant })
    }
}

/// Handles `POST /operators`: creates an operator with name, role and password, perhaps restricted to a tenant.
///
/// # Errors
///
/// Fails if the caller does not have the role `Administrator` for that tenant, the name is taken or the password too
/// short.
pub async fn create(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: BodyResult,
) -> OperatorResult {
    let by = authorize(&app, &headers, Role::Administrator).await?;
    let NewOperator { name, role, password, tenant } = NewOperator::read(body)?;
    let ids = Arc::clone(&app.ids);
    // The password is hashed before the unit of work: it takes long, and a unit may run again.
    let hashed = hash_in_turn(&app, network(peer.ip()), {
        let ids = Arc::clone(&app.ids);
        move || hash_password(&password, &*ids)
    });
    let hashed = hashed.await?.map_err(|error| Problem::invalid("password", error.to_string()))?;
    let now = app.clock.now();
    let unit = move |tx: &Tx<'_>| {
        if operators::by_name(tx, &name)?.is_some() {
            return Err(Problem::invalid("name", "is taken"));
        }
        let (tenant, tenant_name) = match &tenant {
            Some(tenant) => {
                let named = parse_name(tenant, "tenant")?;
                let found = tenants::by_name(tx, &named)?.ok_or(Problem::NotFound("tenant"))?;
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
        Ok(JsonAnswer(operator_view(&new)))
    };
    app.store.write_serializable("operators.create", unit).await
}

/// Handles `DELETE /operators/{name}`: disables an operator from now on. The record stays, because events name the
/// operator.
///
/// # Errors
///
/// Fails if the caller does not have the role `Administrator` for that operator, or is that operator, so that the last
/// one with the role remains.
pub async fn disable(State(app): State<App>, headers: HeaderMap, Path(name): Path<String>) -> OperatorResult {
    let by = authorize(&app, &headers, Role::Administrator).await?;
    let (name, now) = (parse_name(&name, "operator")?, app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        let found = operators::by_name(tx, &name)?.ok_or(Problem::NotFound("operator"))?;
        if by.tenant.is_some() && by.tenant != found.tenant {
            return Err(Problem::NotFound("operator"));
        }
        if found.id == by.id {
            return Err(Problem::State("nobody disables themselves"));
        }
        operators::disable(tx, found.id, now)?;
        Ok(JsonAnswer(operator_view(&operators::by_name(tx, &name)?.ok_or(Problem::NotFound("operator"))?)))
    };
    app.store.write_serializable("operators.disable", unit).await
}
