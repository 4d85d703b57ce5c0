//! Identification of users in transaction reports (RTS 22).

pub mod dry_run;
pub mod finding;
pub mod identifier;
pub mod identifier_standard;
pub mod new_identifier;
pub mod reportable_person;
pub mod reporting;
