//! No body makes the reader panic; what it takes is kept as JSON that reads the same again.
#![cfg_attr(fuzzing, no_main)]

use investord::domain::tenants::{OperatingModel, TenantSettings};
use investord::domain::users::person::Person;
use jiff::Timestamp;

pub fn run(data: &[u8]) {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    for model in [OperatingModel::Byol, OperatingModel::Tol] {
        let settings = TenantSettings { model, ..TenantSettings::default() };
        match Person::parse(data, &settings, now) {
            Ok(person) => {
                assert!(
                    person.json.starts_with('{')
                        && person.json.ends_with('}')
                        && !person.identity.nationalities.is_empty()
                );
                // An answered null is not a thing to send: only such members may object to a second reading.
                if !person.json.contains("null") {
                    let again = Person::parse(person.json.as_bytes(), &settings, now)
                        .expect("what was kept reads again");
                    // Members that were filled in stand at the end the first time, in their place the second.
                    let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
                    assert_eq!(read(&again.json), read(&person.json));
                }
            }
            Err(faults) => assert!(!faults.is_empty()),
        }
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
