//! No body makes a reader of the operator API panic; what is taken is an object, whatever the order of its
//! members, and a refusal says why.
#![cfg_attr(fuzzing, no_main)]

use std::collections::BTreeMap;

use investord::backoffice::read_bodies;
use investord::problem::Problem;
use serde_json::{Map, Value};

pub fn run(data: &[u8]) {
    let judged = judgements(data);
    if !judged.contains(&true) {
        return;
    }
    let json = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let sent: Map<String, Value> = serde_json::from_slice(json).expect("an object was taken");
    let sorted: BTreeMap<_, _> = sent.iter().collect();
    let backwards: Map<_, _> =
        sorted.into_iter().rev().map(|(name, value)| (name.clone(), value.clone())).collect();
    assert_eq!(judgements(&serde_json::to_vec(&backwards).unwrap()), judged);
}

/// Which operations take it.
fn judgements(body: &[u8]) -> [bool; 28] {
    read_bodies(&body.to_vec().into()).map(is_taken)
}

/// Whether it was taken; a refusal is about what was sent.
fn is_taken(read: Result<(), Problem>) -> bool {
    match read {
        Ok(()) => true,
        Err(Problem::InvalidRequest(_)) => false,
        Err(other) => panic!("{}", other.detail()),
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
