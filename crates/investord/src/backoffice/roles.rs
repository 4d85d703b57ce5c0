//! `/roles`: what each role may do.

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::VariantNames as _;

use super::administration::{AdministrativeOperation, BREAK_GLASS, WHY};
use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use crate::app::App;
use crate::domain::administration::Act;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::{Permission, Permissions, ROLE_NAMES, of_new_register};
use crate::problem::Problem;
use crate::store::tenants::operators;

/// A role.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Role")]
pub struct RoleView {
    name: String,
    permissions: Vec<Permission>,
    /// Whether this register has changed or added it.
    is_changed: bool,
}

impl RoleView {
    fn new(name: &str, permissions: &Permissions, is_changed: bool) -> Self {
        Self { name: name.to_owned(), permissions: permissions.iter().collect(), is_changed }
    }
}

/// A request for the roles.
pub struct ListRoles;

impl OperatorOperation for ListRoles {
    const OPERATION: &'static str = "GET /roles";
    const PERMISSION: Option<Permission> = None;
    type Answer = List<RoleView>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_roles",
        summary: "List roles",
        description: "Lists the roles with what each of them may do.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /roles`: returns the roles with their permissions.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn list(State(app): State<App>, _: ByOperator<ListRoles>) -> OperatorResult<List<RoleView>> {
    let changed = app.store.read("roles.list", operators::changed_roles).await?;
    let mut data: Vec<_> = changed.iter().map(|(name, all)| RoleView::new(name, all, true)).collect();
    for name in ROLE_NAMES.into_iter().filter(|name| changed.iter().all(|(one, _)| one != name)) {
        data.push(RoleView::new(name, &of_new_register(name).unwrap_or_default(), false));
    }
    data.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(JsonAnswer(List { data }))
}

static SET_ROLE: ObjectSchema = ObjectSchema {
    name: "SetRole",
    fields: &[
        field(
            "permissions",
            Presence::Always,
            FieldRule::List {
                item: &FieldRule::OneOf(Permission::VARIANTS),
                min: 0,
                max: Permission::VARIANTS.len(),
                unique: true,
            },
            "What the role may do, instead of before.",
        ),
        WHY,
        BREAK_GLASS,
    ],
};

/// `PUT /roles/{role}`: changes or adds a role.
pub struct SetRole;

/// The body of [`SetRole`].
#[derive(Deserialize)]
pub struct NewPermissions {
    permissions: Vec<Permission>,
}

impl AdministrativeOperation for SetRole {
    const OPERATION: &'static str = "PUT /roles/{role}";
    const PERMISSION: Permission = Permission::OperatorsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "set_role",
        summary: "Change what a role may do",
        description: "Sets the permissions of a role, or adds one. It takes effect at once for all who have the role.",
        query: &[],
        request: Some(&SET_ROLE),
    };
    type Body = NewPermissions;

    fn act(received: &ReceivedByOperator<'_>, body: NewPermissions) -> Result<Act, Problem> {
        Ok(Act::SetRole { role: received.path_name("role", "role")?, permissions: body.permissions })
    }
}
