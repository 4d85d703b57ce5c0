//! The attacks of `neighbours` on a server whose register is on PostgreSQL.

#[path = "../support/mod.rs"]
mod support;

#[path = "../process/harness.rs"]
mod harness;

#[path = "../neighbours/attacker.rs"]
mod attacker;
#[path = "../neighbours/attacks/mod.rs"]
mod attacks;
#[path = "../neighbours/frames.rs"]
mod frames;
#[path = "../neighbours/neighbour.rs"]
mod neighbour;
#[path = "../neighbours/scene.rs"]
mod scene;
#[path = "../neighbours/trial.rs"]
mod trial;
#[path = "../neighbours/watch.rs"]
mod watch;

const ON_POSTGRES: bool = true;
