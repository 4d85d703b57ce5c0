//! The tests of `process` that are for every engine, on PostgreSQL; and several processes on one database.

#[path = "../process/crash.rs"]
mod crash;
#[path = "../process/deliveries.rs"]
mod deliveries;
#[path = "../process/judge.rs"]
mod judge;
#[path = "../process/load.rs"]
mod load;
#[path = "../process/operate.rs"]
mod operate;
#[path = "../process/provision.rs"]
mod provision;
#[path = "../process/receiver.rs"]
mod receiver;
#[path = "../process/second_factor.rs"]
mod second_factor;
#[path = "../process/secrecy.rs"]
mod secrecy;
#[path = "../process/serve.rs"]
mod serve;

#[path = "../process/jobs.rs"]
mod jobs;
#[path = "../process/stop.rs"]
mod stop;
#[path = "../process/verdict.rs"]
mod verdict;

mod database;
mod several;
mod siege;
