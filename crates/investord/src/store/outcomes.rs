//! Outcomes on demand: what is to happen to a user next, for whoever tries out the register.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::seal::{Place, UserKey};
use super::{Stmt, StoreError, Tx, Value};
use crate::clock::Ids;

pub const STATEMENTS: &[&Stmt] = &[&PUT, &OF_KIND, &DROP];

const PUT: Stmt = Stmt {
    name: "outcomes.put",
    text: "INSERT INTO outcomes (tenant, user_id, kind, sealed) VALUES ($1, $2, $3, $4)
           ON CONFLICT (tenant, user_id, kind) DO UPDATE SET sealed = excluded.sealed",
};
const OF_KIND: Stmt = Stmt {
    name: "outcomes.of_kind",
    text: "SELECT sealed FROM outcomes WHERE tenant = $1 AND user_id = $2 AND kind = $3",
};
const DROP: Stmt = Stmt {
    name: "outcomes.drop",
    text: "DELETE FROM outcomes WHERE tenant = $1 AND user_id = $2 AND kind = $3",
};

/// What is wanted of the next step of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Of a data change or check: why it fails; none if it is good.
    pub refusal: Option<String>,
    /// Of an activation: how long it takes.
    pub seconds: u32,
}

/// Wants something of the next step of a kind, whatever was wanted before.
pub fn put(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    kind: &str,
    outcome: &Outcome,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let sealed = key.seal_data(Place::outcome(&user), outcome, ids);
    let values = [Value::Int(tenant), Value::Id(user), Value::Text(kind), Value::Bytes(&sealed)];
    tx.execute_one(&PUT, &values)
}

/// What is wanted of the next step of a kind; once.
pub fn take(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    kind: &str,
    key: &UserKey,
) -> Result<Option<Outcome>, StoreError> {
    let values = [Value::Int(tenant), Value::Id(user), Value::Text(kind)];
    let found = tx.one(&OF_KIND, &values, |row| key.open_data(Place::outcome(&user), row.bytes(0)?))?;
    if found.is_some() {
        tx.execute_one(&DROP, &values)?;
    }
    Ok(found)
}
