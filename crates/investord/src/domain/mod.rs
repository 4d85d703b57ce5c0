//! The rules, without input or output: no async, no SQL, no HTTP, no clock.

pub mod account;
pub mod activation;
pub mod check;
pub mod data_change;
pub mod event;
pub mod finding;
pub mod history;
pub mod identifier;
pub mod identity;
mod json_schema;
pub mod preview;
pub mod reporting;
pub mod review;
pub mod schema;
pub mod search;
pub mod spelling;
pub mod standard;
pub mod suggest;
pub mod tax_residency;
pub mod tenant;
pub mod tree;
pub mod user;
pub mod webhook;

/// Who decides when nobody has to.
pub const SYSTEM: &str = "system";
