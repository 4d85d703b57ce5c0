//! What a write records beside its rows: events, and the responses of idempotent requests.

pub mod events;
pub mod idempotency;
pub mod register_events;
