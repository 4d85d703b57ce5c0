//! Table `simulated_outcomes`: outcomes that a test has ordered for the next job.

use serde::{Deserialize, Serialize};

use crate::store::encryption::Aad;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::Value;
use crate::store::engine::statement::{Statement, Stmt};
use crate::store::jobs::JobKind;
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&SAVE, &OF_KIND, &DELETE];

const SAVE: Stmt = Stmt {
    name: "simulated_outcomes.save",
    text: "INSERT INTO simulated_outcomes (tenant, user_number, kind, sealed) VALUES ($1, $2, $3, $4)
           ON CONFLICT (tenant, user_number, kind) DO UPDATE SET sealed = excluded.sealed",
};
const OF_KIND: Stmt = Stmt {
    name: "simulated_outcomes.of_kind",
    text: "SELECT sealed FROM simulated_outcomes WHERE tenant = $1 AND user_number = $2 AND kind = $3",
};
const DELETE: Stmt = Stmt {
    name: "simulated_outcomes.delete",
    text: "DELETE FROM simulated_outcomes WHERE tenant = $1 AND user_number = $2 AND kind = $3",
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
    unit: &Unit<'_>,
    user: &UserHandle,
    kind: JobKind,
    outcome: &SimulatedOutcome,
) -> Result<(), StoreError> {
    let sealed = user.key.seal_data(Aad::outcome(&user.id), outcome, unit.ids);
    let [tenant, number] = user.reference();
    unit.tx.execute_one(&SAVE, &[tenant, number, Value::Text(kind.into_str()), Value::Bytes(&sealed)])
}

/// Returns the outcome that is ordered for the next job of a kind, and deletes it: an order applies to one job.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn take(
    unit: &Unit<'_>,
    user: &UserHandle,
    kind: JobKind,
) -> Result<Option<SimulatedOutcome>, StoreError> {
    let [tenant, number] = user.reference();
    let values = [tenant, number, Value::Text(kind.into_str())];
    let open = |row: &Row<'_>| user.key.open_data(Aad::outcome(&user.id), row.bytes(0)?);
    let found = unit.tx.one(&OF_KIND, &values, open)?;
    if found.is_some() {
        unit.tx.execute_one(&DELETE, &values)?;
    }
    Ok(found)
}
