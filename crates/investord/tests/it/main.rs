//! The server from outside: real sockets, a real database, a clock moved by hand.
//!
//! Expectations come from the API reference and from `docs/choices.md`, not from the code under test.

mod app;
mod bodies;
mod caller;
mod explain;
mod isolation;
mod mutants;
mod once;
mod refusals;
mod users;
mod wire;
