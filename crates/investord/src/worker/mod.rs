//! Work that no request waits for.

pub mod chores;
pub mod steps;
pub mod sweep;
