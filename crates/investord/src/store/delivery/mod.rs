//! Webhooks, their packages and the lease of the process that delivers.

pub mod attempts;
pub mod deliveries;
pub mod delivery_batch;
pub mod event_endpoints;
pub mod event_ranges;
pub mod packages;
pub mod signing_keys;
pub mod webhooks;
