//! What the operator API answers has the form that its OpenAPI document describes: every request of an operator in
//! these tests is held against it.

use std::sync::LazyLock;

use investord::backoffice;
use jsonschema::Validator;
use serde_json::{Value, json};
use testing::answer::Answer;

/// An operation of the document and the form of its successful answers.
struct Operation {
    method: String,
    path: String,
    form: Validator,
}

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(&backoffice::openapi_document()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let mut schema = operation["responses"]["200"]["content"]["application/json"]["schema"].clone();
            schema["components"] = json!({ "schemas": document["components"]["schemas"] });
            let form = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
            operations.push(Operation { method: method.to_uppercase(), path: path.clone(), form });
        }
    }
    operations
});

/// Whether a path has the form of a template such as `/operators/{name}`.
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let same = |(one, other): (&&str, &&str)| one.starts_with('{') || one == other;
    template.len() == path.len() && template.iter().zip(&path).all(same)
}

/// Fails if a successful answer to a request does not have the documented form.
pub fn assert_documented(method: &str, target: &str, answer: &Answer) {
    let path = target.split('?').next().unwrap();
    let operation = OPERATIONS.iter().find(|one| one.method == method && fits(&one.path, path));
    if let (200, Some(operation)) = (answer.status, operation) {
        let body = answer.json();
        let errors: Vec<String> = operation
            .form
            .iter_errors(&body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{method} {target}: {errors:#?}\n{body:#}");
    }
}
