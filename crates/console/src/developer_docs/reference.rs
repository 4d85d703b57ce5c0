//! The reference: an OpenAPI document as groups of operations with their fields.

use serde_json::{Map, Value};

use super::fields::{Field, forms, of_parameter};
use super::markdown;

/// Everything that the document describes.
pub struct Reference {
    pub groups: Vec<Group>,
    /// Headers that every signed request has.
    pub headers: Vec<Field>,
}

/// Operations of one tag.
pub struct Group {
    pub name: String,
    /// Last segment of the path of its page.
    pub slug: String,
    pub description: String,
    pub operations: Vec<Operation>,
}

/// A request and its answers.
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    /// HTML.
    pub description: String,
    /// Scopes of which a token needs one.
    pub scopes: Vec<String>,
    /// Whether the request is signed.
    pub is_signed: bool,
    /// Those that not all signed requests have.
    pub parameters: Vec<Field>,
    pub body: Option<Content>,
    pub answers: Vec<Answer>,
    /// Statuses of refusals.
    pub refusals: Vec<String>,
}

/// An answer that is no refusal.
pub struct Answer {
    pub status: String,
    pub content: Content,
}

/// A body.
pub struct Content {
    /// HTML.
    pub description: String,
    pub media_type: String,
    pub forms: Vec<Form>,
    pub examples: Vec<Example>,
}

/// One of the forms that a body may have.
pub struct Form {
    /// Name of its schema; empty if it has none.
    pub name: String,
    pub fields: Vec<Field>,
}

/// A body to copy.
pub struct Example {
    pub name: String,
    pub text: String,
}

impl Reference {
    /// Reads an OpenAPI document.
    pub fn new(document: &Value) -> Self {
        let mut groups: Vec<Group> = array(&document["tags"]).iter().map(group).collect();
        for (paths, is_served) in [(&document["paths"], true), (&document["webhooks"], false)] {
            for (path, methods) in members(paths) {
                for (method, operation) in members(methods) {
                    let tag = operation["tags"][0].as_str().unwrap_or_default();
                    let place = if is_served { path.as_str() } else { "" };
                    let read = Operation::new(document, method, place, operation);
                    if let Some(group) = groups.iter_mut().find(|group| group.name == tag) {
                        group.operations.push(read);
                    }
                }
            }
        }
        groups.retain(|group| !group.operations.is_empty());
        let headers = common_headers(document);
        let is_common = |field: &Field| headers.iter().any(|header| header.name == field.name);
        for operation in groups.iter_mut().flat_map(|group| &mut group.operations) {
            operation.parameters.retain(|field| !is_common(field));
        }
        Self { groups, headers }
    }

    /// Returns the group of a page.
    pub fn group(&self, slug: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.slug == slug)
    }
}

/// Returns the headers that all signed requests have: the shared parameters to which every one of them refers.
fn common_headers(document: &Value) -> Vec<Field> {
    let methods = members(&document["paths"]).flat_map(|(_, methods)| members(methods));
    let all = methods.map(|(_, operation)| array(&operation["parameters"]));
    let shared: Vec<_> =
        all.map(|all| all.iter().filter(|one| one.get("$ref").is_some()).collect::<Vec<_>>()).collect();
    let signed = || shared.iter().filter(|references| !references.is_empty());
    let common = signed().next().into_iter().flatten().filter(|one| signed().all(|all| all.contains(one)));
    common.map(|header| of_parameter(document, header)).collect()
}

fn group(tag: &Value) -> Group {
    let name = text(&tag["name"]);
    let slug = name.to_lowercase().replace(' ', "-");
    Group { name, slug, description: text(&tag["description"]), operations: Vec::new() }
}

impl Operation {
    /// Reads an operation. Without a path it is a request to a receiver of events.
    fn new(document: &Value, method: &str, path: &str, operation: &Value) -> Self {
        let security = array(&operation["security"]);
        let scopes = security.iter().flat_map(members).flat_map(|(_, scopes)| array(scopes)).map(text);
        let parameters = array(&operation["parameters"]);
        let (refusals, answers): (Vec<_>, Vec<_>) = members(&operation["responses"])
            .partition(|(status, _)| status.starts_with('4') || status.starts_with('5'));
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: if path.is_empty() { "the url of your webhook".into() } else { path.into() },
            summary: text(&operation["summary"]),
            description: markdown::html(operation["description"].as_str().unwrap_or_default()),
            scopes: scopes.collect(),
            // Parameters that the document shares are headers of signed requests.
            is_signed: parameters.iter().any(|one| one.get("$ref").is_some()),
            parameters: parameters.iter().map(|one| of_parameter(document, one)).collect(),
            body: operation.get("requestBody").map(|body| Content::new(document, body)),
            answers: answers
                .into_iter()
                .map(|(status, answer)| Answer {
                    status: status.clone(),
                    content: Content::new(document, answer),
                })
                .collect(),
            refusals: refusals.into_iter().map(|(status, _)| status.clone()).collect(),
        }
    }
}

impl Content {
    fn new(document: &Value, body: &Value) -> Self {
        let media = members(&body["content"]).next();
        let (media_type, content) =
            media.map_or(("", &Value::Null), |(name, content)| (name.as_str(), content));
        let examples = members(&content["examples"]).map(|(name, example)| Example {
            name: name.clone(),
            text: example_text(media_type, &example["value"]),
        });
        Self {
            description: markdown::html(body["description"].as_str().unwrap_or_default()),
            media_type: media_type.to_owned(),
            forms: forms(document, &content["schema"]),
            examples: examples.collect(),
        }
    }
}

/// Writes an example as it is sent.
fn example_text(media_type: &str, value: &Value) -> String {
    if media_type == "application/x-www-form-urlencoded" {
        return members(value)
            .map(|(name, value)| format!("{name}={}", text(value)))
            .collect::<Vec<_>>()
            .join("&");
    }
    value.as_str().map_or_else(|| serde_json::to_string_pretty(value).unwrap_or_default(), str::to_owned)
}

/// Returns the members of an object; of anything else none.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// Returns the items of an array; of anything else none.
pub(super) fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns a string as it is, and every other value as JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
