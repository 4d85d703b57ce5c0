//! What several test programs share.

pub mod cutter;
pub mod hashes;
pub mod patience;
pub mod postgres;
pub mod repeat;
pub mod routes;
