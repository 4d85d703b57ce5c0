//! The resources of the API for clients in responses and events, with their schemas.

use std::any::type_name;
use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Value, json};
use strum::VariantNames as _;

use super::accounts::{ACCOUNT, Account, AccountGroup, GROUP};
use super::delivery::webhook::{WEBHOOK, WebhookContent};
use super::identification::identifier::{Identifier, RESPONSE};
use super::json::json_schema::{SchemaSide, Schemas, named, open_object};
use super::json::schema::{Field, FieldRule, Presence, field};
use super::users::check::{COMPLIANCE, Check, CheckStatus, INSTRUMENT_FIT, KYC, POR};
use super::users::person::CREATE;
use super::users::tax_residency::{RECORD, TaxResidencies};
use super::users::{User, UserStatus};

/// A resource of the API for clients. Its schema is made from the tables of its fields.
pub trait Resource {
    /// Name of the schema.
    const NAME: &'static str;

    /// Returns the schema of the resource.
    fn schema(schemas: &mut Schemas) -> Value;
}

/// A resource in the form of responses and events. Its schema is that of the resource.
#[derive(Serialize)]
#[serde(transparent)]
pub struct View<T> {
    json: Value,
    #[serde(skip)]
    of: PhantomData<T>,
}

impl<T: Resource> View<T> {
    /// Takes the JSON form of a resource.
    pub const fn new(json: Value) -> Self {
        Self { json, of: PhantomData }
    }
}

impl<T: Resource> JsonSchema for View<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn schema_id() -> Cow<'static, str> {
        type_name::<Self>().into()
    }

    fn json_schema(schemas: &mut Schemas) -> Schema {
        T::schema(schemas).try_into().expect("the schema of a resource is an object")
    }
}

/// Members that the register adds to a user.
static REGISTERED: [Field; 3] = [
    field("id", Presence::Always, FieldRule::Uuid, "Id of the user."),
    field("created_at", Presence::Always, FieldRule::Instant, "When the user was created."),
    field("updated_at", Presence::Always, FieldRule::Instant, "When the user was last changed."),
];
/// The member for the status of a user.
static STATUS: [Field; 1] = [field(
    "status",
    Presence::Always,
    FieldRule::OneOf(&[
        UserStatus::Active.into_str(),
        UserStatus::Inactive.into_str(),
        UserStatus::Offboarding.into_str(),
        UserStatus::Offboarded.into_str(),
    ]),
    "ACTIVE: may trade. INACTIVE: something is missing that activation requires. OFFBOARDING: on the way out. \
     OFFBOARDED: out, but kept for as long as the law wants.",
)];

impl Resource for User {
    const NAME: &'static str = "User";

    fn schema(schemas: &mut Schemas) -> Value {
        let members = REGISTERED.iter().chain(CREATE.fields).chain(&STATUS);
        described(members, "A natural person in the register.", schemas)
    }
}

impl Resource for Identifier {
    const NAME: &'static str = "Identifier";

    fn schema(schemas: &mut Schemas) -> Value {
        described(&RESPONSE, "What a user is named by in transaction reports.", schemas)
    }
}

impl Resource for TaxResidencies {
    const NAME: &'static str = "TaxResidencies";

    fn schema(schemas: &mut Schemas) -> Value {
        described(&RECORD, "Where a user pays taxes.", schemas)
    }
}

impl Resource for AccountGroup {
    const NAME: &'static str = "AccountGroup";

    fn schema(schemas: &mut Schemas) -> Value {
        described(&GROUP, "The accounts that a user has under one securities account number.", schemas)
    }
}

impl Resource for Account {
    const NAME: &'static str = "Account";

    fn schema(schemas: &mut Schemas) -> Value {
        let mut schema = described(&ACCOUNT, "An account in an account group.", schemas);
        let number = json!({
            "type": "integer",
            "minimum": 1,
            "description": "Serial number of the account in its account group.",
        });
        add_required(&mut schema, [("account_number", number)]);
        schema
    }
}

impl Resource for WebhookContent {
    const NAME: &'static str = "Webhook";

    fn schema(schemas: &mut Schemas) -> Value {
        described(&WEBHOOK, "A receiver of events.", schemas)
    }
}

impl Resource for Check {
    const NAME: &'static str = "Check";

    fn schema(schemas: &mut Schemas) -> Value {
        let bodies = [("KycCheck", &KYC), ("PorCheck", &POR), ("InstrumentFitCheck", &INSTRUMENT_FIT)];
        let mut all: Vec<Value> = bodies
            .into_iter()
            .map(|(name, body)| named(schemas, name, |schemas| check(body.fields.iter(), schemas)))
            .collect();
        all.push(named(schemas, "ComplianceCheck", |schemas| {
            let mut schema = check(COMPLIANCE.iter(), schemas);
            schema["description"] =
                json!("Made by the register itself when the identity of a user is known.");
            schema
        }));
        json!({ "oneOf": all })
    }
}

/// Returns the schema of one type of check: the members of the request and those that the register adds.
fn check<'a>(members: impl Iterator<Item = &'a Field>, schemas: &mut Schemas) -> Value {
    let mut schema = open_object(members, SchemaSide::Answer, schemas);
    let id = json!({ "type": "string", "format": "uuid" });
    let status = json!({
        "type": "string",
        "enum": CheckStatus::VARIANTS,
        "description": "IN_PROGRESS: to be decided. PASSED, FAILED: the outcome.",
    });
    add_required(&mut schema, [("id", id.clone()), ("user_id", id), ("status", status)]);
    schema
}

/// Returns the schema of an object with these members and a description.
fn described<'a>(
    members: impl IntoIterator<Item = &'a Field>,
    description: &str,
    schemas: &mut Schemas,
) -> Value {
    let mut schema = open_object(members, SchemaSide::Answer, schemas);
    schema["description"] = json!(description);
    schema
}

/// Adds members to the schema of an object, which always has them.
fn add_required<const N: usize>(schema: &mut Value, members: [(&str, Value); N]) {
    for (name, member) in members {
        schema["properties"][name] = member;
        schema["required"].as_array_mut().expect("an object requires members").push(json!(name));
    }
}
