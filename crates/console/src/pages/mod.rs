//! The pages: each a struct with its template, and what several of them say alike.

use serde_json::Value;

use crate::answers::Difference;
use crate::frame::Frame;

pub mod find;
pub mod person;
pub mod queue;
pub mod register;
pub mod sign_in;
pub mod webhooks;

/// Returns the class of a user's or account's status: a shape beside the word.
pub fn status_class(status: &str) -> &'static str {
    match status {
        "ACTIVE" => "ok",
        "INACTIVE" | "PENDING" | "REQUESTED" => "idle",
        "OFFBOARDING" | "CLOSING" => "hold",
        _ => "gone",
    }
}

/// Returns the class of a check's status.
pub fn check_class(status: &str) -> &'static str {
    match status {
        "PASSED" => "ok",
        "FAILED" => "stop",
        _ => "wait",
    }
}

/// Returns the class of a webhook's state of delivery.
pub fn delivery_class(state: &str) -> &'static str {
    match state {
        "failing" => "bad",
        "delivering" | "collected" => "ok",
        _ => "idle",
    }
}

/// Returns the class of a package's state.
pub fn package_class(state: &str) -> &'static str {
    match state {
        "delivered" => "ok",
        "open" => "wait",
        _ => "gone",
    }
}

/// Returns what an event or act is about: an object with one member, or a word.
pub fn subject(subject: &Value) -> String {
    match subject {
        Value::Object(members) => members.values().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::String(word) => word.clone(),
        _ => String::new(),
    }
}

/// Returns who has acted, in an event of the register.
pub fn actor(frame: &Frame, actor: &Value) -> String {
    match actor["name"].as_str().or(actor["issuer"].as_str()) {
        Some(name) => name.to_owned(),
        None => frame.word("actor", actor["kind"].as_str().unwrap_or_default()),
    }
}

/// Returns the members in which two states differ; the members of objects in them one by one.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    collect_differences("", old, new, &mut found);
    found
}

fn collect_differences(member: &str, old: &Value, new: &Value, found: &mut Vec<Difference>) {
    if old == new {
        return;
    }
    let Some(members) = new.as_object() else {
        let member = member.to_owned();
        return found.push(Difference { member, old: old.clone(), new: new.clone() });
    };
    for (name, value) in members {
        // A state before that does not have the member says nothing about it.
        let before = old.get(name).unwrap_or(&Value::Null);
        let name = if member.is_empty() { name.clone() } else { format!("{member}.{name}") };
        collect_differences(&name, before, value, found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The policy of the pages forbids what a browser would have to take from the page itself.
    #[test]
    fn templates_have_nothing_that_the_policy_forbids() {
        let templates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let of_developers = templates.join("developer_docs");
        let both = [&templates, &of_developers].map(|folder| std::fs::read_dir(folder).unwrap());
        let files = both.into_iter().flatten().map(Result::unwrap);
        for entry in files.filter(|entry| entry.path().is_file()) {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            // HTML of guides and help is our own; what people have written never comes unescaped.
            let unescaped = if entry.path().starts_with(&of_developers) { "<script" } else { "|safe" };
            for forbidden in
                [" style=", "<style", "<script>", "javascript:", "hx-on", unescaped, "http://", "https://"]
            {
                // The icon names a namespace.
                let text = text.replace("xmlns='http://www.w3.org/2000/svg'", "");
                assert!(!text.contains(forbidden), "{:?} has {forbidden}", entry.file_name());
            }
            let handlers = text.split('<').filter(|tag| {
                tag.contains(" on")
                    && tag.split(" on").skip(1).any(|rest| {
                        rest.split('=')
                            .next()
                            .is_some_and(|name| rest.contains('=') && name.chars().all(char::is_alphabetic))
                    })
            });
            assert_eq!(handlers.count(), 0, "{:?} has a handler", entry.file_name());
        }
    }

    #[test]
    fn only_what_differs_is_shown() {
        let old = json!({ "settings": { "model": "TOL", "four_eyes": true }, "name": "acme" });
        let new = json!({ "settings": { "model": "TOL", "four_eyes": false }, "name": "acme" });
        let [one] = &differences(&old, &new)[..] else { panic!("one") };
        assert_eq!((&*one.member, &one.old, &one.new), ("settings.four_eyes", &json!(true), &json!(false)));
        assert!(differences(&new, &new).is_empty());
    }
}
