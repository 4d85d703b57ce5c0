//! The attacks of `neighbours` on a server whose register is on PostgreSQL: the name of this program chooses the
//! engine.

include!("../neighbours/main.rs");
