//! The OpenAPI document and what it describes, held together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use investord::api;
use investord::domain::tenant::{Model, Settings};
use investord::domain::user::{Person, Status, UserView};
use jiff::Timestamp;
use jsonschema::Validator;
use regex::Regex;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::constant(1_700_000_000, 0);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api")
}

fn document() -> Value {
    serde_json::from_str(&api::openapi::document()).unwrap()
}

fn example(name: &str) -> Value {
    let path = folder().join("examples").join(name).with_extension("json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A schema of the document, with the components that it refers to.
fn validator(document: &Value, schema: &Value) -> Validator {
    let mut schema = schema.clone();
    schema["components"] = json!({ "schemas": document["components"]["schemas"] });
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn named(document: &Value, name: &str) -> Validator {
    validator(document, &document["components"]["schemas"][name])
}

fn assert_valid(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

/// The value and all inside it.
fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}

/// (path, method) of every operation in the document.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap().iter();
            item.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

#[test]
fn the_kept_document_is_the_served_one() {
    let kept = fs::read_to_string(folder().join("openapi.json")).unwrap_or_default();
    assert!(
        kept == api::openapi::document(),
        "api/openapi.json is stale; renew it with `cargo run -- openapi > api/openapi.json`"
    );
}

/// The router cannot be asked for its routes, but it prints them.
#[test]
fn every_route_is_in_the_document_and_no_other() {
    let printed = format!("{:?}", api::routes());
    let printed = printed.split("fallback_router").next().unwrap();
    let (path, methods, method) = (
        Regex::new(r#"RouteId\((\d+)\): "([^"]+)""#).unwrap(),
        Regex::new(r"RouteId\((\d+)\): MethodRouter\(MethodRouter \{([^}]*) fallback:").unwrap(),
        Regex::new(r"([a-z]+): (?:BoxedHandler|Route)").unwrap(),
    );
    let mut routed = BTreeSet::new();
    for found in path.captures_iter(printed) {
        let handlers = methods.captures_iter(printed).find(|other| other[1] == found[1]).unwrap();
        routed
            .extend(method.captures_iter(&handlers[2]).map(|name| (found[2].to_owned(), name[1].to_owned())));
    }
    let document = document();
    let described: BTreeSet<_> = operations(&document)
        .iter()
        .map(|(path, method, _)| ((*path).to_owned(), (*method).to_owned()))
        .collect();
    assert_eq!(routed, described);
}

#[test]
fn operations_name_only_what_there_is() {
    let document = document();
    walk(&document, &mut |value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            assert!(document.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
        }
    });
    let mut ids = BTreeSet::new();
    let schemes = &document["components"]["securitySchemes"];
    for (path, method, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
        let tags = document["tags"].as_array().unwrap();
        assert!(tags.iter().any(|tag| tag["name"] == operation["tags"][0]), "{method} {path}");
        for (scheme, scopes) in
            operation["security"].as_array().unwrap().iter().flat_map(|it| it.as_object().unwrap())
        {
            for scope in scopes.as_array().unwrap() {
                let known = &schemes[scheme]["flows"]["clientCredentials"]["scopes"];
                assert!(known[scope.as_str().unwrap()].is_string(), "{scope}");
            }
        }
        for segment in path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
            let parameters = operation["parameters"].as_array().unwrap();
            let fits = |parameter: &&Value| parameter["in"] == "path" && parameter["name"] == segment;
            assert_eq!(parameters.iter().filter(fits).count(), 1, "{method} {path}");
        }
    }
}

#[test]
fn examples_have_the_form_that_they_illustrate() {
    let document = document();
    let mut seen = 0;
    walk(&document, &mut |value| {
        let (Some(schema), Some(examples)) = (value.get("schema"), value.get("examples")) else { return };
        for (name, example) in examples.as_object().unwrap() {
            assert_valid(&validator(&document, schema), &example["value"], name);
            seen += 1;
        }
    });
    walk(&document, &mut |value| {
        if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
            assert_valid(&validator(&document, schema), example, &value["name"].to_string());
            seen += 1;
        }
    });
    assert!(seen > 25, "only {seen} examples were found");
}

fn settings(model: Model) -> Settings {
    Settings { model, ..Settings::default() }
}

fn parse(body: &Value, model: Model) -> Result<Person, String> {
    Person::parse(body.to_string().as_bytes(), &settings(model), NOW).map_err(|faults| format!("{faults:?}"))
}

fn answer(person: &Person) -> Value {
    let view = UserView {
        id: Uuid::nil(),
        created_at: NOW,
        updated_at: NOW,
        status: Status::Active,
        person: &person.json,
    };
    serde_json::from_str(&view.to_string()).unwrap()
}

/// Everything that a body can have.
fn full_body() -> Value {
    let mut body = example("create-user-tol");
    body["gender"] = json!("DIVERSE");
    body["social_security_number"] = json!("65180539W001");
    body["branch_id"] = json!("b5d3b1a2-7f0e-4c0e-9c55-6b8a6d2f8a11");
    body["tags"] = json!(["CLIENT_EMPLOYEE"]);
    body["decease_date"] = json!("2020-02-29");
    body
}

#[test]
fn example_requests_get_the_example_answers() {
    for (model, name) in [(Model::Byol, "byol"), (Model::Tol, "tol")] {
        let person = parse(&example(&format!("create-user-{name}")), model).unwrap();
        let (mut answered, mut shown) = (answer(&person), example(&format!("user-{name}")));
        for own in ["id", "created_at", "updated_at"] {
            answered[own] = Value::Null;
            shown[own] = Value::Null;
        }
        assert_eq!(answered.to_string(), shown.to_string(), "{name}");
    }
}

#[test]
fn answers_have_the_documented_form() {
    let document = document();
    let user = named(&document, "User");
    let described = document["components"]["schemas"]["User"]["properties"].as_object().unwrap();
    let mut none_dead = full_body();
    none_dead["decease_date"] = json!("");
    none_dead["postal_address"] = Value::Null;
    for body in [example("create-user-byol"), full_body(), none_dead] {
        let answered = answer(&parse(&body, Model::Byol).unwrap());
        assert_valid(&user, &answered, "answer");
        let names = |object: &Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
        let answered = names(answered.as_object().unwrap());
        assert!(answered.is_subset(&names(described)));
        assert!(body != full_body() || answered == names(described), "a member is never answered");
    }
}

/// Whether schema and server agree about a body, for bodies in which one thing is different.
#[test]
fn the_schema_refuses_what_the_server_refuses() {
    let document = document();
    let members = full_body().as_object().unwrap().clone();
    let others = [
        json!(null),
        json!(1),
        json!(true),
        json!(""),
        json!("X"),
        json!("ÄÖ"),
        json!([]),
        json!(["DE"]),
        json!({}),
    ];
    let long = ["x".repeat(51), "x".repeat(86), "x".repeat(101)].map(Value::String);
    let mut refused = 0;
    for (model, name) in [(Model::Byol, "CreateUserByol"), (Model::Tol, "CreateUserTol")] {
        let schema = named(&document, name);
        let mut check = |body: &Value| {
            let (server, document) = (parse(body, model), schema.validate(body));
            assert_eq!(
                server.is_ok(),
                document.is_ok(),
                "{name}: {:?}, {document:?}\n{body:#}",
                server.err()
            );
            refused += usize::from(server.is_err());
        };
        check(&full_body());
        for member in members.keys() {
            let mut body = full_body();
            body.as_object_mut().unwrap().remove(member);
            check(&body);
            for other in others.iter().chain(&long) {
                body[member] = other.clone();
                check(&body);
            }
            for inner in members[member].as_object().into_iter().flat_map(Map::keys) {
                let mut body = full_body();
                body[member].as_object_mut().unwrap().remove(inner);
                check(&body);
                for other in others.iter().chain(&long) {
                    body[member][inner] = other.clone();
                    check(&body);
                }
            }
        }
        let mut body = full_body();
        body["unknown"] = json!("member");
        check(&body);
    }
    assert!(refused > 500, "only {refused} bodies were refused");
}
