//! `/users`: create, read, list.

use std::sync::Arc;

use axum::extract::State;
use uuid::Uuid;

use super::caller::{Call, Received, Signed};
use super::{Reply, page};
use crate::app::App;
use crate::domain::user::{Person, User, UserView};
use crate::problem::Problem;
use crate::store::once::{self, Before};
use crate::store::tenants::Head;
use crate::store::users::{self, Page};
use crate::store::{Tx, outbox};

const READ: &[&str] = &["users:read", "users:admin"];
const ADMIN: &[&str] = &["users:admin"];

pub struct CreateUser(Person);

impl Call for CreateUser {
    const OPERATION: &'static str = "POST /users";
    const SCOPES: &'static [&'static str] = ADMIN;
    const ONCE: bool = true;

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let body = received.json()?;
        Ok(Self(Person::parse(body, &received.client.tenant.settings, received.now)?))
    }
}

pub async fn create(State(app): State<App>, req: Signed<CreateUser>) -> Result<Reply, Problem> {
    let ids = Arc::clone(&app.ids);
    let unit = move |tx: &Tx<'_>| {
        let (tenant, nonce, keyed) = (&req.client.tenant, req.nonce(), req.once()?);
        match once::before(tx, &keyed, nonce, &tenant.key)? {
            Before::New => {}
            Before::Done(kept) => return Ok(Reply::kept(&kept)),
            Before::OtherRequest => return Err(Problem::OtherRequest),
            Before::Replayed => return Err(super::caller::replayed()),
        }
        let mut head = Head::advance(tx, tenant.number, req.now)?;
        let (user, events) = User::register(req.call.0.clone(), &tenant.settings, ids.uuid(), head.now);
        let view = UserView::from(&user).to_string();
        let key = users::insert(tx, &mut head, &user, &tenant.key, &*ids)?;
        for event in events {
            outbox::publish(tx, &mut head, *event, (user.id, &key), &view, &*ids)?;
        }
        once::keep(tx, &keyed, (200, &view), (user.id, &key), head.now, &*ids)?;
        head.save(tx)?;
        Ok(Reply::ok(view))
    };
    app.store.write("users.create", unit).await
}

pub struct ReadUser(Uuid);

impl Call for ReadUser {
    const OPERATION: &'static str = "GET /users/{user_id}";
    const SCOPES: &'static [&'static str] = READ;

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(1).map(Self).ok_or(Problem::NotFound("user"))
    }
}

pub async fn read(State(app): State<App>, req: Signed<ReadUser>) -> Result<Reply, Problem> {
    let tenant = &req.client.tenant;
    let found = app.store.read("users.read", |tx| users::view(tx, tenant.number, req.call.0, &tenant.key));
    let user: Option<String> = found.await.map_err(Problem::from)?;
    user.map(Reply::ok).ok_or(Problem::NotFound("user"))
}

pub struct ListUsers(Page);

impl Call for ListUsers {
    const OPERATION: &'static str = "GET /users";
    const SCOPES: &'static [&'static str] = READ;

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        page::parse(received.query()).map(Self)
    }
}

pub async fn list(State(app): State<App>, req: Signed<ListUsers>) -> Result<Reply, Problem> {
    let (client, page) = (Arc::clone(&req.client), req.call.0);
    let scan = move |tx: &Tx<'_>| {
        users::list(tx, client.tenant.number, page, &client.tenant.key).map_err(Problem::from)
    };
    let listed = app.store.scan("users.list", scan).await?;
    Ok(Reply::ok(page::envelope(page, &listed)))
}
