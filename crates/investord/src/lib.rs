//! Investord: a register of investors, wire-compatible with the Upvest Investment API.
//!
//! `ARCHITECTURE.md` in the repository describes the modules and the rules between them.

pub mod access;
pub mod api;
pub mod app;
pub mod backoffice;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod domain;
pub mod outbound;
pub mod problem;
pub mod provision;
pub mod route;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod worker;
