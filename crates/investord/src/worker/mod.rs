//! Background work.

pub mod backfills;
pub mod delivery;
pub mod gauges;
pub mod jobs;
pub mod retention;
