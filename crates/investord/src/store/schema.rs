//! The schema of a register, as the engines know it: migrations and names of tables.

use super::tables::TABLES;
use crate::store::engine::catalogue::Catalogue;

/// The number of tables, for an array of their names at compile time.
const TABLE_COUNT: usize = TABLES.len();

/// Names of the tables in the same order.
const NAMES: [&str; TABLE_COUNT] = {
    let mut names = [""; TABLE_COUNT];
    let mut at = 0;
    while at < TABLE_COUNT {
        names[at] = TABLES[at].name;
        at += 1;
    }
    names
};

/// The schema of the register, as the engines use it.
pub static CATALOGUE: Catalogue = Catalogue {
    migrations: &[("V1__register", include_str!("../../../../migrations/V1__register.sql"))],
    tables: &NAMES,
    // The lock precedes the first read, so a unit that waits for it sees the changes of the other one. Users can still
    // be written meanwhile, because their foreign key takes a weaker lock on `tenants`.
    serializable_lock: "LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE",
};
