//! `/operators`: who may look at the register.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, State};
use http::HeaderMap;
use serde_json::{Value, json};

use super::session::{hash_password, hashing, shown};
use super::{Answer, Answered, Sent, known, members, name_of, needed};
use crate::access::connections::network;
use crate::app::App;
use crate::problem::Problem;
use crate::store::operators::{self, Operator, Role};
use crate::store::{Tx, tenants};

/// `GET /operators`.
pub async fn list(State(app): State<App>, headers: HeaderMap) -> Answered {
    let by = known(&app, &headers, Role::Administrator).await?;
    let all = app.store.read("operators.list", operators::all).await?;
    let own = all.iter().filter(|one| by.tenant.is_none() || by.tenant == one.tenant);
    Ok(Answer(json!({ "data": own.map(shown).collect::<Vec<Value>>() })))
}

/// An operator to be.
pub struct NewOperator {
    name: String,
    role: Role,
    password: String,
    tenant: Option<String>,
}

impl NewOperator {
    pub fn read(body: Sent) -> Result<Self, Problem> {
        let [name, role, password, tenant] = members(body, ["name", "role", "password", "tenant"])?;
        let (name, role) = (needed("name", name, 100)?, needed("role", role, 20)?);
        let role = role.parse().map_err(|message: String| Problem::invalid("role", message))?;
        Ok(Self { name, role, password: needed("password", password, 1000)?, tenant })
    }
}

/// `POST /operators`: name, role, password, and the tenant whose people they see.
pub async fn create(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Sent,
) -> Answered {
    let by = known(&app, &headers, Role::Administrator).await?;
    let NewOperator { name, role, password, tenant } = NewOperator::read(body)?;
    let ids = Arc::clone(&app.ids);
    let hashed = hashing(&app, network(peer.ip()), {
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
                let named = name_of(tenant, "tenant")?;
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
        Ok(Answer(shown(&new)))
    };
    app.store.write_alone("operators.create", unit).await
}

/// `DELETE /operators/{name}`: they are refused from now on.
pub async fn disable(State(app): State<App>, headers: HeaderMap, Path(name): Path<String>) -> Answered {
    let by = known(&app, &headers, Role::Administrator).await?;
    let (name, now) = (name_of(&name, "operator")?, app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        let found = operators::by_name(tx, &name)?.ok_or(Problem::NotFound("operator"))?;
        if by.tenant.is_some() && by.tenant != found.tenant {
            return Err(Problem::NotFound("operator"));
        }
        if found.id == by.id {
            return Err(Problem::State("nobody disables themselves"));
        }
        operators::disable(tx, found.id, now)?;
        Ok(Answer(shown(&operators::by_name(tx, &name)?.ok_or(Problem::NotFound("operator"))?)))
    };
    app.store.write_alone("operators.disable", unit).await
}
