//! What can be asked of account groups and of accounts alike: list, list those of a user, read, close.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::caller::{Call, Received, Signed};
use super::directory::Tenant;
use super::openapi::{ACCEPTED, About, Payload, path_id};
use super::query::{self, Parameter};
use super::{Reply, about_user, page};
use crate::app::App;
use crate::domain::account::{CLOSURE_REASONS, Custody};
use crate::domain::schema::Rule;
use crate::domain::user::User;
use crate::problem::Problem;
use crate::store::accounts::{self, Content};
use crate::store::page::{Page, SortBy};
use crate::store::seal::UserKey;
use crate::store::tenants::Head;
use crate::store::{Tx, steps, users};

pub const READ: &[&str] = &["accounts:read", "accounts:admin"];
pub const ADMIN: &[&str] = &["accounts:admin"];

/// What makes one kind differ from the other on the wire.
pub trait Resource: Content {
    const TAG: &'static str;
    /// Operations with their ids: list, list those of a user, read, close.
    const LIST: (&'static str, &'static str);
    const OF_USER: (&'static str, &'static str);
    const READ: (&'static str, &'static str);
    const CLOSE: (&'static str, &'static str);
    /// Name of the id in the path.
    const ID: &'static str;
    /// Kind of the step that ends a closing.
    const CLOSING: &'static str;
    const CLOSE_DESCRIPTION: &'static str;
    const ONE: Payload;
    const PAGE: Payload;

    /// What the client says beside the path when it closes one; kept with it.
    fn closes(&mut self, _query: &CloseQuery) {}

    /// Parameters of the query that closes one.
    fn close_parameters() -> Vec<Value> {
        Vec::new()
    }
}

pub struct List<T>(Page, PhantomData<T>);

impl<T: Resource> Call for List<T> {
    const OPERATION: &'static str = T::LIST.0;
    const SCOPES: &'static [&'static str] = READ;
    const ABOUT: About = About {
        tag: T::TAG,
        id: T::LIST.1,
        summary: "List all",
        description: "Lists those of all users of the tenant, closed ones among them, page by page.",
        parameters: page::parameters_with_cursor::<SortBy>,
        request: None,
        answer: T::PAGE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        Ok(Self(page::parse_with_cursor(received.query())?, PhantomData))
    }
}

pub async fn list<T: Resource>(State(app): State<App>, req: Signed<List<T>>) -> Result<Reply, Problem> {
    let (client, page) = (Arc::clone(&req.client), req.call.0);
    let scan = move |tx: &Tx<'_>| {
        let Tenant { number, key, .. } = &client.tenant;
        accounts::list::<T>(tx, *number, page, key).map_err(Problem::from)
    };
    let listed = super::scan(&app, req.client.tenant.number, "accounts.list", scan).await?;
    Ok(Reply::ok(page::envelope(page, &listed)))
}

pub struct OfUser<T>(Uuid, Page, PhantomData<T>);

impl<T: Resource> Call for OfUser<T> {
    const OPERATION: &'static str = T::OF_USER.0;
    const SCOPES: &'static [&'static str] = READ;
    const ABOUT: About = About {
        tag: T::TAG,
        id: T::OF_USER.1,
        summary: "List those of a user",
        description: "Lists those of one user, closed ones among them, page by page.",
        parameters: || {
            std::iter::once(path_id("user_id", "Id of the user."))
                .chain(page::parameters::<SortBy>())
                .collect()
        },
        request: None,
        answer: T::PAGE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let page = page::parse(received.query())?;
        received.path_id(1).map(|user| Self(user, page, PhantomData)).ok_or(Problem::NotFound("user"))
    }
}

pub async fn of_user<T: Resource>(State(app): State<App>, req: Signed<OfUser<T>>) -> Result<Reply, Problem> {
    let (client, OfUser(user, page, _)) = (Arc::clone(&req.client), req.call);
    let read = move |tx: &Tx<'_>| {
        let Tenant { number, key, .. } = &client.tenant;
        let key = users::find_key(tx, *number, &user, key)?.ok_or(Problem::NotFound("user"))?;
        Ok::<_, Problem>(accounts::of_user::<T>(tx, *number, user, &key)?)
    };
    let all = app.store.read("accounts.of_user", read).await?;
    let compare = |sort: SortBy, one: &Custody<T>, other: &Custody<T>| match sort {
        SortBy::CreatedAt => Ordering::Equal,
        SortBy::UpdatedAt => one.updated_at.cmp(&other.updated_at),
    };
    let listed = page.of(all, compare, T::view);
    Ok(Reply::ok(page::envelope(page, &listed)))
}

