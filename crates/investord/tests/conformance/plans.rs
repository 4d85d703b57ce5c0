//! How SQLite finds the rows of each statement: by a key or an index, never by looking at all of them, and in order.
//! Otherwise a request costs the more the longer a register or the history of a user is.

use investord::store::engine::sqlite::open_to_write;
use investord::store::{CATALOGUE, Database};
use rusqlite::{StatementStatus, params_from_iter};

use crate::engine::Engine;

/// Statements that look at every row, or sort, by why they may.
const ALLOWED: [(&str, &[&str]); 7] = [
    (
        "rows of a table that has few: tenants, clients, operators and roles, webhooks (100 of a tenant), what \
         migrations have left",
        &[
            "tenants.all",
            "clients.of_tenant",
            "client_keys.of_client",
            "operators.all",
            "operators.reviews_due",
            "roles.all",
            "invitations.delete_expired",
            "second_factors.all",
            "backfills.next_tenant",
            "webhooks.schedule",
            "webhooks.release_all",
            "webhooks.of_tenant",
            "webhooks.of_event_endpoint",
            "webhook_attempts.delete_beyond",
            "webhook_packages.delete_beyond",
            "event_endpoints.stale",
            "event_endpoints.count",
            "signing_keys.delete_expired",
        ],
    ),
    ("administration, by hand", &["tokens.delete"]),
    ("the numbers of the parts, each of which is looked up", &["search_index.find"]),
    ("identifiers of one user, which are few", &["identifiers.of_user"]),
    ("what waits for people", &["jobs.reviews", "proposals.open"]),
    ("rows of a part that a limit has cut off", &["jobs.reviews_count", "jobs.due_count"]),
    (
        "the same: of a page, which is found by its index, and far from its beginning by a cursor",
        &[
            "users.by_update",
            "users.by_update_backwards",
            "accounts.by_update",
            "accounts.by_update_backwards",
            "account_groups.by_update",
            "account_groups.by_update_backwards",
        ],
    ),
];

/// Those tables, as the statements call them.
const SMALL: [&str; 11] = [
    "tenants", "clients", "operators", "roles", "invitations", "o", "backfills", "w", "webhooks",
    "event_endpoints", "signing_keys",
];

#[tokio::test]
async fn every_statement_finds_its_rows_by_a_key_and_in_order() {
    let Some(sqlite) = Engine::sqlite() else { return };
    drop(sqlite.open());
    let mut faults = Vec::new();
    for stmt in investord::store::statements() {
        let plan = sqlite.rows(&format!("EXPLAIN QUERY PLAN {}", stmt.text()));
        let steps = plan.iter().filter_map(|row| row.last()?.clone());
        let is_costly = |step: &String| step.starts_with("SCAN ") || step.contains("TEMP B-TREE");
        let costly: Vec<String> = steps.filter(is_costly).collect();
        let is_allowed = ALLOWED.iter().any(|(_, names)| names.contains(&stmt.name()));
        let scanned = costly.iter().filter_map(|step| step.strip_prefix("SCAN ")?.split(' ').next());
        let is_of_small = ALLOWED[0].1.contains(&stmt.name());
        let scans_others = is_of_small && scanned.into_iter().any(|table| !SMALL.contains(&table));
        if costly.is_empty() == is_allowed || scans_others {
            faults.push(format!("{}: {}", stmt.name(), costly.join("; ")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// SQLite may plan a statement again for each new value of a parameter, which costs more than to run most of them.
#[tokio::test]
async fn no_statement_is_planned_again_for_another_value() {
    let Some(sqlite) = Engine::sqlite() else { return };
    let Database::Sqlite(path) = sqlite.database() else { unreachable!("asked for files alone") };
    let (connection, _) = open_to_write(&path, &CATALOGUE).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    let mut planned_again = Vec::new();
    for stmt in investord::store::statements() {
        let mut prepared = connection.prepare(stmt.text()).unwrap();
        for value in 1..=3_i64 {
            let values = vec![value; prepared.parameter_count()];
            // What these values lead to does not matter: a refused row has been planned, too.
            let _ = prepared.query(params_from_iter(values)).and_then(|mut rows| rows.next().map(|_| ()));
        }
        if prepared.get_status(StatementStatus::RePrepare) > 0 {
            planned_again.push(stmt.name());
        }
    }
    assert!(planned_again.is_empty(), "{planned_again:?}");
}
