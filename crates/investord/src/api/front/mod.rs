//! What every request passes: authentication, quota, query parameters, and the quirks of clients.

pub mod caller;
pub(in crate::api) mod change;
pub(in crate::api) mod compat;
pub(in crate::api) mod endpoint;
pub(in crate::api) mod explain;
pub(in crate::api) mod paging;
pub mod pending_request;
pub(in crate::api) mod reply;
