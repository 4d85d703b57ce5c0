//! Batched inserts: rows that units insert one by one, sent by one statement.
//!
//! The units of a batch mostly insert rows into the same tables, and a statement costs a server more than a row.

use crate::store::engine::sql::{OwnedValue, Value, to_owned_values};
use crate::store::engine::statement::Insert;

/// Maximum number of rows per statement. Statements exist for powers of two alone, so there are at most seven per
/// insert to prepare.
const MAX_ROWS: usize = 64;

/// Inserts that are deferred until another statement needs their rows.
#[derive(Default)]
pub struct Deferred(Vec<DeferredRows>);

/// Rows of the same insert, with their values one after the other.
pub struct DeferredRows {
    pub insert: &'static Insert,
    pub count: usize,
    pub values: Vec<OwnedValue>,
}

impl Deferred {
    /// Defers a row.
    pub fn defer(&mut self, insert: &'static Insert, values: &[Value<'_>]) {
        let own = to_owned_values(values);
        match self.0.iter_mut().find(|rows| std::ptr::eq(rows.insert, insert) && rows.count < MAX_ROWS) {
            Some(rows) => {
                rows.values.extend(own);
                rows.count += 1;
            }
            None => self.0.push(DeferredRows { insert, count: 1, values: own }),
        }
    }

    /// Returns the rows in batches of powers of two, in the order of references between `tables`, so that each foreign
    /// key finds its row whatever the order of the inserts.
    pub fn statements(mut self, tables: &[&str]) -> impl Iterator<Item = DeferredRows> + use<> {
        let rank = |rows: &DeferredRows| tables.iter().position(|table| *table == rows.insert.table());
        self.0.sort_by_key(|rows| rank(rows).expect("an insert names a table of the catalogue"));
        self.0.into_iter().flat_map(|mut rows| {
            let columns = rows.values.len() / rows.count;
            let (mut left, mut batches) = (rows.count, Vec::new());
            while left > 0 {
                let count = 1 << left.ilog2();
                left -= count;
                let values = rows.values.drain(..count * columns).collect();
                batches.push(DeferredRows { count, values, ..rows });
            }
            batches
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: [&str; 2] = ["clients", "tokens"];
    static CLIENT: Insert = Insert::new("clients.insert", "clients", &["id"]);
    static TOKEN: Insert = Insert::new("tokens.insert", "tokens", &["hash", "client"]);

    #[test]
    fn referenced_rows_go_first() {
        let mut deferred = Deferred::default();
        deferred.defer(&TOKEN, &[Value::Int(1), Value::Null]);
        deferred.defer(&CLIENT, &[Value::Int(1)]);
        deferred.defer(&TOKEN, &[Value::Int(2), Value::Null]);
        let order: Vec<(&str, usize)> =
            deferred.statements(&TABLES).map(|rows| (rows.insert.table(), rows.count)).collect();
        assert_eq!(order, [("clients", 1), ("tokens", 2)]);
    }

    #[test]
    fn rows_keep_their_order_in_batches() {
        let mut deferred = Deferred::default();
        for number in 0..75 {
            deferred.defer(&TOKEN, &[Value::Int(number), Value::Null]);
        }
        let batches: Vec<DeferredRows> = deferred.statements(&TABLES).collect();
        assert_eq!(batches.iter().map(|rows| rows.count).collect::<Vec<_>>(), [64, 8, 2, 1]);
        let numbers = batches.iter().flat_map(|rows| rows.values.iter().step_by(2));
        assert!(numbers.map(OwnedValue::as_value).eq((0..75).map(Value::Int)));
    }
}
