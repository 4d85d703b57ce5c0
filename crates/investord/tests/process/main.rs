//! The program as a process: started, called, killed, filled up and started again, as an operator would.

mod call;
mod crash;
mod disk;
mod harness;
mod load;
mod provision;
mod secrecy;
mod serve;
mod slow;
mod stop;
