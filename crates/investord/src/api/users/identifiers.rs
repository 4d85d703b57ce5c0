//! `/users/{user_id}/identifiers`: list, create, read, update.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADMIN, READ};
use crate::access::client_cache::Tenant;
use crate::api::about_user;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{
    IDENTIFIERS, OperationDoc, PayloadDoc, path_id, request, whole_list,
};
use crate::app::App;
use crate::domain::identification::identifier;
use crate::domain::identification::identifier::{
    CREATE, Identifier, IdentifierChange, NewIdentifier, RESPONSE, UPDATE,
};
use crate::domain::json::json_schema::{SchemaSide, Schemas, open_object};
use crate::domain::tenants::TenantSettings;
use crate::domain::users::User;
use crate::domain::users::identifiers as domain_identifiers;
use crate::domain::users::search;
use crate::problem::Problem;
use crate::store::encryption::UserKey;
use crate::store::tenants::sequence::Sequence;
use crate::store::users::{activation, identifiers, search_index};
use crate::store::{Tx, users};

/// Returns the schema of an identifier.
fn schema(schemas: &mut Schemas) -> Value {
    schemas.named("Identifier", |schemas| {
        let mut schema = open_object(&RESPONSE, SchemaSide::Answer, schemas);
        schema["description"] = json!("What a user is named by in transaction reports.");
        schema
    })
}

/// Returns the path parameters of one identifier.
fn parameters() -> Vec<Value> {
    vec![path_id("user_id", "Id of the user."), path_id("identifier_id", "Id of the identifier.")]
}

/// The response with one identifier.
const ONE: PayloadDoc = PayloadDoc {
    description: "The identifier.",
    media: "application/json",
    schema,
    examples: &[
        ("national id", include_str!("../../../../../api/examples/identifier.json")),
        ("concat", include_str!("../../../../../api/examples/identifier-concat.json")),
    ],
};

/// A request for the identifiers of a user.
pub struct ListIdentifiers(Uuid);

impl Operation for ListIdentifiers {
    const OPERATION: &'static str = "GET /users/{user_id}/identifiers";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: IDENTIFIERS,
        id: "list_user_identifiers",
        summary: "Get user identifiers",
        description: "Lists all identifiers of a user, the oldest first. A CONCAT is made by the register, where it \
            is the first priority of the leading nationality.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: None,
        answer: PayloadDoc {
            description: "All of them.",
            media: "application/json",
            schema: |schemas| {
                let item = schema(schemas);
                whole_list("IdentifierList", &item, schemas)
            },
            examples: &[("list", include_str!("../../../../../api/examples/identifier-list.json"))],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(1).map(Self).ok_or(Problem::NotFound("user"))
    }
}

/// Handles `GET /users/{user_id}/identifiers`: returns all identifiers of a user.
///
/// # Errors
///
/// Fails if the user does not exist.
pub async fn list(State(app): State<App>, req: Signed<ListIdentifiers>) -> Result<Reply, Problem> {
    let (client, user) = (Arc::clone(&req.client), req.operation.0);
    let read = move |tx: &Tx<'_>| {
        let Tenant { number, key, .. } = &client.tenant;
        let key = users::find_key(tx, *number, &user, key)?.ok_or(Problem::NotFound("user"))?;
        Ok::<_, Problem>(identifiers::of_user(tx, *number, user, &key)?)
    };
    let found = app.store.read("identifiers.list", read).await?;
    let items = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    Ok(Reply::ok(format!(r#"{{"data":[{items}]}}"#)))
}

/// A request for an identifier, with the ids of the user and the identifier.
pub struct ReadIdentifier(Uuid, Uuid);

impl Operation for ReadIdentifier {
    const OPERATION: &'static str = "GET /users/{user_id}/identifiers/{identifier_id}";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: IDENTIFIERS,
        id: "retrieve_identifier",
        summary: "Get a user identifier by id",
        description: "Answers one identifier of a user.",
        parameters,
        request: None,
        answer: ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let (user, id) = path(received)?;
        Ok(Self(user, id))
    }
}

/// Returns the ids of the user and the identifier from the path.
fn path(received: &Received<'_>) -> Result<(Uuid, Uuid), Problem> {
    received.path_id(1).zip(received.path_id(3)).ok_or(Problem::NotFound("identifier"))
}

/// Handles `GET /users/{user_id}/identifiers/{identifier_id}`: returns an identifier.
///
/// # Errors
///
/// Fails if the user or the identifier does not exist.
pub async fn read(State(app): State<App>, req: Signed<ReadIdentifier>) -> Result<Reply, Problem> {
    let (client, ReadIdentifier(user, id)) = (Arc::clone(&req.client), req.operation);
    let read = move |tx: &Tx<'_>| {
        let Tenant { number, key, .. } = &client.tenant;
        let key = users::find_key(tx, *number, &user, key)?.ok_or(Problem::NotFound("user"))?;
        let found = identifiers::by_id(tx, *number, user, id, &key)?;
        found.ok_or(Problem::NotFound("identifier"))
    };
    Ok(Reply::ok(app.store.read("identifiers.read", read).await?.to_string()))
}

/// A request to add an identifier to a user.
pub struct CreateIdentifier {
    user: Uuid,
    sent: NewIdentifier,
}

