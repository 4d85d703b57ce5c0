//! Table `simulated_outcomes`: outcomes that a test has ordered for the next job.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Ids;
use crate::store::encryption::{Aad, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Stmt, Tx, Value};

pub const STATEMENTS: &[&Stmt] = &[&PUT, &OF_KIND, &DROP];

const PUT: Stmt = Stmt {
    name: "simulated_outcomes.save",
    text: "INSERT INTO simulated_outcomes (tenant, user_id, kind, sealed) VALUES ($1, $2, $3, $4)
           ON CONFLICT (tenant, user_id, kind) DO UPDATE SET sealed = excluded.sealed",
};
const OF_KIND: Stmt = Stmt {
    name: "simulated_outcomes.of_kind",
    text: "SELECT sealed FROM simulated_outcomes WHERE tenant = $1 AND user_id = $2 AND kind = $3",
};
const DROP: Stmt = Stmt {
    name: "simulated_outcomes.delete",
    text: "DELETE FROM simulated_outcomes WHERE tenant = $1 AND user_id = $2 AND kind = $3",
};

/// What is wanted of the next step of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedOutcome {
    /// Of a data change or check: why it fails; none if it is good.
    pub refusal: Option<String>,
    /// Of an activation: how long it takes.
    pub seconds: u32,
}

/// Wants something of the next step of a kind, whatever was wanted before.
pub fn save(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    kind: &str,
    outcome: &SimulatedOutcome,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let sealed = key.seal_data(Aad::outcome(&user), outcome, ids);
    let values = [Value::Int(tenant), Value::Id(user), Value::Text(kind), Value::Bytes(&sealed)];
    tx.execute_one(&PUT, &values)
}

/// What is wanted of the next step of a kind; once.
pub fn take(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    kind: &str,
    key: &UserKey,
) -> Result<Option<SimulatedOutcome>, StoreError> {
    let values = [Value::Int(tenant), Value::Id(user), Value::Text(kind)];
    let found = tx.one(&OF_KIND, &values, |row| key.open_data(Aad::outcome(&user), row.bytes(0)?))?;
    if found.is_some() {
        tx.execute_one(&DROP, &values)?;
    }
    Ok(found)
}
