//! What all writes of a client have in common, whatever they are about.

use super::Reply;
use super::caller::{Call, Signed, replayed};
use crate::app::App;
use crate::problem::Problem;
use crate::store::once::{self, Before, Nonce, Once};
use crate::store::seal::TenantKey;
use crate::store::tenants::Head;
use crate::store::{First, StoreError, Tx};

/// Does one unit under the lock of the tenant. What `work` refuses, it refuses by a value, before it has written
/// anything: so the nonce stays used.
pub async fn write<T: Call + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    work: impl Fn(&Tx<'_>, &Signed<T>, &mut Head) -> Result<Result<Reply, Problem>, StoreError> + Send + 'static,
) -> Result<Reply, Problem> {
    let (number, nonce) = (req.client.tenant.number, req.nonce().copied());
    let first = First { head: Some(number), nonce, once: None, webhook: None };
    let unit = move |tx: &Tx<'_>| {
        let mut head = Head::take(tx, number, req.now)?;
        if let Some(reply) = before(tx, None, nonce.as_ref(), &req.client.tenant.key)? {
            return Ok(reply);
        }
        let reply = work(tx, &req, &mut head)?;
        if reply.is_ok() {
            head.put(tx);
        }
        Ok::<_, Problem>(reply)
    };
    app.store.write_after(name, number, first, unit).await?
}

/// The answer to a request that has been seen before; none if it is to be done.
pub fn before(
    tx: &Tx<'_>,
    once: Option<&Once>,
    nonce: Option<&Nonce>,
    key: &TenantKey,
) -> Result<Option<Result<Reply, Problem>>, StoreError> {
    Ok(match once::before(tx, once, nonce, key)? {
        Before::New => None,
        Before::Done(kept) => Some(Ok(Reply::kept(&kept))),
        Before::OtherRequest => Some(Err(Problem::OtherRequest)),
        Before::Replayed => Some(Err(replayed())),
    })
}
