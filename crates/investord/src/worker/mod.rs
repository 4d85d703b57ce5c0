//! Work that no request waits for.

pub mod make_concat;
pub mod steps;
pub mod sweep;
