//! The server from outside: real sockets, a real database, a clock moved by hand; here SQLite.
//!
//! The same tests run on PostgreSQL as `it_postgres`. Expectations come from the API reference and from `docs/choices.md`, not from the code under test.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod addresses;
mod app;
mod bodies;
mod budgets;
mod caller;
mod checks;
mod data_changes;
mod documented;
mod explain;
mod fuzz_targets;
mod http_messages;
mod idempotency;
mod identifiers;
mod isolation;
mod isolation_matrix;
mod metrics;
mod model;
mod mutants;
mod name_server;
mod offboarding;
mod operator_matrix;
mod operators;
mod pages;
mod receiver;
mod refusals;
mod replay_matrix;
mod reporting;
mod search;
mod signature_fields;
mod signature_versions;
mod standing;
mod users;
mod webhook_mending;
mod webhooks;
mod wire;

const ON_POSTGRES: bool = false;
