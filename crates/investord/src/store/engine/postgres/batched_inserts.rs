//! Batched inserts: rows that units insert one by one, sent by one statement.
//!
//! The units of a batch mostly insert rows into the same tables, and a statement costs a server more than a row. The
//! rows go as an array for each column, so that one statement serves any number of rows.

use super::types::array_type;
use crate::store::engine::sql::{OwnedValue, Value, to_owned_values};
use crate::store::engine::statement::Insert;

/// Inserts that are deferred until another statement needs their rows.
#[derive(Default)]
pub struct Deferred(Vec<DeferredRows>);

/// Rows of the same insert.
pub struct DeferredRows {
    pub insert: &'static Insert,
    pub count: usize,
    /// The values by column, in the order of the rows.
    columns: Vec<Vec<OwnedValue>>,
}

impl Deferred {
    /// Defers a row.
    pub fn defer(&mut self, insert: &'static Insert, values: &[Value<'_>]) {
        let at = self.0.iter().position(|rows| std::ptr::eq(rows.insert, insert)).unwrap_or_else(|| {
            let columns = values.iter().map(|_| Vec::new()).collect();
            self.0.push(DeferredRows { insert, count: 0, columns });
            self.0.len() - 1
        });
        let rows = &mut self.0[at];
        rows.count += 1;
        rows.columns.iter_mut().zip(to_owned_values(values)).for_each(|(column, value)| column.push(value));
    }

    /// Returns the rows in the order of references between `tables`, so that each foreign key finds its row whatever
    /// the order of the inserts.
    pub fn in_order(mut self, tables: &[&str]) -> Vec<DeferredRows> {
        let rank = |rows: &DeferredRows| tables.iter().position(|table| *table == rows.insert.table());
        self.0.sort_by_key(|rows| rank(rows).expect("an insert names a table of the catalogue"));
        self.0
    }
}

impl DeferredRows {
    /// Returns the values of the row, if there is only one: to send it by itself is cheaper.
    pub fn only_row(&mut self) -> Option<Vec<OwnedValue>> {
        (self.count == 1).then(|| self.columns.drain(..).flatten().collect())
    }

    /// Returns the statement for all rows and its parameters, an array for each column. A column without any value has
    /// no type and therefore no parameter.
    pub fn statement(self) -> (String, Vec<Vec<OwnedValue>>) {
        let (mut selected, mut names, mut arrays, mut parameters) = (vec![], vec![], vec![], vec![]);
        for (name, column) in self.insert.columns().iter().zip(self.columns) {
            let Some(kind) = array_type(&column) else {
                selected.push("NULL");
                continue;
            };
            parameters.push(column);
            arrays.push(format!("${}::{}", parameters.len(), kind.name()));
            names.push(*name);
            selected.push(name);
        }
        let (table, columns) = (self.insert.table(), self.insert.columns().join(", "));
        let text = format!(
            "INSERT INTO {table} ({columns}) SELECT {} FROM unnest({}) AS batch ({})",
            selected.join(", "),
            arrays.join(", "),
            names.join(", "),
        );
        (text, parameters)
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
        let rows = deferred.in_order(&TABLES);
        let order: Vec<_> = rows.iter().map(|rows| (rows.insert.table(), rows.count)).collect();
        assert_eq!(order, [("clients", 1), ("tokens", 2)]);
    }

    #[test]
    fn a_column_is_an_array_in_the_order_of_the_rows() {
        let mut deferred = Deferred::default();
        deferred.defer(&TOKEN, &[Value::Int(1), Value::Null]);
        deferred.defer(&TOKEN, &[Value::Int(2), Value::Text("a")]);
        let (text, parameters) = deferred.in_order(&TABLES).remove(0).statement();
        let expected = "INSERT INTO tokens (hash, client) SELECT hash, client \
                        FROM unnest($1::_int8, $2::_text) AS batch (hash, client)";
        assert_eq!(text, expected);
        let values: Vec<Value<'_>> = parameters.iter().flatten().map(OwnedValue::as_value).collect();
        assert_eq!(values, [Value::Int(1), Value::Int(2), Value::Null, Value::Text("a")]);
    }

    #[test]
    fn a_column_of_nulls_has_no_parameter() {
        let mut deferred = Deferred::default();
        deferred.defer(&TOKEN, &[Value::Int(1), Value::Null]);
        let (text, parameters) = deferred.in_order(&TABLES).remove(0).statement();
        let expected =
            "INSERT INTO tokens (hash, client) SELECT hash, NULL FROM unnest($1::_int8) AS batch (hash)";
        assert_eq!((text.as_str(), parameters.len()), (expected, 1));
    }
}
