//! What needs no server: the search for users, and the fuzz targets over their seeds.

mod fuzz_targets;
mod search;
