//! Work that no request waits for.

pub mod chores;
pub mod deliver;
pub mod gauges;
pub mod steps;
pub mod sweep;
