//! `/webhooks`, `/events-acceptor-service`, the event log and the keys that sign deliveries.

pub(in crate::api) mod event_endpoints;
pub(in crate::api) mod event_polls;
pub(in crate::api) mod events;
pub(in crate::api) mod verify_keys;
pub(in crate::api) mod webhook_tests;
pub(in crate::api) mod webhooks;

/// Scopes of which one allows reading webhooks.
pub const READ: &[&str] = &["webhooks:read", "webhooks:admin"];
/// Scope that allows changing webhooks.
pub const ADMIN: &[&str] = &["webhooks:admin"];
