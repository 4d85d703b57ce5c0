//! The domain rules, pure: no async, no SQL, no HTTP, no clock.

pub mod accounts;
pub mod administration;
pub mod delivery;
pub mod identification;
pub mod json;
pub mod lockout;
pub mod permissions;
pub mod register_event;
pub mod resource;
pub mod second_factor;
pub mod signatures;
pub mod suggest;
pub mod tenants;
pub mod users;

/// The name of the author of automatic decisions, in the place of an operator's name.
pub const SYSTEM: &str = "system";
