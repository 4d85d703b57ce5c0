//! The tests of `it` that reach the store, on PostgreSQL: the name of this program chooses the engine. Those of the
//! HTTP and signature layers, of refused bodies and of what leaves the server are the same on any engine, and run in
//! `it` alone.

#[path = "../it/accounts.rs"]
mod accounts;
#[path = "../it/administration.rs"]
mod administration;
#[path = "../it/budgets.rs"]
mod budgets;
#[path = "../it/caller.rs"]
mod caller;
#[path = "../it/checks.rs"]
mod checks;
#[path = "../it/console.rs"]
mod console;
#[path = "../it/data_changes.rs"]
mod data_changes;
#[path = "../it/decisions.rs"]
mod decisions;
#[path = "../it/idempotency.rs"]
mod idempotency;
#[path = "../it/identifiers.rs"]
mod identifiers;
#[path = "../it/identity_provider.rs"]
mod identity_provider;
#[path = "../it/isolation.rs"]
mod isolation;
#[path = "../it/isolation_matrix.rs"]
mod isolation_matrix;
#[path = "../it/lockout.rs"]
mod lockout;
#[path = "../it/masks.rs"]
mod masks;
#[path = "../it/model.rs"]
mod model;
#[path = "../it/model_state.rs"]
mod model_state;
#[path = "../it/name_server.rs"]
mod name_server;
#[path = "../it/offboarding.rs"]
mod offboarding;
#[path = "../it/operator_answers.rs"]
mod operator_answers;
#[path = "../it/operator_matrix.rs"]
mod operator_matrix;
#[path = "../it/operators.rs"]
mod operators;
#[path = "../it/pages.rs"]
mod pages;
#[path = "../it/passkeys.rs"]
mod passkeys;
#[path = "../it/replay_matrix.rs"]
mod replay_matrix;
#[path = "../it/replays.rs"]
mod replays;
#[path = "../it/reporting.rs"]
mod reporting;
#[path = "../it/second_factor.rs"]
mod second_factor;
#[path = "../it/sessions.rs"]
mod sessions;
#[path = "../it/standing.rs"]
mod standing;
#[path = "../it/tokens.rs"]
mod tokens;
#[path = "../it/users.rs"]
mod users;
#[path = "../it/webhook_log.rs"]
mod webhook_log;
#[path = "../it/webhook_mending.rs"]
mod webhook_mending;
#[path = "../it/webhooks.rs"]
mod webhooks;
