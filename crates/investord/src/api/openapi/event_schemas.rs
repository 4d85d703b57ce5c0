//! The section `webhooks` of the OpenAPI document: every event and its object.

use serde_json::{Map, Value, json};

use super::examples;
use super::operation_doc::{ACCOUNT_GROUPS, ACCOUNTS, CHECKS, USERS, WEBHOOKS};
use crate::api::delivery::webhook_tests::TEST_EVENT;
use crate::domain::accounts::{Account, AccountGroup};
use crate::domain::delivery::event::EventType;
use crate::domain::json::json_schema::{Schemas, named, of_type};
use crate::domain::resource::View;
use crate::domain::users::User;
use crate::domain::users::check::Check;

/// Event types with objects of the same schema.
struct EventSchema {
    /// Name of the event schema among the components.
    schema: &'static str,
    /// Event types of the schema.
    types: &'static [EventType],
    /// Function that returns the schema of the object.
    object: fn(&mut Schemas) -> Value,
}

/// A category of events, by which a webhook filters.
struct EventCategory {
    /// Section of the document.
    tag: &'static str,
    /// The vendor's name of the page about the category.
    id: &'static str,
    /// Title in a few words.
    summary: &'static str,
    /// Event schemas of the category.
    kinds: &'static [EventSchema],
    /// Names and JSON texts of example packages.
    examples: &'static [(&'static str, &'static str)],
}

/// All categories. The test below checks that every delivered event type occurs once.
const CATEGORIES: [EventCategory; 4] = [
    EventCategory {
        tag: USERS,
        id: "user_event",
        summary: "User events",
        kinds: &[
            EventSchema {
                schema: "UserEvent",
                types: &[
                    EventType::UserCreated,
                    EventType::UserActivated,
                    EventType::UserDeactivated,
                    EventType::UserDataChanged,
                    EventType::UserOffboardingInitiated,
                    EventType::UserOffboarded,
                ],
                object: of_type::<View<User>>,
            },
            EventSchema {
                schema: "UserDataChangeFailedEvent",
                types: &[EventType::UserDataChangeFailed],
                object: data_change_failure,
            },
        ],
        examples: &[
            ("created", include_str!("../../../../../api/examples/delivery-user.json")),
            ("failed", include_str!("../../../../../api/examples/delivery-data-change-failed.json")),
        ],
    },
    EventCategory {
        tag: CHECKS,
        id: "user_checks_event",
        summary: "User check events",
        kinds: &[EventSchema {
            schema: "UserCheckEvent",
            types: &[EventType::UserCheckCreated, EventType::UserCheckPassed, EventType::UserCheckFailed],
            object: of_type::<View<Check>>,
        }],
        examples: &[("passed", include_str!("../../../../../api/examples/delivery-check.json"))],
    },
    EventCategory {
        tag: ACCOUNT_GROUPS,
        id: "account_group_event",
        summary: "Account group events",
        kinds: &[EventSchema {
            schema: "AccountGroupEvent",
            types: &[
                EventType::AccountGroupCreated,
                EventType::AccountGroupActivated,
                EventType::AccountGroupClosingInitiated,
                EventType::AccountGroupClosed,
            ],
            object: of_type::<View<AccountGroup>>,
        }],
        examples: &[("created", include_str!("../../../../../api/examples/delivery-account-group.json"))],
    },
    EventCategory {
        tag: ACCOUNTS,
        id: "account_event",
        summary: "Account events",
        kinds: &[EventSchema {
            schema: "AccountEvent",
            types: &[
                EventType::AccountCreated,
                EventType::AccountActivated,
                EventType::AccountUpdated,
                EventType::AccountClosingInitiated,
                EventType::AccountClosed,
            ],
            object: of_type::<View<Account>>,
        }],
        examples: &[("created", include_str!("../../../../../api/examples/delivery-account.json"))],
    },
];

/// The events that a test of a webhook sends.
const TEST_EVENTS: EventCategory = EventCategory {
    tag: WEBHOOKS,
    id: "webhook_test_event",
    summary: "Test events",
    kinds: &[],
    examples: &[("test", include_str!("../../../../../api/examples/delivery-test.json"))],
};

/// Description of every operation in the section.
const DESCRIPTION: &str = "Sent to every webhook that asks for the category. A request holds a package: up to \
    `max_package_size` bytes of events in the order in which they happened, of all categories that the webhook asks \
    for. It is repeated until it is answered with a status of 2xx, and an event can come twice: compare the `id`.";

