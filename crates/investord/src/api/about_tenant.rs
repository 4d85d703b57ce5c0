//! The frame of a write about a tenant: lock, replay, save.

use crate::api::front::caller::{Operation, Signed, replayed_message};
use crate::api::front::reply::Reply;
use crate::app::App;
use crate::problem::Problem;
use crate::store::encryption::TenantKey;
use crate::store::log::idempotency;
use crate::store::log::idempotency::{IdempotencyKey, Nonce, Replay};
use crate::store::tenants::sequence::Sequence;
use crate::store::{Prefetch, StoreError, Tx};

/// Runs one unit of work under the lock of the tenant. A refusal by `work` is the inner `Err`, returned before the
/// first change: the transaction then commits, and the nonce stays used.
///
/// # Errors
///
/// Fails with the refusal of `work`, if the message is a replay, or if the database fails.
pub async fn write<T: Operation + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    work: impl Fn(&Tx<'_>, &Signed<T>, &mut Sequence) -> Result<Result<Reply, Problem>, StoreError>
    + Send
    + 'static,
) -> Result<Reply, Problem> {
    let (number, nonce) = (req.client.tenant.number, req.nonce().copied());
    let first = Prefetch { sequence: Some(number), nonce, idempotency_key: None, webhook: None };
    let unit = move |tx: &Tx<'_>| {
        let mut sequence = Sequence::lock(tx, number, req.now)?;
        if let Some(reply) = find_replay(tx, None, nonce.as_ref(), &req.client.tenant.key)? {
            return Ok(reply);
        }
        let reply = work(tx, &req, &mut sequence)?;
        if reply.is_ok() {
            sequence.save(tx);
        }
        Ok::<_, Problem>(reply)
    };
    app.store.write_prefetched(name, number, first, unit).await?
}

/// Returns the response to a request that was received before; `None` if the request is new and has to run. The nonce
/// is recorded in either case.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn find_replay(
    tx: &Tx<'_>,
    idempotency_key: Option<&IdempotencyKey>,
    nonce: Option<&Nonce>,
    key: &TenantKey,
) -> Result<Option<Result<Reply, Problem>>, StoreError> {
    Ok(match idempotency::find_replay(tx, idempotency_key, nonce, key)? {
        Replay::New => None,
        Replay::Answered(kept) => Some(Ok(Reply::replay(&kept))),
        Replay::KeyReused => Some(Err(Problem::OtherRequest)),
        Replay::MessageReplayed => Some(Err(replayed_message())),
    })
}
