//! The frame of a write by a client: lock, replay, work, kept response.

use std::sync::Arc;

use uuid::Uuid;

use crate::api::front::caller::{Operation, Signed};
use crate::api::front::pending_request::replayed_message;
use crate::api::front::reply::Reply;
use crate::app::App;
use crate::domain::users::{User, UserStatus};
use crate::problem::Problem;
use crate::store::log::idempotency::{self, IdempotencyKey, Replay};
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;
use crate::store::{Prefetch, StoreError, Tx, users};

/// Why a unit of work of a client has no reply.
pub enum Stop {
    /// A refusal, decided before the first change. The commit keeps the nonce, so that the message cannot be replayed.
    Refused(Problem),
    /// A failure of the store: everything is rolled back, and the client may send the same message again.
    Failed(StoreError),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Runs the unit of work of a write under the lock of the tenant, unless the message is a replay.
///
/// # Errors
///
/// Fails with the refusal of `work`, if the message is a replay, or if the database fails.
pub async fn change<T: Operation + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    work: impl Fn(&mut Unit<'_>, &Signed<T>) -> Result<Reply, Stop> + Send + 'static,
) -> Result<Reply, Problem> {
    run(app, name, req, None, work).await
}

/// Runs the unit of work of an operation with an idempotency key as [`change`] does, and keeps its response. `work`
/// returns the user whom the response is about, with whose key it is encrypted.
///
/// # Errors
///
/// Fails as [`change`] does, and if the idempotency key belongs to another request.
pub async fn change_idempotently<T: Operation + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    work: impl Fn(&mut Unit<'_>, &Signed<T>) -> Result<(UserHandle, Reply), Stop> + Send + 'static,
) -> Result<Reply, Problem> {
    let key = req.idempotency_key()?;
    let keep = move |unit: &mut Unit<'_>, req: &Signed<T>| {
        let (user, reply) = work(unit, req)?;
        let (status, body) = reply.parts();
        idempotency::keep_response(unit, &key, &user, status.as_u16(), body)?;
        Ok(reply)
    };
    run(app, name, req, Some(key), keep).await
}

async fn run<T: Operation + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    idempotency_key: Option<IdempotencyKey>,
    work: impl Fn(&mut Unit<'_>, &Signed<T>) -> Result<Reply, Stop> + Send + 'static,
) -> Result<Reply, Problem> {
    let (number, nonce, ids) = (req.client.tenant.number, req.nonce().copied(), Arc::clone(&app.ids));
    let first = Prefetch { sequence: Some(number), nonce, idempotency_key, webhook: None };
    let unit = move |tx: &Tx<'_>| {
        let done = Unit::run(
            tx,
            number,
            req.now,
            &*ids,
            |_| Ok(&req.client.tenant),
            |unit| match idempotency::find_replay(unit, idempotency_key.as_ref(), nonce.as_ref())? {
                Replay::New => {
                    let before = unit.tx.write_count();
                    let done = work(unit, &req);
                    // The refusal commits, and what was written would commit with it. The panic rolls it back.
                    let wrote = unit.tx.write_count() > before;
                    assert!(!wrote || !matches!(done, Err(Stop::Refused(_))), "{name} refuses after a write");
                    done
                }
                Replay::Answered(kept) => Ok(Reply::replay(&kept)),
                Replay::KeyReused => Err(Stop::Refused(Problem::OtherRequest)),
                Replay::MessageReplayed => Err(Stop::Refused(replayed_message())),
            },
        );
        match done {
            Ok(reply) => Ok(Ok(reply)),
            Err(Stop::Refused(problem)) => Ok(Err(problem)),
            Err(Stop::Failed(error)) => Err(Problem::from(error)),
        }
    };
    app.store.write_prefetched(name, number, first, unit).await?
}

/// Loads a user under the lock of the tenant.
///
/// # Errors
///
/// Refuses the request if the tenant has no user of this id; fails if stored data cannot be decrypted.
pub fn load_user(unit: &Unit<'_>, id: Uuid) -> Result<(User, UserHandle), Stop> {
    Ok(users::load(unit.tx, unit.tenant, id)?.ok_or(Problem::NotFound("user"))?)
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
