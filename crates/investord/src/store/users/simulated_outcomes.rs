//! Table `simulated_outcomes`: outcomes that a test has ordered for the next job.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Ids;
use crate::store::encryption::{Aad, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Stmt, Tx, Value};

/// Prepared statements on the table of this module.
pub const STATEMENTS: &[&Stmt] = &[&SAVE, &OF_KIND, &DELETE];

const SAVE: Stmt = Stmt {
    name: "simulated_outcomes.save",
    text: "INSERT INTO simulated_outcomes (tenant, user_id, kind, sealed) VALUES ($1, $2, $3, $4)
           ON CONFLICT (tenant, user_id, kind) DO UPDATE SET sealed = excluded.sealed",
};
const OF_KIND: Stmt = Stmt {
    name: "simulated_outcomes.of_kind",
    text: "SELECT sealed FROM simulated_outcomes WHERE tenant = $1 AND user_id = $2 AND kind = $3",
};
const DELETE: Stmt = Stmt {
    name: "simulated_outcomes.delete",
    text: "DELETE FROM simulated_outcomes WHERE tenant = $1 AND user_id = $2 AND kind = $3",
};

/// The outcome that a tester has ordered for the next job of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedOutcome {
    /// Reason for which a data change or check fails; `None` if it succeeds.
    pub refusal: Option<String>,
    /// Delay of an activation, in seconds.
    pub seconds: u32,
}

/// Orders the outcome of the next job of a kind. It replaces an earlier order.
///
/// # Errors
///
/// Fails if the database fails.
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
    tx.execute_one(&SAVE, &values)
}

/// Returns the outcome that is ordered for the next job of a kind, and deletes it: an order applies to one job.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn take(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    kind: &str,
    key: &UserKey,
) -> Result<Option<SimulatedOutcome>, StoreError> {
    let values = [Value::Int(tenant), Value::Id(user), Value::Text(kind)];
    let found = tx.one(&OF_KIND, &values, |row| key.open_data(Aad::outcome(&user), row.bytes(0)?))?;
    if found.is_some() {
        tx.execute_one(&DELETE, &values)?;
    }
    Ok(found)
}
