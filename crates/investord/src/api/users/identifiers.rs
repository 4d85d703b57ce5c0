//! `/users/{user_id}/identifiers`: list, create, read, update.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;
use uuid::Uuid;

use super::{ADMIN, READ};
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::{Stop, change, has_not_left, load_user};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{
    IDENTIFIERS, OperationDoc, PayloadDoc, path_id, request, whole_list,
};
use crate::app::App;
use crate::domain::identification::identifier;
use crate::domain::identification::identifier::{CREATE, Identifier, IdentifierChange, UPDATE};
use crate::domain::identification::new_identifier::NewIdentifier;
use crate::domain::json::json_schema::of_type;
use crate::domain::resource::View;
use crate::domain::users::User;
use crate::domain::users::identifiers as domain_identifiers;
use crate::domain::users::search;
use crate::problem::Problem;
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;
use crate::store::users::{activation, identifiers, search_index};
use crate::store::{Tx, users};

/// Returns the path parameters of one identifier.
fn parameters() -> Vec<Value> {
    vec![path_id("user_id", "Id of the user."), path_id("identifier_id", "Id of the identifier.")]
}

/// The response with one identifier.
const ONE: PayloadDoc = PayloadDoc {
    description: "The identifier.",
    media: "application/json",
    schema: of_type::<View<Identifier>>,
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
                let item = of_type::<View<Identifier>>(schemas);
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
        let user = users::find(tx, &client.tenant, user)?.ok_or(Problem::NotFound("user"))?;
        Ok::<_, Problem>(identifiers::of_user(tx, &user)?)
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
        let user = users::find(tx, &client.tenant, user)?.ok_or(Problem::NotFound("user"))?;
        identifiers::by_id(tx, &user, id)?.ok_or(Problem::NotFound("identifier"))
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
        description: "Adds an identifier to a user, who becomes ACTIVE by it if nothing else is missing. A user has \
            one of a country and standard: the same again is answered with the one that is there. What the checks of \
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
    let work = |unit: &mut Unit<'_>, req: &Signed<CreateIdentifier>| {
        let (user, handle) = load_user(unit, req.operation.user)?;
        has_not_left(&user)?;
        let held = identifiers::of_user(unit.tx, &handle)?;
        let (sent, settings) = (&req.operation.sent, &unit.tenant.settings);
        let (id, now) = (unit.ids.uuid(), unit.now());
        let change = domain_identifiers::add(&held, sent, &user, settings, id, now).map_err(Problem::from)?;
        apply(unit, user, &handle, held, change)
    };
    change(&app, "identifiers.create", req, work).await
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
    let work = |unit: &mut Unit<'_>, req: &Signed<UpdateIdentifier>| {
        let UpdateIdentifier { user, id, value } = &req.operation;
        let (user, handle) = load_user(unit, *user)?;
        has_not_left(&user)?;
        let held = identifiers::of_user(unit.tx, &handle)?;
        let one = held.iter().find(|one| one.id == *id).ok_or(Problem::NotFound("identifier"))?;
        let settings = &unit.tenant.settings;
        let change =
            domain_identifiers::update(one, value, &user, settings, unit.now()).map_err(Problem::from)?;
        apply(unit, user, &handle, held, change)
    };
    change(&app, "identifiers.update", req, work).await
}

/// Writes the change of an identifier, updates the search index, and activates the user if all requirements are met.
fn apply(
    unit: &mut Unit<'_>,
    mut user: User,
    handle: &UserHandle,
    mut held: Vec<Identifier>,
    change: IdentifierChange,
) -> Result<Reply, Stop> {
    identifiers::apply(unit, handle, &change)?;
    let reply = Reply::ok(change.identifier().to_string());
    let before = search::of_identifiers(&held);
    change.apply_to(&mut held);
    search_index::replace(unit, handle, &before, &search::of_identifiers(&held))?;
    activation::activate_if_complete(unit, handle, &mut user, Some(&held))?;
    Ok(reply)
}
