//! What several test programs share.

pub mod cutter;
pub mod postgres;
