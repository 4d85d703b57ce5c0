//! The frame of a write about a user: lock, replay, load, keep the response, save.

use std::sync::Arc;

use uuid::Uuid;

use super::about_tenant;
use crate::api::front::caller::{Operation, Signed};
use crate::api::front::reply::Reply;
use crate::app::App;
use crate::domain::users::{User, UserStatus};
use crate::problem::Problem;
use crate::store::encryption::UserKey;
use crate::store::log::idempotency;
use crate::store::tenants::sequence::Sequence;
use crate::store::{Prefetch, StoreError, Tx, users};

/// Runs one unit of work about a user under the lock of the tenant. A refusal by `work` is the inner `Err`, returned
/// before the first change: the transaction then commits, and the nonce stays used.
///
/// # Errors
///
/// Fails with the refusal of `work`, if the message is a replay, if the tenant has no user of this id, or if the
/// database fails.
pub async fn write<T: Operation + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    id: Uuid,
    work: impl Fn(&Tx<'_>, &Signed<T>, &mut Sequence, (User, &UserKey)) -> Result<Result<Reply, Problem>, Problem>
    + Send
    + 'static,
) -> Result<Reply, Problem> {
    write_found(app, name, req, ("user", move |_: &Tx<'_>, _| Ok(Some(id))), work).await
}

/// Runs one unit of work about a user who is found through another record, such as an account. The name of the record
/// in `noun` is for the response if `find` returns none.
///
/// # Errors
///
/// Fails with the refusal of `work`, if the message is a replay, if the record or its user does not exist, or if the
/// database fails.
pub async fn write_found<T: Operation + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    (noun, find): (&'static str, impl Fn(&Tx<'_>, i64) -> Result<Option<Uuid>, StoreError> + Send + 'static),
    work: impl Fn(&Tx<'_>, &Signed<T>, &mut Sequence, (User, &UserKey)) -> Result<Result<Reply, Problem>, Problem>
    + Send
    + 'static,
) -> Result<Reply, Problem> {
    let (number, nonce, ids) = (req.client.tenant.number, req.nonce().copied(), Arc::clone(&app.ids));
    let idempotency_key = if T::IDEMPOTENT { Some(req.idempotency_key()?) } else { None };
    let first = Prefetch { sequence: Some(number), nonce, idempotency_key, webhook: None };
    let unit = move |tx: &Tx<'_>| {
        let key = &req.client.tenant.key;
        let mut sequence = Sequence::lock(tx, number, req.now)?;
        if let Some(reply) = about_tenant::find_replay(tx, idempotency_key.as_ref(), nonce.as_ref(), key)? {
            return Ok(reply);
        }
        let Some(id) = find(tx, number)? else { return Ok(Err(Problem::NotFound(noun))) };
        let Some((user, user_key)) = users::load(tx, number, id, key)? else {
            return Ok(Err(Problem::NotFound("user")));
        };
        let reply = work(tx, &req, &mut sequence, (user, &user_key))?;
        if let Ok(reply) = &reply {
            let (status, json) = reply.parts();
            if let Some(idempotency_key) = &idempotency_key {
                idempotency::keep_response(
                    tx,
                    idempotency_key,
                    (status.as_u16(), json),
                    (id, &user_key),
                    sequence.now,
                    &*ids,
                )?;
            }
            sequence.save(tx);
        }
        Ok::<_, Problem>(reply)
    };
    app.store.write_prefetched(name, number, first, unit).await?
}

/// Returns the refusal of a request beyond a limit on the number of records.
pub fn too_many(what: &'static str) -> Problem {
    Problem::TooManyRequests { retry_after_seconds: 60, what }
}

/// Refuses a change to the data of a user who has been offboarded.
///
/// # Errors
///
/// Fails if the user has been offboarded.
pub fn has_not_left(user: &User) -> Result<(), Problem> {
    match user.status {
        UserStatus::Active | UserStatus::Inactive | UserStatus::Offboarding => Ok(()),
        UserStatus::Offboarded => {
            Err(Problem::Closed("the user has been offboarded; their data stay as they are"))
        }
    }
}

/// Refuses a new matter of a user whose offboarding has begun.
///
/// # Errors
///
/// Fails if the user is being offboarded or has been.
pub fn is_not_leaving(user: &User) -> Result<(), Problem> {
    match user.status {
        UserStatus::Active | UserStatus::Inactive => Ok(()),
        UserStatus::Offboarding | UserStatus::Offboarded => {
            Err(Problem::Closed("the user is leaving or has left; nothing new is begun with them"))
        }
    }
}
