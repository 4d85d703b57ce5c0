//! The domain rules, pure: no async, no SQL, no HTTP, no clock.

pub mod accounts;
pub mod delivery;
pub mod identification;
pub mod json;
pub mod suggest;
pub mod tenants;
pub mod users;

/// Who decides when nobody has to.
pub const SYSTEM: &str = "system";
