//! `/users`: create, read, list.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller::{Call, Received, Signed};
use super::openapi::{ACCEPTED, About, OPERATING_MODEL, Payload, USERS, path_id};
use super::{Reply, about_tenant, about_user, page};
use crate::app::App;
use crate::domain::schema::{Member, Needed, Rule, Schemas, Side, member, open_object};
use crate::domain::tenant::{Model, OffboardingWaitsFor};
use crate::domain::user::{CREATE, Person, Status, User};
use crate::problem::Problem;
use crate::store::once;
use crate::store::page::{Page, SortBy};
use crate::store::seal::UserKey;
use crate::store::steps::{self, OFFBOARDING};
use crate::store::tenants::Head;
use crate::store::{First, Tx, users};

pub const READ: &[&str] = &["users:read", "users:admin"];
pub const ADMIN: &[&str] = &["users:admin"];

static REGISTERED: [Member; 3] = [
    member("id", Needed::Always, Rule::Uuid, "Id of the user."),
    member("created_at", Needed::Always, Rule::Instant, "When the user was created."),
    member("updated_at", Needed::Always, Rule::Instant, "When the user was last changed."),
];
static STATUS: [Member; 1] = [member(
    "status",
    Needed::Always,
    Rule::OneOf(&[
        Status::Active.as_str(),
        Status::Inactive.as_str(),
        Status::Offboarding.as_str(),
        Status::Offboarded.as_str(),
    ]),
    "ACTIVE: may trade. INACTIVE: something is missing that activation requires. OFFBOARDING: on the way out. \
     OFFBOARDED: out, but kept for as long as the law wants.",
)];

/// The schema of a user as it is answered.
pub fn user(schemas: &mut Schemas) -> Value {
    schemas.named("User", |schemas| {
        let members = REGISTERED.iter().chain(CREATE.members).chain(&STATUS);
        let mut schema = open_object(members, Side::Answer, schemas);
        schema["description"] = json!("A natural person in the register.");
        schema
    })
}

/// The schema of a create request.
fn create_user(name: &'static str, model: Model, schemas: &mut Schemas) -> Value {
    schemas.named(name, |schemas| {
        let mut schema = CREATE.json_schema(Side::Request(model), schemas);
        schema["description"] = json!(match model {
            Model::Byol => "What a tenant sends that is itself the regulated firm.",
            Model::Tol => "What a tenant sends that works under the register's licence.",
        });
        schema[OPERATING_MODEL] = json!(model);
        schema
    })
}

const ONE_USER: Payload = Payload {
    description: "The user.",
    media: "application/json",
    schema: user,
    examples: &[
        ("byol", include_str!("../../../../api/examples/user-byol.json")),
        ("tol", include_str!("../../../../api/examples/user-tol.json")),
    ],
};

pub struct CreateUser(Person);

impl Call for CreateUser {
    const OPERATION: &'static str = "POST /users";
    const SCOPES: &'static [&'static str] = ADMIN;
    const ONCE: bool = true;
    const ABOUT: About = About {
        tag: USERS,
        id: "create_user",
        summary: "Create a user",
        description: "Takes a person into the register. Which members are required depends on the operating model \
            of the tenant; all are allowed in both. No text has control characters. The user is ACTIVE at \
            once if nothing is missing that activation requires.",
        parameters: Vec::new,
        request: Some(Payload {
            description: "The person.",
            media: "application/json",
            schema: |schemas| {
                json!({ "anyOf": [
                    create_user("CreateUserByol", Model::Byol, schemas),
                    create_user("CreateUserTol", Model::Tol, schemas),
                ] })
            },
            examples: &[
                ("byol", include_str!("../../../../api/examples/create-user-byol.json")),
                ("tol", include_str!("../../../../api/examples/create-user-tol.json")),
            ],
        }),
        answer: ONE_USER,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let body = received.json()?;
        Ok(Self(Person::parse(body, &received.client.tenant.settings, received.now)?))
    }
}

pub async fn create(State(app): State<App>, req: Signed<CreateUser>) -> Result<Reply, Problem> {
    let (ids, number) = (Arc::clone(&app.ids), req.client.tenant.number);
    let (keyed, nonce) = (req.once()?, req.nonce().copied());
    let most = app.config.limits.users_per_tenant;
    let first = First { head: Some(number), nonce, once: Some(keyed), webhook: None };
    let unit = move |tx: &Tx<'_>| {
        let tenant = &req.client.tenant;
        // First the lock: what is found out under it stays true until the commit, in every process.
        let mut head = Head::take(tx, tenant.number, req.now)?;
        if let Some(reply) = about_tenant::before(tx, Some(&keyed), nonce.as_ref(), &tenant.key)? {
            return Ok(reply);
        }
        if usize::try_from(head.users).is_ok_and(|users| users >= most) {
            return Ok(Err(about_user::too_many("users of this tenant")));
        }
        let registration = User::register(req.call.0.clone(), &tenant.settings, ids.uuid(), head.now);
        let user = registration.user.id;
        let (view, key) = users::enter(tx, &mut head, registration, &tenant.key, &*ids)?;
        once::keep(tx, &keyed, (200, &view), (user, &key), head.now, &*ids)?;
        head.put(tx);
        Ok::<_, Problem>(Ok(Reply::ok(view)))
    };
    app.store.write_after("users.create", number, first, unit).await?
}

