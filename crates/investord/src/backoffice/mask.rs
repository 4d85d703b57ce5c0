//! Masks what operators see of people: contact data, numbers and documents, until they are revealed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What stands in place of a hidden value, or of its hidden part.
const MASK: &str = "•••••";

/// Length in bytes from which a hidden text is looked for in other texts. A shorter one is found in other words, too.
const SHORTEST_IN_TEXT: usize = 5;

/// What a mask leaves of a text.
#[derive(Clone, Copy)]
enum Kept {
    Nothing,
    /// The first character, and that it is an e-mail address.
    Email,
    /// So many characters at the end, by which a caller can be asked for the rest.
    Last(usize),
}

/// The members that are masked until a person is revealed, with what is left of them. Names, birth dates and addresses
/// tell people apart and stay readable. Of numbers of a person nothing is left: beside the birth date the last digits
/// of many of them are all that is not known.
const CONFIDENTIAL: [(&str, Kept); 9] = [
    ("email", Kept::Email),
    ("phone_number", Kept::Last(2)),
    ("identifier", Kept::Nothing),
    ("reported", Kept::Nothing),
    ("tax_identifier_number", Kept::Nothing),
    ("social_security_number", Kept::Nothing),
    ("securities_account_number", Kept::Last(4)),
    ("data_download_link", Kept::Nothing),
    ("auth016", Kept::Nothing),
];

/// The members that hold people, in the answers to operators who may see webhooks or reviews but no people.
const PEOPLE: [&str; 5] = ["body", "answer", "matter", "preview", "user"];

/// How much of the people of a tenant a session sees.
#[derive(Clone, Debug)]
pub struct Visibility {
    /// Whether the operator may see people at all (permission `people:read`).
    pub sees_people: bool,
    /// Ids of the users who are revealed to the session.
    pub revealed: BTreeSet<Uuid>,
}

impl Visibility {
    /// Masks the answer of an operation. `user` is the user in the path.
    pub fn mask(&self, answer: &mut Value, user: Option<Uuid>) {
        if !user.is_some_and(|user| self.revealed.contains(&user)) {
            let mut hidden = BTreeMap::new();
            self.mask_value(answer, &mut hidden);
            mask_in_texts(answer, &hidden);
        }
    }

    /// Masks the members inside a value, and adds each hidden text with its mask to `hidden`.
    fn mask_value(&self, value: &mut Value, hidden: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(members) if !self.is_revealed(members) => self.mask_members(members, hidden),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_value(item, hidden)),
            _ => {}
        }
    }

    /// Returns whether an object is a revealed user or belongs to one. Ids are unique, so that no other object has the
    /// id of a user.
    fn is_revealed(&self, members: &Map<String, Value>) -> bool {
        let id = |name: &str| members.get(name)?.as_str()?.parse::<Uuid>().ok();
        ["id", "user_id"].into_iter().filter_map(id).any(|id| self.revealed.contains(&id))
    }

    fn mask_members(&self, members: &mut Map<String, Value>, hidden: &mut BTreeMap<String, String>) {
        let is_difference = ["member", "old", "new"].iter().all(|name| members.contains_key(*name));
        if let (true, Some(Value::String(path))) = (is_difference, members.get("member"))
            && let Some(kept) = path.split('.').find_map(confidential)
        {
            for name in ["old", "new"] {
                members.entry(name).and_modify(|value| hide(value, kept, hidden));
            }
            return;
        }
        for (name, value) in members {
            if !self.sees_people && PEOPLE.contains(&name.as_str()) {
                hide(value, Kept::Nothing, hidden);
            } else if let Some(kept) = confidential(name) {
                hide(value, kept, hidden);
            } else {
                self.mask_value(value, hidden);
            }
        }
    }
}

/// Returns what is left of a member of this name, if it is masked.
fn confidential(name: &str) -> Option<Kept> {
    CONFIDENTIAL.iter().find(|(known, _)| *known == name).map(|(_, kept)| *kept)
}

/// Replaces a value by its mask. That there is none stays visible.
fn hide(value: &mut Value, kept: Kept, hidden: &mut BTreeMap<String, String>) {
    let mask = match &*value {
        Value::Null => return,
        Value::String(text) => {
            let mask = mask_text(text, kept);
            hidden.insert(text.clone(), mask.clone());
            mask
        }
        _ => MASK.to_owned(),
    };
    *value = mask.into();
}

/// Masks the hidden texts where another text tells them, as the consequences of a data change or what a receiver has
/// answered.
fn mask_in_texts(value: &mut Value, hidden: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            for (shown, mask) in hidden.iter().filter(|(shown, _)| shown.len() >= SHORTEST_IN_TEXT) {
                if text.contains(shown.as_str()) {
                    *text = text.replace(shown.as_str(), mask);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_in_texts(item, hidden)),
        Value::Object(members) => members.values_mut().for_each(|member| mask_in_texts(member, hidden)),
        _ => {}
    }
}

