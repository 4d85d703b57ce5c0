//! `/tenants`: the tenants to which the operator has access.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use crate::app::App;
use crate::domain::tenants::TenantSettings;
use crate::problem::Problem;
use crate::store::tenants;
use crate::store::tenants::operators::Role;

/// A tenant with its settings.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tenant")]
pub struct TenantView {
    name: String,
    settings: TenantSettings,
}

/// A request for the tenants that the operator sees.
pub struct ListTenants;

impl OperatorOperation for ListTenants {
    const OPERATION: &'static str = "GET /tenants";
    const ROLE: Role = Role::Viewer;
    type Answer = List<TenantView>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_tenants",
        summary: "List tenants",
        description: "Lists the tenants to which the operator has access, with their settings.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /tenants`: returns the tenants to which the operator has access.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn list(State(app): State<App>, req: ByOperator<ListTenants>) -> OperatorResult<List<TenantView>> {
    let all = app.store.read("backoffice.tenants", tenants::all).await?;
    let own = all.into_iter().filter(|row| req.operator.tenant.is_none_or(|own| own == row.number));
    let data = own.map(|row| TenantView { name: row.name, settings: row.settings }).collect();
    Ok(JsonAnswer(List { data }))
}
