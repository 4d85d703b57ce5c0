//! The program as a process: started, called, killed, filled up and started again, as an operator would; here
//! on SQLite.
//!
//! What does not speak of SQLite runs on PostgreSQL as `process_postgres`.

mod alone;
mod call;
mod configuration;
mod crash;
mod deliveries;
mod disk;
#[cfg(unix)]
mod files;
mod identity_provider;
mod jobs;
mod judge;
mod listen;
mod load;
mod login;
mod operate;
mod operator_listener;
mod operator_tls;
mod packaged;
mod pipes;
mod provision;
mod receiver;
mod reload;
mod second_factor;
mod secrecy;
mod serve;
mod slow;
mod stop;
mod verdict;
