//! What all writes about a user have in common.

use std::sync::Arc;

use uuid::Uuid;

use super::caller::{Call, Signed};
use super::{Reply, about_tenant};
use crate::app::App;
use crate::domain::user::{Status, User};
use crate::problem::Problem;
use crate::store::once;
use crate::store::seal::UserKey;
use crate::store::tenants::Head;
use crate::store::{First, StoreError, Tx, users};

/// Does one unit about a user, under the lock of their tenant. What `work` refuses, it refuses by a value, before it has
/// written anything: so the nonce stays used.
pub async fn write<T: Call + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    id: Uuid,
    work: impl Fn(&Tx<'_>, &Signed<T>, &mut Head, (User, &UserKey)) -> Result<Result<Reply, Problem>, Problem>
    + Send
    + 'static,
) -> Result<Reply, Problem> {
    write_found(app, name, req, ("user", move |_: &Tx<'_>, _| Ok(Some(id))), work).await
}

/// The same, where the user has first to be found by what is theirs.
pub async fn write_found<T: Call + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    (noun, find): (&'static str, impl Fn(&Tx<'_>, i64) -> Result<Option<Uuid>, StoreError> + Send + 'static),
    work: impl Fn(&Tx<'_>, &Signed<T>, &mut Head, (User, &UserKey)) -> Result<Result<Reply, Problem>, Problem>
    + Send
    + 'static,
) -> Result<Reply, Problem> {
    let (number, nonce, ids) = (req.client.tenant.number, req.nonce().copied(), Arc::clone(&app.ids));
    let keyed = if T::ONCE { Some(req.once()?) } else { None };
    let first = First { head: Some(number), nonce, once: keyed, webhook: None };
    let unit = move |tx: &Tx<'_>| {
        let key = &req.client.tenant.key;
        let mut head = Head::take(tx, number, req.now)?;
        if let Some(reply) = about_tenant::before(tx, keyed.as_ref(), nonce.as_ref(), key)? {
            return Ok(reply);
        }
        let Some(id) = find(tx, number)? else { return Ok(Err(Problem::NotFound(noun))) };
        let Some((user, user_key)) = users::load(tx, number, id, key)? else {
            return Ok(Err(Problem::NotFound("user")));
        };
        let reply = work(tx, &req, &mut head, (user, &user_key))?;
        if let Ok(Reply { status, json, .. }) = &reply {
            if let Some(keyed) = &keyed {
                once::keep(tx, keyed, (status.as_u16(), json), (id, &user_key), head.now, &*ids)?;
            }
            head.put(tx);
        }
        Ok::<_, Problem>(reply)
    };
    app.store.write_after(name, number, first, unit).await?
}

/// Refuses one more of what there may be so many.
pub fn too_many(what: &'static str) -> Problem {
    Problem::TooManyRequests { retry_after_seconds: 60, what }
}

/// Refuses to change what is known of a user who has left.
pub fn has_not_left(user: &User) -> Result<(), Problem> {
    match user.status {
        Status::Active | Status::Inactive | Status::Offboarding => Ok(()),
        Status::Offboarded => {
            Err(Problem::Closed("the user has been offboarded; their data stay as they are"))
        }
    }
}

/// Refuses to begin anything new with a user who is leaving.
pub fn is_not_leaving(user: &User) -> Result<(), Problem> {
    match user.status {
        Status::Active | Status::Inactive => Ok(()),
        Status::Offboarding | Status::Offboarded => {
            Err(Problem::Closed("the user is leaving or has left; nothing new is begun with them"))
        }
    }
}