/// Returns the section `webhooks`, whose members have the names of the vendor's pages.
pub fn webhooks(schemas: &mut Schemas) -> Value {
    let mut operations = Map::new();
    let mut all: Vec<Value> = Vec::new();
    let mut described: Vec<(&str, Value)> = Vec::new();
    for category in &CATEGORIES {
        let types =
            |kind: &EventSchema| kind.types.iter().map(|one| json!(one.into_str())).collect::<Vec<Value>>();
        let kinds: Vec<Value> = category
            .kinds
            .iter()
            .map(|kind| event(kind.schema, &types(kind), kind.object, schemas))
            .collect();
        all.extend(kinds.iter().cloned());
        described.push((category.id, operation(category, &kinds)));
    }
    let test = event("WebhookTestEvent", &[json!(TEST_EVENT)], |_| json!({ "type": "object" }), schemas);
    all.push(test.clone());
    described.push((TEST_EVENTS.id, operation(&TEST_EVENTS, &[test])));
    let delivered = named(schemas, "DeliveredEvent", |_| json!({ "oneOf": all }));
    named(schemas, "Package", |_| {
        json!({
            "type": "object",
            "description": "What a request to a receiver holds.",
            "properties": { "payload": { "type": "array", "minItems": 1, "items": delivered } },
            "required": ["payload"],
        })
    });
    operations.extend(described.into_iter().map(|(id, post)| (id.to_owned(), json!({ "post": post }))));
    Value::Object(operations)
}

/// Returns the named schema of events of these types.
fn event(
    name: &'static str,
    types: &[Value],
    object: fn(&mut Schemas) -> Value,
    schemas: &mut Schemas,
) -> Value {
    named(schemas, name, |schemas| {
        let mut shown = object(schemas);
        shown["description"] = json!("What it happened to, as it was then.");
        json!({
            "type": "object",
            "properties": {
                "id": {
                    "type": "string", "format": "uuid", "description": "Id of the event, the same in every delivery.",
                },
                "created_at": { "type": "string", "format": "date-time", "description": "When it happened." },
                "type": { "type": "string", "enum": types, "description": "What happened." },
                "object": shown,
                "webhook_id": { "type": "string", "format": "uuid", "description": "Id of the webhook." },
            },
            "required": ["id", "created_at", "type", "object", "webhook_id"],
        })
    })
}

/// Returns the schema of the object of `USER.DATA_CHANGE_FAILED`.
fn data_change_failure(schemas: &mut Schemas) -> Value {
    named(schemas, "DataChangeFailure", |_| {
        json!({
            "type": "object",
            "properties": {
                "user_id": { "type": "string", "format": "uuid", "description": "Id of the user." },
                "reason": { "type": "string", "maxLength": 100, "description": "Why nothing was changed." },
            },
            "required": ["user_id", "reason"],
        })
    })
}

/// Returns the operation object for the deliveries of a category.
fn operation(category: &EventCategory, kinds: &[Value]) -> Value {
    let EventCategory { tag, id, summary, .. } = category;
    // A package can contain events of other categories as well, so the schema requires only one of this category.
    let contained = match kinds {
        [kind] => kind.clone(),
        kinds => json!({ "anyOf": kinds }),
    };
    let header = |name, required, description| {
        json!({
            "name": name, "in": "header", "required": required, "description": description,
            "schema": { "type": "string" },
        })
    };
    json!({
        "tags": [tag],
        "summary": summary,
        "description": DESCRIPTION,
        "operationId": id,
        "security": [],
        "parameters": [
            header("signature", true, "The signature, by a key of `GET /auth/verify_keys`."),
            header("signature-input", true, "What the signature covers, when it was made and with which key."),
            header("digest", false, "SHA-256 of the body, where `config.signature` is draft-6."),
            header("content-digest", false, "SHA-512 of the body, where it is another."),
        ],
        "requestBody": {
            "description": "The package.",
            "required": true,
            "content": { "application/json": {
                "schema": { "allOf": [
                    { "$ref": "#/components/schemas/Package" },
                    { "properties": { "payload": { "contains": contained } } },
                ] },
                "examples": examples(category.examples),
            } },
        },
        "responses": { "2XX": {
            "description": "The events have been received. Anything else, a redirect among it, is a failure, and the \
                package is sent again.",
        } },
    })
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;
    use crate::domain::delivery::webhook::EventFilter;

    #[test]
    fn every_event_that_is_sent_is_described_once() {
        let described: Vec<&str> = CATEGORIES
            .iter()
            .flat_map(|one| one.kinds)
            .flat_map(|kind| kind.types)
            .map(EventType::into_str)
            .collect();
        let everything = EventFilter { kinds: vec!["ALL".to_owned()], exclude_type: None };
        for kind in EventType::VARIANTS {
            let times = described.iter().filter(|one| **one == kind.into_str()).count();
            assert_eq!(times, usize::from(everything.has(kind.into_str())), "{}", kind.into_str());
        }
    }
}
