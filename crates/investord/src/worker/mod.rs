//! Background work.

pub mod backfills;
mod delivery;
pub mod dispatcher;
pub mod gauges;
pub mod jobs;
pub mod retention;
