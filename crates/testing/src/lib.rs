//! What the test programs of the server and its benchmark share.
#![allow(
    clippy::return_self_not_must_use,
    reason = "a test that drops what it has built sends nothing, and fails"
)]

pub mod answer;
pub mod app;
pub mod bodies;
pub mod browser;
pub mod chance;
pub mod client;
pub mod cutter;
pub mod hashes;
pub mod history;
pub mod home;
pub mod http;
pub mod identity_provider;
pub mod patience;
pub mod postgres;
pub mod program;
pub mod receiver;
pub mod repeat;
pub mod routes;
pub mod server;
pub mod signing;
pub mod skip;
