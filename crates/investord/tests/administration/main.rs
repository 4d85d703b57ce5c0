//! The commands of an operator, as processes on real databases. Each test names its engines itself; without
//! PostgreSQL those that need it return early.

mod backup;
mod copy;
mod doctor;
mod migrate;
mod place;
mod pooler;
mod secure;