impl Operation for CreateIdentifier {
    const OPERATION: &'static str = "POST /users/{user_id}/identifiers";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const DOC: OperationDoc = OperationDoc {
        tag: IDENTIFIERS,
        id: "create_identifier",
        summary: "Create a user identifier",
        description: "Adds an identifier to a user, who becomes ACTIVE by it if nothing else is missing. A user has one \
            of a country and standard: the same again is answered with the one that is there. What the checks of \
            the standard find is kept; the tenant setting `identifier_checks` says whether it is refused.",
        parameters: || vec![path_id("user_id", "Id of the user.")],
        request: Some(PayloadDoc {
            description: "The identifier.",
            media: "application/json",
            schema: |schemas| request(&CREATE, schemas),
            examples: &[
                ("national id", include_str!("../../../../../api/examples/create-identifier.json")),
                ("passport", include_str!("../../../../../api/examples/create-identifier-passport.json")),
            ],
        }),
        answer: ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let user = received.path_id(1).ok_or(Problem::NotFound("user"))?;
        let sent = NewIdentifier::parse(received.json()?, &received.client.tenant.settings, received.now)?;
        Ok(Self { user, sent })
    }
}

/// Handles `POST /users/{user_id}/identifiers`: adds an identifier, or returns the equal one that exists (decision I3).
///
/// # Errors
///
/// Fails if the user does not exist or has left, or the identifier is refused.
pub async fn create(State(app): State<App>, req: Signed<CreateIdentifier>) -> Result<Reply, Problem> {
    let (ids, user) = (Arc::clone(&app.ids), req.operation.user);
    let add =
        move |call: &CreateIdentifier, held: &[_], user: &User, settings: &TenantSettings, now: Timestamp| {
            Ok(domain_identifiers::add(held, &call.sent, user, settings, (ids.uuid(), now))?)
        };
    change(app, "identifiers.create", req, user, add).await
}

/// A request to change the value of an identifier.
pub struct UpdateIdentifier {
    user: Uuid,
    id: Uuid,
    value: String,
}

impl Operation for UpdateIdentifier {
    const OPERATION: &'static str = "PATCH /users/{user_id}/identifiers/{identifier_id}";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const DOC: OperationDoc = OperationDoc {
        tag: IDENTIFIERS,
        id: "update_identifier",
        summary: "Update a user identifier",
        description: "Gives an identifier another value. Type, country and standard stay. A CONCAT cannot be changed: \
            the register makes it from the data of the user.",
        parameters,
        request: Some(PayloadDoc {
            description: "The new value.",
            media: "application/json",
            schema: |schemas| request(&UPDATE, schemas),
            examples: &[("value", include_str!("../../../../../api/examples/update-identifier.json"))],
        }),
        answer: ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let (user, id) = path(received)?;
        let settings = &received.client.tenant.settings;
        let value = identifier::parse_update(received.json()?, settings, received.now)?;
        Ok(Self { user, id, value })
    }
}

/// Handles `PATCH /users/{user_id}/identifiers/{identifier_id}`: changes the value of an identifier.
///
/// # Errors
///
/// Fails if the user or the identifier does not exist, or the new value is refused.
pub async fn update(State(app): State<App>, req: Signed<UpdateIdentifier>) -> Result<Reply, Problem> {
    let user = req.operation.user;
    let update = |call: &UpdateIdentifier,
                  held: &[Identifier],
                  user: &User,
                  settings: &TenantSettings,
                  now: Timestamp| {
        let one = held.iter().find(|one| one.id == call.id);
        let one = one.ok_or(Problem::NotFound("identifier"))?;
        Ok(domain_identifiers::update(one, &call.value, user, settings, now)?)
    };
    change(app, "identifiers.update", req, user, update).await
}

/// Applies the change that `decide` returns, updates the search index, and activates the user if all requirements are
/// met.
async fn change<T: Operation + 'static>(
    app: App,
    name: &'static str,
    req: Signed<T>,
    id: Uuid,
    decide: impl Fn(&T, &[Identifier], &User, &TenantSettings, Timestamp) -> Result<IdentifierChange, Problem>
    + Send
    + 'static,
) -> Result<Reply, Problem> {
    let ids = Arc::clone(&app.ids);
    let change =
        move |tx: &Tx<'_>, req: &Signed<T>, sequence: &mut Sequence, (mut user, key): (User, &UserKey)| {
            if let Err(refusal) = about_user::has_not_left(&user) {
                return Ok(Err(refusal));
            }
            let (number, settings) = (sequence.tenant, &req.client.tenant.settings);
            let mut held = identifiers::of_user(tx, number, id, key)?;
            let tenant_key = &req.client.tenant.key;
            let change = match decide(&req.operation, &held, &user, settings, sequence.now) {
                Ok(change) => change,
                Err(refusal) => return Ok(Err(refusal)),
            };
            identifiers::apply(tx, number, &change, key, &*ids)?;
            let reply = Reply::ok(change.identifier().to_string());
            let before = search::of_identifiers(&held);
            change.apply_to(&mut held);
            let found_by = (&before, &search::of_identifiers(&held));
            search_index::replace(tx, (number, id), found_by, tenant_key)?;
            activation::activate_if_complete(tx, sequence, &mut user, Some(&held), settings, key, &*ids)?;
            Ok(Ok(reply))
        };
    about_user::write(&app, name, req, id, change).await
}
