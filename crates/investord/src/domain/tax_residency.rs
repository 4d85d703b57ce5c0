//! Where a user pays taxes.
//!
//! Body and record follow the reference page "Tax residencies".

use jiff::Timestamp;
use serde_json::{Value, json};

use super::identifier::today;
use super::schema::{Fault, Member, Needed, Rule, Shape, member, parse, read};
use super::tenant::Settings;

static RESIDENCY: Shape = Shape {
    name: "TaxResidency",
    members: &[
        member("country", Needed::Always, Rule::Country, "Country of the residency, ISO 3166-1 alpha-2."),
        member(
            "tax_identifier_number",
            Needed::No,
            Rule::Text { min: 1, max: 50 },
            "Number by which the country knows the user. The reference says 7 to 50 characters up to version 1.9.0, and 1 \
             to 20 in the newest.",
        ),
        member(
            "missing_tin_reason",
            Needed::No,
            Rule::OneOf(&["TIN_NOT_YET_ASSIGNED", "COUNTRY_HAS_NO_TIN", "OTHER_REASONS"]),
            "Why there is no number.",
        ),
    ],
};
static OPEN_RESIDENCY: Rule = Rule::OpenObject(&RESIDENCY);
static RESIDENCY_RULE: Rule = Rule::Also(
    &OPEN_RESIDENCY,
    r#"{ "oneOf": [{ "required": ["tax_identifier_number"] }, { "required": ["missing_tin_reason"] }] }"#,
);

const RESIDENCIES: Member = member(
    "tax_residencies",
    Needed::Always,
    // As many as there are countries.
    Rule::List { item: &RESIDENCY_RULE, min: 1, max: 250, unique: false },
    "All of them; each has either a number or the reason why there is none.",
);

/// The body of `POST /users/{user_id}/tax_residencies`.
pub static SET: Shape = Shape { name: "SetTaxResidencies", members: &[RESIDENCIES] };

/// The record as it is answered.
pub static RECORD: [Member; 4] = [
    member("created_at", Needed::Always, Rule::Instant, "When the first were set."),
    member("updated_at", Needed::Always, Rule::Instant, "When these were set."),
    RESIDENCIES,
    member("status", Needed::Always, Rule::OneOf(&["PENDING", "ACTIVE"]), "ACTIVE: these are in force."),
];

/// The tax residencies of a user.
pub struct TaxResidencies {
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// As they were sent.
    pub all: Value,
}

impl TaxResidencies {
    /// Reads the body of a request that sets them.
    pub fn parse(body: &[u8], settings: &Settings, now: Timestamp) -> Result<Value, Vec<Fault>> {
        let mut sent = read(&SET, &parse(body)?, settings, today(now))?;
        let all = sent.remove("tax_residencies").unwrap_or_default();
        let faults = faults(all.as_array().map(Vec::as_slice).unwrap_or_default());
        if faults.is_empty() { Ok(all) } else { Err(faults) }
    }

    /// As they are answered.
    pub fn view(&self) -> Value {
        let Self { created_at, updated_at, all } = self;
        json!({ "created_at": created_at, "updated_at": updated_at, "tax_residencies": all, "status": "ACTIVE" })
    }
}

fn faults(all: &[Value]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let path = format!("tax_residencies[{at}]");
        let has = |name: &str| one.get(name).is_some();
        if has("tax_identifier_number") == has("missing_tin_reason") {
            let message = "must have either tax_identifier_number or missing_tin_reason";
            faults.push(Fault::new(path.clone(), message));
        }
        if all[..at].iter().any(|other| other["country"] == one["country"]) {
            faults.push(Fault::new(format!("{path}.country"), "is there twice"));
        }
    }
    faults
}
