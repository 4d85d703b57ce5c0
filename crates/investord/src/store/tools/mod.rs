//! What commands do with a whole database.

pub mod copy;
pub mod diagnostics;
