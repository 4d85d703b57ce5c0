//! What commands do with a whole database.

pub mod chains;
pub mod copy;
pub mod diagnostics;
