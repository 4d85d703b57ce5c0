//! Tax residencies of a user.
//!
//! Body and record follow the reference page "Tax residencies".

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::identification::identifier::today;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Presence, field};
use crate::domain::json::validation::{parse, read};
use crate::domain::tenants::TenantSettings;

static RESIDENCY: ObjectSchema = ObjectSchema {
    name: "TaxResidency",
    fields: &[
        field(
            "country",
            Presence::Always,
            FieldRule::Country,
            "Country of the residency, ISO 3166-1 alpha-2.",
        ),
        field(
            "tax_identifier_number",
            Presence::No,
            FieldRule::Text { min: 1, max: 50 },
            "Number by which the country knows the user. The reference says 7 to 50 characters up to version 1.9.0, \
             and 1 to 20 in the newest.",
        ),
        field(
            "missing_tin_reason",
            Presence::No,
            FieldRule::OneOf(&["TIN_NOT_YET_ASSIGNED", "COUNTRY_HAS_NO_TIN", "OTHER_REASONS"]),
            "Why there is no number.",
        ),
    ],
};
static OPEN_RESIDENCY: FieldRule = FieldRule::OpenObject(&RESIDENCY);
static RESIDENCY_RULE: FieldRule = FieldRule::Also(
    &OPEN_RESIDENCY,
    r#"{ "oneOf": [{ "required": ["tax_identifier_number"] }, { "required": ["missing_tin_reason"] }] }"#,
);

const RESIDENCIES: Field = field(
    "tax_residencies",
    Presence::Always,
    // As many as there are countries.
    FieldRule::List { item: &RESIDENCY_RULE, min: 1, max: 250, unique: false },
    "All of them; each has either a number or the reason why there is none.",
);

/// The body of `POST /users/{user_id}/tax_residencies`.
pub static SET: ObjectSchema = ObjectSchema { name: "SetTaxResidencies", fields: &[RESIDENCIES] };

/// The record in responses.
pub static RECORD: [Field; 4] = [
    field("created_at", Presence::Always, FieldRule::Instant, "When the first were set."),
    field("updated_at", Presence::Always, FieldRule::Instant, "When these were set."),
    RESIDENCIES,
    field(
        "status",
        Presence::Always,
        FieldRule::OneOf(&["PENDING", "ACTIVE"]),
        "ACTIVE: these are in force.",
    ),
];

/// The tax residencies of a user.
pub struct TaxResidencies {
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The residencies, as received.
    pub all: Value,
}

impl TaxResidencies {
    /// Parses the body of a request that sets the tax residencies.
    ///
    /// # Errors
    /// Fails with all field errors.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Value, Vec<FieldError>> {
        let mut sent = read(&SET, &parse(body)?, settings, today(now))?;
        let all = sent.remove("tax_residencies").unwrap_or_default();
        let faults = faults(all.as_array().map(Vec::as_slice).unwrap_or_default());
        if faults.is_empty() { Ok(all) } else { Err(faults) }
    }

    /// Returns the record for a response.
    pub fn view(&self) -> Value {
        let Self { created_at, updated_at, all } = self;
        json!({ "created_at": created_at, "updated_at": updated_at, "tax_residencies": all, "status": "ACTIVE" })
    }
}

/// Checks the rules that span several members: either a number or a reason, and each country once.
fn faults(all: &[Value]) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let path = format!("tax_residencies[{at}]");
        let has = |name: &str| one.get(name).is_some();
        if has("tax_identifier_number") == has("missing_tin_reason") {
            let message = "must have either tax_identifier_number or missing_tin_reason";
            faults.push(FieldError::new(path.clone(), message));
        }
        if all[..at].iter().any(|other| other["country"] == one["country"]) {
            faults.push(FieldError::new(format!("{path}.country"), "is there twice"));
        }
    }
    faults
}
