//! `/operators`: lists operators, invites and disables them, and changes their roles.

use axum::extract::State;
use serde::Deserialize;

use super::administration::{AdministrativeOperation, BREAK_GLASS, WHY};
use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::session::OperatorView;
use crate::app::App;
use crate::domain::administration::{Act, GivenRole};
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::tenants::operators;
use crate::store::tenants::operators::Operator;

/// A request for the operators.
pub struct ListOperators;

impl OperatorOperation for ListOperators {
    const OPERATION: &'static str = "GET /operators";
    const PERMISSION: Option<Permission> = Some(Permission::OperatorsRead);
    type Answer = List<OperatorView>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_operators",
        summary: "List operators",
        description: "Lists the operators whose tenants the caller reaches.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /operators`: returns the operators whose tenants the caller reaches.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn list(
    State(app): State<App>,
    req: ByOperator<ListOperators>,
) -> OperatorResult<List<OperatorView>> {
    let all = app.store.read("operators.list", operators::all).await?;
    let reach = req.operator.grants.reach(Permission::OperatorsRead);
    let visible = all.iter().filter(|one| reach.covers(&one.grants.visible()));
    Ok(JsonAnswer(List { data: visible.map(OperatorView::from).collect() }))
}

/// Returns the operator of this name if a permission of the caller reaches all tenants in which they have a role.
pub fn visible_operator(
    tx: &Tx<'_>,
    by: &Operator,
    permission: Permission,
    name: &str,
) -> Result<Operator, Problem> {
    let reach = by.grants.reach(permission);
    let found = operators::by_name(tx, name)?.filter(|found| reach.covers(&found.grants.visible()));
    found.ok_or(Problem::NotFound("operator"))
}

/// A role to be given.
static GIVEN: ObjectSchema = ObjectSchema {
    name: "RoleToGive",
    fields: &[
        field("role", Presence::Always, FieldRule::Text { min: 1, max: 64 }, "Name of the role."),
        field(
            "tenant",
            Presence::No,
            FieldRule::OrNull(&FieldRule::Text { min: 1, max: 200 }),
            "Name of the tenant; without one all tenants and the register itself.",
        ),
    ],
};
const GRANTS: FieldRule =
    FieldRule::List { item: &FieldRule::Object(&GIVEN), min: 1, max: 1000, unique: true };

static CREATE: ObjectSchema = ObjectSchema {
    name: "CreateOperator",
    fields: &[
        field(
            "name",
            Presence::Always,
            FieldRule::Text { min: 1, max: 64 },
            "Name of the operator, which nobody else ever gets: a-z, digits, and . - _ @.",
        ),
        field("grants", Presence::Always, GRANTS, "What the operator may do, and where."),
        WHY,
        BREAK_GLASS,
    ],
};

/// `POST /operators`: creates an operator.
pub struct CreateOperator;

/// The body of [`CreateOperator`].
#[derive(Deserialize)]
pub struct NewOperator {
    name: String,
    grants: Vec<GivenRole>,
}

impl AdministrativeOperation for CreateOperator {
    const OPERATION: &'static str = "POST /operators";
    const PERMISSION: Permission = Permission::OperatorsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "create_operator",
        summary: "Create an operator",
        description: "Creates an operator and answers an invitation in `shown_once`, with which they choose their \
                      password (`POST /invitations`). It ends after 72 hours.",
        query: &[],
        request: Some(&CREATE),
    };
    type Body = NewOperator;

    fn act(_: &ReceivedByOperator<'_>, body: NewOperator) -> Result<Act, Problem> {
        Ok(Act::CreateOperator { operator: body.name, grants: body.grants })
    }
}

static SET_GRANTS: ObjectSchema = ObjectSchema {
    name: "SetGrants",
    fields: &[
        field("grants", Presence::Always, GRANTS, "What the operator may do, and where, instead of before."),
        WHY,
        BREAK_GLASS,
    ],
};

