// The server from outside: real sockets, a real database, a clock moved by hand; here SQLite. `it_postgres` includes this
// file, and runs the same tests on PostgreSQL.
//
// Expectations come from the API reference and from `docs/choices.md`, not from the code under test.

mod accounts;
mod addresses;
mod budgets;
mod caller;
mod checks;
mod data_changes;
mod documented;
mod explain;
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
mod refusals;
mod replay_matrix;
mod reporting;
mod signature_fields;
mod standing;
mod users;
mod webhook_mending;
mod webhooks;
