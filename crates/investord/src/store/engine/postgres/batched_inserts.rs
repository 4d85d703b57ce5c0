//! Batched inserts: rows that units insert one by one, sent by one statement.
//!
//! The units of a batch mostly insert rows into the same tables, and a statement costs a server more than a row.

use std::fmt::Write;

use crate::store::engine::sql::{OwnedValue, Stmt, Value, to_owned_values};

/// Maximum number of rows per statement. Statements exist for powers of two alone, so there are at most seven per
/// insert to prepare.
const MAX_ROWS: usize = 64;

/// Inserts that are deferred until another statement needs their rows.
#[derive(Default)]
pub struct Deferred(Vec<DeferredRows>);

/// Rows of the same insert statement, with their values one after the other.
pub struct DeferredRows {
    pub name: &'static str,
    /// The statement for a single row.
    pub text: &'static str,
    pub count: usize,
    pub values: Vec<OwnedValue>,
}

impl Deferred {
    /// Defers a row and returns true if the statement is a plain insert of one row. Any other statement (a subquery, a
    /// function, ON CONFLICT) could depend on the order and is not deferred.
    pub fn defer(&mut self, stmt: &Stmt, values: &[Value<'_>]) -> bool {
        if split_at_values(stmt.text).is_none() {
            return false;
        }
        let own = to_owned_values(values);
        match self.0.iter_mut().find(|rows| rows.text == stmt.text && rows.count < MAX_ROWS) {
            Some(rows) => {
                rows.values.extend(own);
                rows.count += 1;
            }
            None => self.0.push(DeferredRows { name: stmt.name, text: stmt.text, count: 1, values: own }),
        }
        true
    }

    /// Returns the rows in batches of powers of two, in the order of references between `tables`, so that each foreign
    /// key finds its row whatever the order of the inserts.
    pub fn statements(mut self, tables: &[&str]) -> impl Iterator<Item = DeferredRows> + use<> {
        self.0.sort_by_key(|rows| table_rank(rows.text, tables));
        self.0.into_iter().flat_map(|mut rows| {
            let columns = rows.values.len() / rows.count;
            let (mut left, mut portions) = (rows.count, Vec::new());
            while left > 0 {
                let count = 1 << left.ilog2();
                left -= count;
                let values = rows.values.drain(..count * columns).collect();
                portions.push(DeferredRows { count, values, ..rows });
            }
            portions
        })
    }
}

/// Splits a plain insert of one row into the text before the row and the row.
fn split_at_values(text: &str) -> Option<(&str, &str)> {
    let (head, row) = text.rsplit_once("VALUES ")?;
    let inner = row.strip_prefix('(')?.strip_suffix(')')?;
    (head.starts_with("INSERT INTO ") && !inner.contains(['(', ')'])).then_some((head, row))
}

/// Returns the position of the table of an insert in the order of references.
fn table_rank(text: &str, tables: &[&str]) -> usize {
    let table = text.split_whitespace().nth(2);
    let known = tables.iter().position(|known| Some(*known) == table);
    known.unwrap_or(usize::MAX)
}

/// Builds an insert of several rows from that of one, with the parameters numbered on.
pub fn multi_row_insert(text: &str, rows: usize) -> String {
    let Some((head, row)) = split_at_values(text).filter(|_| rows > 1) else { return text.to_owned() };
    // For example "($1, 7, $2)" splits into "(", "1, 7, " and "2)".
    let (mut pieces, mut number) = (format!("{head}VALUES "), 0);
    for at in 0..rows {
        pieces.push_str(if at > 0 { ", " } else { "" });
        for (place, piece) in row.split('$').enumerate() {
            if place == 0 {
                pieces.push_str(piece);
                continue;
            }
            number += 1;
            let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
            // Writing to a string cannot fail.
            let _ = write!(pieces, "${number}{rest}");
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: [&str; 2] = ["clients", "tokens"];
    const ONE: &str = "INSERT INTO t (a, b, c)\n VALUES ($1, 7, $2)";

    #[test]
    fn an_insert_of_one_row_becomes_one_of_several() {
        assert_eq!(multi_row_insert(ONE, 1), ONE);
        let three = "INSERT INTO t (a, b, c)\n VALUES ($1, 7, $2), ($3, 7, $4), ($5, 7, $6)";
        assert_eq!(multi_row_insert(ONE, 3), three);
    }

    #[test]
    fn nothing_else_waits() {
        let mut deferred = Deferred::default();
        let others = [
            "UPDATE t SET a = $1",
            "INSERT INTO t (a) VALUES ($1) ON CONFLICT DO NOTHING",
            "INSERT INTO t (a) VALUES (lower($1))",
            "INSERT INTO t (a) SELECT $1",
            "DELETE FROM t WHERE (a) IN (VALUES ($1))",
        ];
        for text in others {
            assert!(!deferred.defer(&Stmt { name: "test", text }, &[Value::Int(1)]), "{text}");
        }
        assert_eq!(deferred.statements(&TABLES).count(), 0);
    }

    #[test]
    fn what_is_referred_to_goes_first() {
        let mut deferred = Deferred::default();
        let tables = ["INSERT INTO tokens (a) VALUES ($1)", "INSERT INTO clients (a) VALUES ($1)"];
        for text in [tables[0], tables[1], tables[0]] {
            assert!(deferred.defer(&Stmt { name: "test", text }, &[Value::Int(1)]));
        }
        let order: Vec<(&str, usize)> =
            deferred.statements(&TABLES).map(|rows| (rows.text, rows.count)).collect();
        assert_eq!(order, [(tables[1], 1), (tables[0], 2)]);
    }

    #[test]
    fn rows_keep_their_order_in_portions() {
        let mut deferred = Deferred::default();
        for number in 0..75 {
            assert!(deferred.defer(&Stmt { name: "one", text: ONE }, &[Value::Int(number), Value::Null]));
        }
        let portions: Vec<DeferredRows> = deferred.statements(&TABLES).collect();
        assert_eq!(portions.iter().map(|rows| rows.count).collect::<Vec<_>>(), [64, 8, 2, 1]);
        let numbers = portions.iter().flat_map(|rows| rows.values.iter().step_by(2));
        assert!(numbers.map(OwnedValue::as_value).eq((0..75).map(Value::Int)));
    }
}
