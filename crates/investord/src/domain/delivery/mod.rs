//! Events and webhooks.

pub mod event;
pub mod package;
pub mod webhook;
