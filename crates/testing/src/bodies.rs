//! Request bodies as the API reference and its clients have them.

use serde_json::{Value, json};

/// The example of "Create a user" (BYOL): Karl Schmidt, Berlin, German and Australian.
pub fn karl() -> Value {
    json!({
        "first_name": "Karl", "last_name": "Schmidt", "salutation": "SALUTATION_MALE", "title": "DR",
        "birth_date": "1972-09-30", "birth_city": "Berlin", "birth_country": "DE", "birth_name": "Schmidt",
        "nationalities": ["DE", "AU"], "postal_address": rosenweg(), "address": rosenweg(),
    })
}

pub fn rosenweg() -> Value {
    json!({
        "address_line1": "Rosenweg 221", "address_line2": "apt. 33", "postcode": "45678", "city": "Berlin",
        "state": "BE", "country": "DE",
    })
}

/// What every tenant must send, and nothing else.
pub fn smallest() -> Value {
    json!({
        "first_name": "Peter", "last_name": "Miller", "birth_date": "1989-11-09", "nationalities": ["DE"],
        "address": { "address_line1": "Unter den Linden", "postcode": "10117", "city": "Berlin", "country": "DE" },
    })
}

/// The smallest body that a client of the vendor sends (TOL).
pub fn peter() -> Value {
    let mut body = smallest();
    for (name, value) in [
        ("email", json!("miller@example.com")),
        ("birth_city", json!("Munich")),
        ("birth_country", json!("DE")),
        ("fatca", json!({ "status": false, "confirmed_at": "2023-07-28T10:09:00Z" })),
        ("terms_and_conditions", consent()),
        ("data_privacy_and_sharing_agreement", consent()),
    ] {
        body[name] = value;
    }
    body
}

pub fn consent() -> Value {
    json!({ "consent_document_id": "b4a3b0c0-9d57-4a0b-b5b5-1d2f0c9f4e77", "confirmed_at": "2023-07-28T10:09:00Z" })
}

/// Every member that any version of the API knows.
pub fn everything() -> Value {
    let mut body = karl();
    for (name, value) in peter().as_object().unwrap() {
        if body.get(name).is_none() {
            body[name] = value.clone();
        }
    }
    for (name, value) in [
        ("phone_number", json!("4930123456")),
        ("gender", json!("DIVERSE")),
        ("social_security_number", json!("65150872J003")),
        ("branch_id", json!("0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21")),
        ("tags", json!(["CLIENT_EMPLOYEE"])),
        ("decease_date", json!("2024-02-29")),
    ] {
        body[name] = value;
    }
    body
}

/// The smallest body with one member changed.
pub fn with(name: &str, value: Value) -> Value {
    let mut body = smallest();
    body[name] = value;
    body
}
