//! The server from outside: real sockets, a real database, a clock moved by hand; here SQLite. `it_postgres` names the
//! files that reach the store, and runs the same tests on PostgreSQL.
//!
//! Expectations come from the API reference and from `docs/choices.md`, not from the code under test.

mod accounts;
mod addresses;
mod administration;
mod budgets;
mod caller;
mod checks;
mod console;
mod data_changes;
mod decisions;
mod developer_docs;
mod documented;
mod explain;
mod http_messages;
mod idempotency;
mod identifier_findings;
mod identifiers;
mod identity_provider;
mod isolation;
mod isolation_matrix;
mod lockout;
mod malformed_messages;
mod masks;
mod metrics;
mod model;
mod model_state;
mod mutants;
mod name_server;
mod offboarding;
mod operator_answers;
mod operator_matrix;
mod operators;
mod pages;
mod passkeys;
mod rate_limits;
mod refusals;
mod replay_matrix;
mod replays;
mod reporting;
mod second_factor;
mod sessions;
mod signature_fields;
mod signature_versions;
mod signatures;
mod standing;
mod tokens;
mod users;
mod webhook_log;
mod webhook_mending;
mod webhooks;
