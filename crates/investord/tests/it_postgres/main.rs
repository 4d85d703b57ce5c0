//! The tests of `it`, on PostgreSQL.

#[path = "../support/mod.rs"]
mod support;

#[path = "../it/accounts.rs"]
mod accounts;
#[path = "../it/addresses.rs"]
mod addresses;
#[path = "../it/app.rs"]
mod app;
#[path = "../it/bodies.rs"]
mod bodies;
#[path = "../it/budgets.rs"]
mod budgets;
#[path = "../it/caller.rs"]
mod caller;
#[path = "../it/checks.rs"]
mod checks;
#[path = "../it/data_changes.rs"]
mod data_changes;
#[path = "../it/documented.rs"]
mod documented;
#[path = "../it/explain.rs"]
mod explain;
#[path = "../it/http_messages.rs"]
mod http_messages;
#[path = "../it/idempotency.rs"]
mod idempotency;
#[path = "../it/identifiers.rs"]
mod identifiers;
#[path = "../it/isolation.rs"]
mod isolation;
#[path = "../it/isolation_matrix.rs"]
mod isolation_matrix;
#[path = "../it/metrics.rs"]
mod metrics;
#[path = "../it/model.rs"]
mod model;
#[path = "../it/mutants.rs"]
mod mutants;
#[path = "../it/name_server.rs"]
mod name_server;
#[path = "../it/offboarding.rs"]
mod offboarding;
#[path = "../it/operator_matrix.rs"]
mod operator_matrix;
#[path = "../it/operators.rs"]
mod operators;
#[path = "../it/pages.rs"]
mod pages;
#[path = "../it/receiver.rs"]
mod receiver;
#[path = "../it/refusals.rs"]
mod refusals;
#[path = "../it/replay_matrix.rs"]
mod replay_matrix;
#[path = "../it/reporting.rs"]
mod reporting;
#[path = "../it/signature_fields.rs"]
mod signature_fields;
#[path = "../it/standing.rs"]
mod standing;
#[path = "../it/users.rs"]
mod users;
#[path = "../it/webhook_mending.rs"]
mod webhook_mending;
#[path = "../it/webhooks.rs"]
mod webhooks;
#[path = "../it/wire.rs"]
mod wire;

const ON_POSTGRES: bool = true;
