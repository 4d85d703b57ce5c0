//! Differences between two states of a resource.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// A member whose value differs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// Path of the member, as in address.city.
    pub member: String,
    /// The former value; null if there was none.
    pub old: Value,
    /// The new value; null if the member was removed.
    pub new: Value,
}

/// A member that changes with every event and carries no information of its own, so it is left out.
const IGNORED_MEMBER: &str = "updated_at";

/// Lists the members that differ, in the order of the new state, followed by the removed ones.
///
/// Objects are compared member by member, an absent or `null` one like an empty one; lists are compared as a whole.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    found
}

/// Adds the differences below a path.
fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<Difference>) {
    let none = Map::new();
    let (before, after) = match (old, new) {
        (Value::Object(before), Value::Object(after)) => (before, after),
        (Value::Null, Value::Object(after)) => (&none, after),
        (Value::Object(before), Value::Null) => (before, &none),
        _ if old == new => return,
        _ => {
            found.push(Difference { member: path.to_owned(), old: old.clone(), new: new.clone() });
            return;
        }
    };
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    for name in after.keys().chain(gone).filter(|name| *name != IGNORED_MEMBER) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let of = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
        compare(&path, &of(before), &of(after), found);
    }
}

/// A comparison of each event of a history with the last event about the same resource.
#[derive(Default)]
pub struct Changes {
    /// The last known state of each resource, by resource type and id.
    last: BTreeMap<String, Value>,
}

impl Changes {
    /// Returns the changes that an event has made. The first event about a resource has none, because it contains the
    /// whole resource. The event of an action contains the old and the new state itself.
    pub fn of(&mut self, kind: &str, object: &Value) -> Vec<Difference> {
        if let (Some(old), Some(new)) = (object.get("old"), object.get("new")) {
            return differences(old, new);
        }
        let resource = kind.split('.').next().unwrap_or_default();
        let Some(id) = object.get("id").and_then(Value::as_str) else { return Vec::new() };
        let before = self.last.insert(format!("{resource} {id}"), object.clone());
        before.map(|before| differences(&before, object)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(old: &Value, new: &Value) -> Vec<String> {
        let told = |one: Difference| format!("{}: {} -> {}", one.member, one.old, one.new);
        differences(old, new).into_iter().map(told).collect()
    }

    #[test]
    fn only_what_is_different_is_listed() {
        let address = json!({ "city": "Köln", "postcode": "1" });
        let old = json!({ "name": "A", "address": address, "tags": ["x"], "updated_at": 1 });
        let new = json!({ "name": "A", "address": { "city": "Bonn", "postcode": "1" }, "email": "e", "updated_at": 2 });
        let expected =
            [r#"address.city: "Köln" -> "Bonn""#, r#"email: null -> "e""#, r#"tags: ["x"] -> null"#];
        assert_eq!(told(&old, &new), expected);
        assert!(told(&old, &old).is_empty());
        assert_eq!(told(&json!(null), &json!({ "by": { "name": "anna" } })), [r#"by.name: null -> "anna""#]);
        assert_eq!(
            told(&json!({ "by": { "name": "anna" } }), &json!({ "by": null })),
            [r#"by.name: "anna" -> null"#]
        );
    }

    #[test]
    fn an_event_is_compared_with_the_last_about_the_same_resource() {
        let mut changes = Changes::default();
        let user = |status: &str| json!({ "id": "1", "status": status });
        assert!(changes.of("USER.CREATED", &user("INACTIVE")).is_empty());
        assert!(changes.of("ACCOUNT.CREATED", &user("ACTIVE")).is_empty(), "another resource of the same id");
        let action = json!({ "old": { "suspended": false }, "new": { "suspended": true } });
        assert_eq!(changes.of("OPERATOR.ACTION", &action)[0].member, "suspended");
        assert!(changes.of("USER.DATA_CHANGE_FAILED", &json!({ "user_id": "1" })).is_empty());
        let activated = changes.of("USER.ACTIVATED", &user("ACTIVE"));
        let expected = Difference { member: "status".into(), old: json!("INACTIVE"), new: json!("ACTIVE") };
        assert_eq!(activated, [expected]);
    }
}
