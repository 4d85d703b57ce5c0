//! No query makes a reader of parameters panic; a refusal says why, and neither the order of the parameters nor one of
//! another name changes the judgement.
#![cfg_attr(fuzzing, no_main)]

use investord::api::read_queries;
use investord::backoffice::read_search;
use investord::problem::Problem;
use jiff::civil::date;

pub fn run(data: &[u8]) {
    let query = String::from_utf8_lossy(data);
    let backwards = query.split('&').rev().collect::<Vec<_>>().join("&");
    let judged = read_queries(&query).map(is_taken);
    assert_eq!(read_queries(&backwards).map(is_taken), judged, "{query}");
    assert_eq!(read_queries(&format!("unknown%20name=1&{query}")).map(is_taken), judged, "{query}");
    let search = |query: &str| is_taken(read_search(query, date(2027, 1, 15)));
    assert_eq!(search(&backwards), search(&query), "{query}");
    assert!(!search(&format!("unknown%20name=1&{query}")));
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
