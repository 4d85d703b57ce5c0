//! What all writes about a user have in common.

use uuid::Uuid;

use super::Reply;
use super::caller::{Signed, replayed};
use crate::app::App;
use crate::domain::user::{Status, User};
use crate::problem::Problem;
use crate::store::seal::UserKey;
use crate::store::tenants::Head;
use crate::store::{First, Tx, once, users};

/// Does one unit about a user, under the lock of their tenant. What `work` refuses, it refuses by a value, before it has
/// written anything: so the nonce stays used.
pub async fn write<T: Send + 'static>(
    app: &App,
    name: &'static str,
    req: Signed<T>,
    id: Uuid,
    work: impl Fn(&Tx<'_>, &Signed<T>, &mut Head, (User, UserKey)) -> Result<Result<Reply, Problem>, Problem>
    + Send
    + 'static,
) -> Result<Reply, Problem> {
    let (number, nonce) = (req.client.tenant.number, req.nonce().copied());
    let first = First { head: Some(number), nonce, once: None };
    let unit = move |tx: &Tx<'_>| {
        let mut head = Head::take(tx, number, req.now)?;
        if !nonce.map_or(Ok(true), |nonce| once::remember(tx, &nonce))? {
            return Ok(Err(replayed()));
        }
        let Some(user) = users::load(tx, number, id, &req.client.tenant.key)? else {
            return Ok(Err(Problem::NotFound("user")));
        };
        let reply = work(tx, &req, &mut head, user)?;
        if reply.is_ok() {
            head.put(tx);
        }
        Ok::<_, Problem>(reply)
    };
    app.store.write_after(name, number, first, unit).await?
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