/// Masks a text. A short one keeps nothing: its end would be most of it.
fn mask_text(text: &str, kept: Kept) -> String {
    let length = text.chars().count();
    match kept {
        Kept::Email => {
            let first: String = text.chars().take(1).collect();
            format!("{first}{MASK}@{MASK}")
        }
        Kept::Last(last) if length > 2 * last => {
            MASK.chars().chain(text.chars().skip(length - last)).collect()
        }
        Kept::Nothing | Kept::Last(_) => MASK.to_owned(),
    }
}

/// Allows a mask in place of each member that can be masked, in the schemas of an OpenAPI document.
pub fn allow_masks(schemas: &mut BTreeMap<String, Value>) {
    schemas.values_mut().for_each(allow_in);
    let masked = json!({
        "type": "string",
        "pattern": MASK,
        "description": "What is hidden until the user is revealed. The rest of the text is that of the value.",
    });
    schemas.insert("Masked".to_owned(), masked);
}

/// Allows a mask in a schema and those inside it.
fn allow_in(schema: &mut Value) {
    match schema {
        Value::Object(parts) => {
            for (name, part) in parts.iter_mut() {
                if let ("properties", Value::Object(members)) = (name.as_str(), &mut *part) {
                    let names = members.iter_mut();
                    for (_, member) in names.filter(|(name, _)| is_maskable(name)) {
                        let shown = member.take();
                        *member = json!({ "anyOf": [shown, { "$ref": "#/components/schemas/Masked" }] });
                    }
                }
                allow_in(part);
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(allow_in),
        _ => {}
    }
}

fn is_maskable(name: &str) -> bool {
    confidential(name).is_some() || PEOPLE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";
    const OTHER: &str = "0b4b8d2c-6f0e-4f3e-9a57-3f1d8a4f6a11";

    fn masked(sees_people: bool, revealed: &[&str], mut answer: Value) -> Value {
        let revealed = revealed.iter().map(|id| id.parse().unwrap()).collect();
        Visibility { sees_people, revealed }.mask(&mut answer, None);
        answer
    }

    #[test]
    fn a_mask_keeps_little_of_a_text() {
        for (text, kept, masked) in [
            ("johanna@example.org", Kept::Email, "j•••••@•••••"),
            ("", Kept::Email, "•••••@•••••"),
            ("491701234541", Kept::Last(2), "•••••41"),
            ("54010150464", Kept::Last(4), "•••••0464"),
            ("12345678", Kept::Last(4), "•••••"),
            ("ÄÖÜÄÖÜÄÖÜ", Kept::Last(4), "•••••ÜÄÖÜ"),
            ("https://files.example/1.zip", Kept::Nothing, "•••••"),
        ] {
            assert_eq!(mask_text(text, kept), masked, "{text}");
        }
    }

    #[test]
    fn members_are_masked_wherever_they_stand() {
        let found =
            json!({ "data": [{ "id": USER, "email": "a@b.c", "phone_number": null, "tags": ["x"] }] });
        let hidden =
            json!({ "data": [{ "id": USER, "email": "a•••••@•••••", "phone_number": null, "tags": ["x"] }] });
        assert_eq!(masked(true, &[], found.clone()), hidden);
        assert_eq!(masked(true, &[OTHER], found.clone()), hidden);
        assert_eq!(masked(true, &[USER], found.clone()), found);
        let change =
            |old: &str, new: &str| json!({ "changes": [{ "member": "email", "old": old, "new": new }] });
        assert_eq!(masked(true, &[], change("a@b.c", "d@b.c")), change("a•••••@•••••", "d•••••@•••••"));
        let nested = json!({ "user_id": USER, "matter": { "asked": { "email": "a@b.c" } } });
        assert_eq!(masked(true, &[USER], nested.clone()), nested);
        assert_eq!(masked(true, &[], nested)["matter"]["asked"]["email"], "a•••••@•••••");
    }

    #[test]
    fn other_texts_do_not_tell_what_is_masked() {
        let told =
            json!({ "identifier": "54010150464", "says": ["reported as 54010150464"], "name": "a 0464" });
        let hidden = json!({ "identifier": MASK, "says": ["reported as •••••"], "name": "a 0464" });
        assert_eq!(masked(true, &[], told), hidden);
    }

    #[test]
    fn who_sees_no_people_sees_nothing_of_them() {
        let review =
            json!({ "user_id": USER, "user": "Ada Lovelace", "matter": { "asked": {} }, "kind": "check" });
        let hidden = json!({ "user_id": USER, "user": MASK, "matter": MASK, "kind": "check" });
        assert_eq!(masked(false, &[], review), hidden);
    }
}
