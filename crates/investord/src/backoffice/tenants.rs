//! `/tenants`: lists the tenants that the operator sees, creates them, and changes their settings.

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::administration::{AdministrativeOperation, BREAK_GLASS, WHY};
use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use crate::app::App;
use crate::domain::administration::Act;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::tenants::TenantSettings;
use crate::problem::Problem;
use crate::store::tenants;

/// A tenant with its settings.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tenant")]
pub struct TenantView {
    name: String,
    /// Since when its clients are refused and its operators read alone; null if it is not suspended.
    suspended_at: Option<Timestamp>,
    settings: TenantSettings,
}

/// A request for the tenants that the operator sees.
pub struct ListTenants;

impl OperatorOperation for ListTenants {
    const OPERATION: &'static str = "GET /tenants";
    const PERMISSION: Option<Permission> = None;
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
    let visible = req.operator.grants.visible();
    let own = all.into_iter().filter(|row| visible.contains(row.number));
    let data = own
        .map(|row| TenantView { name: row.name, suspended_at: row.suspended_at, settings: row.settings })
        .collect();
    Ok(JsonAnswer(List { data }))
}

/// Rule for settings: their names and values are checked when they are applied.
const SETTINGS: FieldRule =
    FieldRule::OpenObject(&ObjectSchema { name: "TenantSettingsChange", fields: &[] });

static CREATE: ObjectSchema = ObjectSchema {
    name: "CreateTenant",
    fields: &[
        field("name", Presence::Always, FieldRule::Text { min: 1, max: 100 }, "Name of the tenant."),
        field("settings", Presence::No, SETTINGS, "Settings that are not the default."),
        WHY,
        BREAK_GLASS,
    ],
};

/// `POST /tenants`: creates a tenant.
pub struct CreateTenant;

/// The body of [`CreateTenant`].
#[derive(Deserialize)]
pub struct NewTenant {
    name: String,
    #[serde(default)]
    settings: Map<String, Value>,
}

impl AdministrativeOperation for CreateTenant {
    const OPERATION: &'static str = "POST /tenants";
    const PERMISSION: Permission = Permission::TenantsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "create_tenant",
        summary: "Create a tenant",
        description: "Creates a tenant with a key of its own. Takes the permission for all tenants.",
        query: &[],
        request: Some(&CREATE),
    };
    type Body = NewTenant;

    fn act(_: &ReceivedByOperator<'_>, NewTenant { name, settings }: NewTenant) -> Result<Act, Problem> {
        Ok(Act::CreateTenant { tenant: name, settings })
    }
}

static CHANGE: ObjectSchema = ObjectSchema {
    name: "ChangeTenantSettings",
    fields: &[field("settings", Presence::Always, SETTINGS, "The settings that change."), WHY, BREAK_GLASS],
};

/// `PATCH /tenants/{tenant}/settings`: changes settings of a tenant.
pub struct ChangeSettings;

/// The body of [`ChangeSettings`].
#[derive(Deserialize)]
pub struct ChangedSettings {
    settings: Map<String, Value>,
}

impl AdministrativeOperation for ChangeSettings {
    const OPERATION: &'static str = "PATCH /tenants/{tenant}/settings";
    const PERMISSION: Permission = Permission::TenantsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "change_tenant_settings",
        summary: "Change settings of a tenant",
        description: "Changes the settings that are named, all of them or none.",
        query: &[],
        request: Some(&CHANGE),
    };
    type Body = ChangedSettings;

    fn act(received: &ReceivedByOperator<'_>, body: ChangedSettings) -> Result<Act, Problem> {
        let tenant = received.path_name("tenant", "tenant")?;
        Ok(Act::ChangeTenantSettings { tenant, settings: body.settings })
    }
}

static SUSPEND: ObjectSchema = ObjectSchema {
    name: "SetSuspended",
    fields: &[
        field("suspended", Presence::Always, FieldRule::Bool, "Whether the tenant is suspended from now on."),
        WHY,
        BREAK_GLASS,
    ],
};

/// `PUT /tenants/{tenant}/suspended`: suspends or resumes a tenant.
pub struct SetSuspended;

/// The body of [`SetSuspended`].
#[derive(Deserialize)]
pub struct Suspended {
    suspended: bool,
}

impl AdministrativeOperation for SetSuspended {
    const OPERATION: &'static str = "PUT /tenants/{tenant}/suspended";
    const PERMISSION: Permission = Permission::TenantsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "set_suspended",
        summary: "Suspend or resume a tenant",
        description: "Refuses the clients of a tenant within a second and lets its operators read alone, or ends that. \
                      What has happened before is still delivered.",
        query: &[],
        request: Some(&SUSPEND),
    };
    type Body = Suspended;

    fn act(received: &ReceivedByOperator<'_>, Suspended { suspended }: Suspended) -> Result<Act, Problem> {
        let tenant = received.path_name("tenant", "tenant")?;
        Ok(if suspended { Act::SuspendTenant { tenant } } else { Act::ResumeTenant { tenant } })
    }
}