pub struct Read<T>(Uuid, PhantomData<T>);

impl<T: Resource> Call for Read<T> {
    const OPERATION: &'static str = T::READ.0;
    const SCOPES: &'static [&'static str] = READ;
    const ABOUT: About = About {
        tag: T::TAG,
        id: T::READ.1,
        summary: "Get one by id",
        description: "Answers it as it is now. What belongs to users of other tenants is not found.",
        parameters: || vec![path_id(T::ID, "Its id.")],
        request: None,
        answer: T::ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(1).map(|id| Self(id, PhantomData)).ok_or(Problem::NotFound(T::NOUN))
    }
}

pub async fn read<T: Resource>(State(app): State<App>, req: Signed<Read<T>>) -> Result<Reply, Problem> {
    let (client, id) = (Arc::clone(&req.client), req.call.0);
    let read = move |tx: &Tx<'_>| {
        let Tenant { number, key, .. } = &client.tenant;
        accounts::by_id::<T>(tx, *number, id, key)?.ok_or(Problem::NotFound(T::NOUN))
    };
    Ok(Reply::ok(T::view(&app.store.read("accounts.read", read).await?).to_string()))
}

/// What a client says when it closes something.
pub struct CloseQuery {
    pub reason: Option<String>,
    /// Nothing is to be closed: the user is only told that it will be.
    notification_only: bool,
}

/// The query that closes a group.
pub static CLOSE: [Parameter; 2] = [
    Parameter {
        name: "closure_reason",
        rule: Rule::OneOf(CLOSURE_REASONS),
        default: None,
        description: "Why it is closed; kept with it.",
    },
    Parameter {
        name: "notification_only",
        rule: Rule::Bool,
        default: Some("false"),
        description: "Whether the user is only to be told; then nothing is closed.",
    },
];

impl CloseQuery {
    /// Reads the query.
    fn parse(query: &str) -> Result<Self, Problem> {
        let values = query::read(query, &CLOSE)?;
        let reason = values.text("closure_reason").map(str::to_owned);
        Ok(Self { reason, notification_only: values.is_true("notification_only") })
    }
}

pub struct Close<T> {
    id: Uuid,
    query: CloseQuery,
    kind: PhantomData<T>,
}

impl<T: Resource> Call for Close<T> {
    const OPERATION: &'static str = T::CLOSE.0;
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::ACCEPTED;
    const ABOUT: About = About {
        tag: T::TAG,
        id: T::CLOSE.1,
        summary: "Close one",
        description: T::CLOSE_DESCRIPTION,
        parameters: || std::iter::once(path_id(T::ID, "Its id.")).chain(T::close_parameters()).collect(),
        request: None,
        answer: ACCEPTED,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let query = CloseQuery::parse(received.query())?;
        let id = received.path_id(1).ok_or(Problem::NotFound(T::NOUN))?;
        Ok(Self { id, query, kind: PhantomData })
    }
}

pub async fn close<T: Resource>(State(app): State<App>, req: Signed<Close<T>>) -> Result<Reply, Problem> {
    let (ids, id, client) = (Arc::clone(&app.ids), req.call.id, Arc::clone(&req.client));
    let owner = move |tx: &Tx<'_>, tenant| {
        Ok(accounts::by_id::<T>(tx, tenant, id, &client.tenant.key)?.map(|one| one.user_id))
    };
    let close = move |tx: &Tx<'_>, req: &Signed<Close<T>>, head: &mut Head, (user, key): (User, &UserKey)| {
        let found = accounts::by_id::<T>(tx, head.tenant, id, &req.client.tenant.key)?;
        let mut found = found.ok_or(Problem::NotFound(T::NOUN))?;
        if req.call.query.notification_only {
            return Ok(Ok(Reply::accepted()));
        }
        let Some(event) = found.close(head.now) else {
            return Ok(Err(Problem::State("it is closing, closed or locked")));
        };
        found.content.closes(&req.call.query);
        accounts::update(tx, head, &found, event, key, &*ids)?;
        // By the clock that the worker asks: the tenant's instants may run ahead of it.
        steps::add(tx, (head.tenant, user.id), T::CLOSING, id, Some(req.now))?;
        Ok(Ok(Reply::accepted()))
    };
    let reply = about_user::write_found(&app, "accounts.close", req, (T::NOUN, owner), close).await?;
    app.work.notify_one();
    Ok(reply)
}

/// The parameters of [`CloseQuery`].
pub fn close_parameters() -> Vec<Value> {
    query::described(&CLOSE)
}
