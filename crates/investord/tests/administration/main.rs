//! The commands of an operator, as processes on real databases. Each test names its engines itself; without
//! PostgreSQL those that need it return early.

#[path = "../process/harness.rs"]
mod harness;
#[path = "../support/mod.rs"]
mod support;

mod backup;
mod copy;
mod doctor;
mod migrate;
mod place;
mod pooler;
mod secure;

/// The engine of places that name none.
const ON_POSTGRES: bool = false;