pub struct ReadUser(Uuid);

impl Call for ReadUser {
    const OPERATION: &'static str = "GET /users/{user_id}";
    const SCOPES: &'static [&'static str] = READ;
    const ABOUT: About = About {
        tag: USERS,
        id: "retrieve_user",
        summary: "Get a user by id",
        description: "Answers the user as it is now. Users of other tenants are not found.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: None,
        answer: ONE_USER,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(1).map(Self).ok_or(Problem::NotFound("user"))
    }
}

pub async fn read(State(app): State<App>, req: Signed<ReadUser>) -> Result<Reply, Problem> {
    let (client, id) = (Arc::clone(&req.client), req.call.0);
    let read = move |tx: &Tx<'_>| {
        users::view(tx, client.tenant.number, id, &client.tenant.key).map_err(Problem::from)
    };
    let user = app.store.read("users.read", read).await?;
    user.map(Reply::ok).ok_or(Problem::NotFound("user"))
}

pub struct OffboardUser(Uuid);

impl Call for OffboardUser {
    const OPERATION: &'static str = "DELETE /users/{user_id}";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::ACCEPTED;
    const ABOUT: About = About {
        tag: USERS,
        id: "offboard_user",
        summary: "Offboard a user",
        description: "Begins to offboard a user, which ends when no account group, account or data change is open any \
            more, and not before the tenant's settings allow; USER.OFFBOARDING_INITIATED and USER.OFFBOARDED tell. \
            Nothing is closed by it. Again is no change. The user stays readable.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: None,
        answer: ACCEPTED,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(1).map(Self).ok_or(Problem::NotFound("user"))
    }
}

pub async fn offboard(State(app): State<App>, req: Signed<OffboardUser>) -> Result<Reply, Problem> {
    let (ids, id) = (Arc::clone(&app.ids), req.call.0);
    let offboard = move |tx: &Tx<'_>, req: &Signed<_>, head: &mut Head, (mut user, key): (User, &UserKey)| {
        if let Some(event) = user.offboard(head.now) {
            users::set_status(tx, head, &user, key, event, &*ids)?;
            // By the clock that the worker asks: the tenant's instants may run ahead of it.
            let due = req.client.tenant.settings.offboarded_not_before(req.now);
            steps::add(tx, (head.tenant, id), OFFBOARDING, id, Some(due))?;
            if req.client.tenant.settings.offboarding_waits_for.contains(&OffboardingWaitsFor::Operator) {
                steps::hold(tx, head.tenant, id, OFFBOARDING)?;
            }
        }
        Ok(Ok(Reply::accepted()))
    };
    let reply = about_user::write(&app, "users.offboard", req, id, offboard).await?;
    app.work.notify_one();
    Ok(reply)
}

pub struct ListUsers(Page);

impl Call for ListUsers {
    const OPERATION: &'static str = "GET /users";
    const SCOPES: &'static [&'static str] = READ;
    const ABOUT: About = About {
        tag: USERS,
        id: "list_users",
        summary: "Get all users",
        description: "Lists the users of the tenant, offboarded ones among them, page by page.",
        parameters: page::parameters_with_cursor::<SortBy>,
        request: None,
        answer: Payload {
            description: "A page of the list.",
            media: "application/json",
            schema: |schemas| page::named_schema("UserList", user, schemas),
            examples: &[
                ("byol", include_str!("../../../../api/examples/user-list-byol.json")),
                ("tol", include_str!("../../../../api/examples/user-list-tol.json")),
                ("empty", include_str!("../../../../api/examples/user-list-empty.json")),
            ],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        page::parse_with_cursor(received.query()).map(Self)
    }
}

pub async fn list(State(app): State<App>, req: Signed<ListUsers>) -> Result<Reply, Problem> {
    let (client, page) = (Arc::clone(&req.client), req.call.0);
    let scan = move |tx: &Tx<'_>| {
        users::list(tx, client.tenant.number, page, &client.tenant.key).map_err(Problem::from)
    };
    let listed = super::scan(&app, req.client.tenant.number, "users.list", scan).await?;
    Ok(Reply::ok(page::envelope(page, &listed)))
}
