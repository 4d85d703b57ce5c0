//! What the test programs of the server and its benchmark share.

pub mod app;
pub mod bodies;
pub mod cutter;
pub mod harness;
pub mod hashes;
pub mod patience;
pub mod postgres;
pub mod receiver;
pub mod repeat;
pub mod routes;
pub mod wire;