/// `PUT /operators/{name}/grants`: replaces the roles of an operator.
pub struct SetGrants;

/// The body of [`SetGrants`].
#[derive(Deserialize)]
pub struct NewGrants {
    grants: Vec<GivenRole>,
}

impl AdministrativeOperation for SetGrants {
    const OPERATION: &'static str = "PUT /operators/{name}/grants";
    const PERMISSION: Permission = Permission::OperatorsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "set_grants",
        summary: "Change what an operator may do",
        description: "Replaces the roles of an operator.",
        query: &[],
        request: Some(&SET_GRANTS),
    };
    type Body = NewGrants;

    fn act(received: &ReceivedByOperator<'_>, body: NewGrants) -> Result<Act, Problem> {
        Ok(Act::SetGrants { operator: received.path_name("name", "operator")?, grants: body.grants })
    }
}

static SET_DISABLED: ObjectSchema = ObjectSchema {
    name: "SetDisabled",
    fields: &[
        field("disabled", Presence::Always, FieldRule::Bool, "Whether the operator is refused from now on."),
        WHY,
        BREAK_GLASS,
    ],
};

/// `PUT /operators/{name}/disabled`: disables or enables an operator.
pub struct SetDisabled;

/// The body of [`SetDisabled`], for operators and clients alike.
#[derive(Deserialize)]
pub struct Disabled {
    pub disabled: bool,
}

impl AdministrativeOperation for SetDisabled {
    const OPERATION: &'static str = "PUT /operators/{name}/disabled";
    const PERMISSION: Permission = Permission::OperatorsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "set_disabled",
        summary: "Disable or enable an operator",
        description: "Disables an operator and ends their sessions and tokens, or lets them in again. The record \
                      stays, because events name the operator.",
        query: &[],
        request: Some(&SET_DISABLED),
    };
    type Body = Disabled;

    fn act(received: &ReceivedByOperator<'_>, Disabled { disabled }: Disabled) -> Result<Act, Problem> {
        let operator = received.path_name("name", "operator")?;
        Ok(if disabled { Act::DisableOperator { operator } } else { Act::EnableOperator { operator } })
    }
}

static RESET: ObjectSchema = ObjectSchema { name: "ResetOperator", fields: &[WHY, BREAK_GLASS] };

/// `POST /operators/{name}/invitation`: lets an operator choose another password.
pub struct ResetOperator;

/// A body without members of its own.
#[derive(Deserialize)]
pub struct NoMembers {}

impl AdministrativeOperation for ResetOperator {
    const OPERATION: &'static str = "POST /operators/{name}/invitation";
    const PERMISSION: Permission = Permission::OperatorsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "reset_operator",
        summary: "Invite an operator again",
        description: "Ends the password, the sessions and the tokens of an operator, and answers an invitation in \
                      `shown_once`, with which they choose another password.",
        query: &[],
        request: Some(&RESET),
    };
    type Body = NoMembers;

    fn act(received: &ReceivedByOperator<'_>, _: NoMembers) -> Result<Act, Problem> {
        Ok(Act::ResetOperator { operator: received.path_name("name", "operator")? })
    }
}

/// `POST /operators/{name}/second_factor_reset`: deletes the second factor of an operator who has lost it.
pub struct ResetSecondFactor;

impl AdministrativeOperation for ResetSecondFactor {
    const OPERATION: &'static str = "POST /operators/{name}/second_factor_reset";
    const PERMISSION: Permission = Permission::OperatorsManage;
    const DOC: OperatorDoc = OperatorDoc {
        id: "reset_second_factor",
        summary: "Reset the second factor of an operator",
        description: "Deletes the second factor of an operator who has lost it, and ends their sessions. The password \
                      stays.",
        query: &[],
        request: Some(&RESET),
    };
    type Body = NoMembers;

    fn act(received: &ReceivedByOperator<'_>, _: NoMembers) -> Result<Act, Problem> {
        Ok(Act::ResetSecondFactor { operator: received.path_name("name", "operator")? })
    }
}
