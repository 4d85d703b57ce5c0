//! The tests of `it`, on PostgreSQL: the name of this program chooses the engine.

include!("../it/main.rs");
