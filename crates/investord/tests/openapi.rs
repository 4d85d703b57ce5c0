//! The OpenAPI document and what it describes, held together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use investord::api;
use investord::backoffice;
use investord::domain::accounts;
use investord::domain::accounts::{NewAccount, NewGroup};
use investord::domain::delivery::webhook;
use investord::domain::delivery::webhook::NewWebhook;
use investord::domain::json::schema::FieldError;
use investord::domain::tenants::{OperatingModel, TenantSettings};
use investord::domain::users::check;
use investord::domain::users::data_change::RequestedChange;
use investord::domain::users::person::Person;
use investord::domain::users::search::SearchField;
use investord::domain::users::tax_residency::TaxResidencies;
use investord::domain::users::{UserStatus, UserView};
use jiff::Timestamp;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use strum::VariantNames as _;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::constant(1_700_000_000, 0);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api")
}

fn document() -> Value {
    serde_json::from_str(&api::openapi_document()).unwrap()
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
        kept == api::openapi_document(),
        "api/openapi.json is stale; renew it with `cargo run -- openapi > api/openapi.json`"
    );
}

#[test]
fn the_kept_document_of_the_operator_api_is_the_served_one() {
    let kept = fs::read_to_string(folder().join("operator-openapi.json")).unwrap_or_default();
    assert!(
        kept == backoffice::openapi_document(),
        "api/operator-openapi.json is stale; renew it with \
         `cargo run -- openapi --operators > api/operator-openapi.json`"
    );
}

#[test]
fn every_route_of_operators_is_in_their_document_and_no_other() {
    let document: Value = serde_json::from_str(&backoffice::openapi_document()).unwrap();
    let described: BTreeSet<_> = operations(&document)
        .iter()
        .map(|(path, method, _)| ((*path).to_owned(), (*method).to_owned()))
        .collect();
    assert_eq!(described, testing::routes::routed(&backoffice::routes()));
    let search = document["paths"]["/tenants/{tenant}/users"]["get"]["parameters"].as_array().unwrap();
    let searched: BTreeSet<_> = search.iter().filter_map(|parameter| parameter["name"].as_str()).collect();
    let fields = SearchField::VARIANTS.iter().copied();
    assert_eq!(searched, fields.chain(["id", "tenant"]).collect());
    for (path, method, operation) in operations(&document) {
        let public = [("/openapi.json", "get"), ("/sessions", "post"), ("/invitations", "post")];
        let is_public = public.contains(&(path, method)) || path.starts_with("/oidc/");
        assert_eq!(operation["security"] == json!([]), is_public, "{method} {path}");
    }
}

#[test]
fn every_route_is_in_the_document_and_no_other() {
    let routed = testing::routes::routed(&api::routes());
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

fn settings(model: OperatingModel) -> TenantSettings {
    TenantSettings { model, ..TenantSettings::default() }
}

fn parse(body: &Value, model: OperatingModel) -> Result<Person, String> {
    Person::parse(body.to_string().as_bytes(), &settings(model), NOW).map_err(|faults| format!("{faults:?}"))
}

fn answer(person: &Person) -> Value {
    let view = UserView {
        id: Uuid::nil(),
        created_at: NOW,
        updated_at: NOW,
        status: UserStatus::Active,
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
    for (model, name) in [(OperatingModel::Byol, "byol"), (OperatingModel::Tol, "tol")] {
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
        let answered = answer(&parse(&body, OperatingModel::Byol).unwrap());
        assert_valid(&user, &answered, "answer");
        let names = |object: &Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
        let answered = names(answered.as_object().unwrap());
        assert!(answered.is_subset(&names(described)));
        assert!(body != full_body() || answered == names(described), "a member is never answered");
    }
}

/// How the server reads a body.
type Parse<T> = fn(&[u8], &TenantSettings, Timestamp) -> Result<T, Vec<FieldError>>;

/// What the server says of a body.
type Server = Box<dyn Fn(&[u8]) -> Result<(), Vec<FieldError>>>;

/// (name of the schema, a body that has everything, the server).
fn bodies() -> Vec<(&'static str, Value, Server)> {
    fn of<T: 'static>(
        name: &'static str,
        body: Value,
        model: OperatingModel,
        parse: Parse<T>,
    ) -> (&'static str, Value, Server) {
        (name, body, Box::new(move |body| parse(body, &settings(model), NOW).map(drop)))
    }
    let proof = json!({
        "issuance_date": "2020-01-01", "data_download_link": "https://x.example/a.zip", "document_type": "ID_CARD",
    });
    let with_proof = |body: Value| {
        let mut body = body;
        body.as_object_mut().unwrap().extend(proof.as_object().unwrap().clone());
        body
    };
    let full = full_body();
    let mut other = full.clone();
    for name in [
        "first_name",
        "last_name",
        "birth_date",
        "birth_city",
        "birth_country",
        "nationalities",
        "address",
        "fatca",
        "terms_and_conditions",
        "data_privacy_and_sharing_agreement",
    ] {
        other.as_object_mut().unwrap().remove(name);
    }
    let mut any = full.clone();
    for name in ["fatca", "terms_and_conditions", "data_privacy_and_sharing_agreement"] {
        any.as_object_mut().unwrap().remove(name);
    }
    let name = json!({ "first_name": "Karl", "last_name": "Schmidt" });
    let mut two_plus_two = example("create-check-kyc");
    two_plus_two["document_type"] = json!("TWO_PLUS_TWO_VERIFICATION_PROOF");
    let mut webhook = example("create-webhook");
    webhook["exclude_type"] = json!(["USER"]);
    let mut group = example("create-account-group");
    group["securities_account_number"] = json!("123456789");
    vec![
        of("CreateUserByol", full.clone(), OperatingModel::Byol, Person::parse),
        of("CreateUserTol", full.clone(), OperatingModel::Tol, Person::parse),
        of("ChangeData", with_proof(any), OperatingModel::Byol, RequestedChange::parse),
        of("ChangeData", proof.clone(), OperatingModel::Byol, RequestedChange::parse),
        of("ChangeName", with_proof(name), OperatingModel::Tol, RequestedChange::parse),
        of(
            "ChangeNationality",
            with_proof(json!({ "nationalities": ["DE", "PL"] })),
            OperatingModel::Tol,
            RequestedChange::parse,
        ),
        of(
            "ChangeAddress",
            with_proof(json!({ "address": full["address"] })),
            OperatingModel::Tol,
            RequestedChange::parse,
        ),
        of("ChangeOther", other, OperatingModel::Tol, RequestedChange::parse),
        of("CreateKycCheck", example("create-check-kyc"), OperatingModel::Tol, check::CheckContent::parse),
        of("CreateKycCheck", two_plus_two, OperatingModel::Tol, check::CheckContent::parse),
        of("CreatePorCheck", example("create-check-por"), OperatingModel::Tol, check::CheckContent::parse),
        of(
            "CreateInstrumentFitCheck",
            example("create-check-instrument-fit"),
            OperatingModel::Tol,
            check::CheckContent::parse,
        ),
        of("SetTaxResidencies", example("set-tax-residencies"), OperatingModel::Tol, TaxResidencies::parse),
        of("CreateWebhook", webhook.clone(), OperatingModel::Byol, NewWebhook::parse),
        of("UpdateWebhook", webhook, OperatingModel::Byol, webhook::WebhookUpdate::parse),
        of("CreateAccountGroup", group, OperatingModel::Byol, NewGroup::parse),
        of("CreateAccount", example("create-account"), OperatingModel::Byol, NewAccount::parse),
        of("UpdateAccount", example("update-account"), OperatingModel::Byol, accounts::parse_update),
    ]
}

/// Every body that differs from this one in one place: a member is missing, has another value, or is one more.
fn differing(body: &Value) -> Vec<Value> {
    let long = |length: usize| json!("x".repeat(length));
    let others = [
        json!(null),
        json!(1),
        json!(true),
        json!(""),
        json!("X"),
        json!("1\n2"),
        json!("\u{c4}\u{d6}"),
        json!("a\u{7}b"),
        json!([]),
        json!(["DE"]),
        json!(["ALL", "ALL"]),
        json!({}),
        json!({ "more": 1 }),
        long(20),
        long(51),
        long(86),
        long(101),
    ];
    let mut all = vec![body.clone()];
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                let with = |value: Value| {
                    let mut body = body.clone();
                    body[name] = value;
                    body
                };
                let mut without = body.clone();
                without.as_object_mut().unwrap().remove(name);
                all.push(without);
                all.extend(others.iter().cloned().map(with));
                all.extend(differing(value).into_iter().map(with));
            }
            let mut more = body.clone();
            more["unknown"] = json!("member");
            all.push(more);
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                for changed in differing(item) {
                    let mut body = body.clone();
                    body[at] = changed;
                    all.push(body);
                }
            }
        }
        _ => {}
    }
    all
}

/// Whether schema and server agree about a body, for bodies in which one thing is different.
#[test]
fn the_schema_refuses_what_the_server_refuses() {
    let document = document();
    let mut taken = 0;
    for (name, full, server) in bodies() {
        let schema = named(&document, name);
        let mut refused = 0;
        for body in differing(&full) {
            let (said, documented) = (server(body.to_string().as_bytes()), schema.validate(&body));
            assert_eq!(said.is_ok(), documented.is_ok(), "{name}: {said:?}, {documented:?}\n{body:#}");
            (refused, taken) = (refused + usize::from(said.is_err()), taken + usize::from(said.is_ok()));
        }
        assert!(refused > 10, "{name}: only {refused} were refused");
    }
    assert!(taken > 500, "only {taken} were taken");
}

/// The bodies of the vendor's reference in which its versions differ from one another.
#[test]
fn members_are_required_as_in_the_reference() {
    let mut check = example("create-check-kyc");
    let parse = |body: &Value| {
        check::CheckContent::parse(body.to_string().as_bytes(), &settings(OperatingModel::Tol), NOW)
    };
    let document = check.as_object_mut().unwrap();
    document.remove("nationality");
    document.remove("document_expiration_date");
    let missing: Vec<String> = parse(&check).unwrap_err().into_iter().map(|fault| fault.field).collect();
    assert_eq!(missing, ["document_expiration_date", "nationality"]);
    check["document_type"] = json!("TWO_PLUS_TWO_VERIFICATION_PROOF");
    assert!(parse(&check).is_ok(), "two plus two sources are no document of a country");

    for length in [1, 6, 7, 20, 21, 50] {
        let number = "1".repeat(length);
        let body = json!({ "tax_residencies": [{ "country": "DE", "tax_identifier_number": number }] });
        let parsed = TaxResidencies::parse(body.to_string().as_bytes(), &settings(OperatingModel::Tol), NOW);
        assert!(parsed.is_ok(), "{length} characters");
    }
}

/// What the vendor's schema leaves open inside of an object is kept as it was sent; two members of one name are not.
#[test]
fn further_members_of_nested_objects_are_kept() {
    let odd = json!({ "list": [1, -2.5, null, "\u{0}"], "object": { "": true } });
    for member in ["address", "postal_address", "fatca", "terms_and_conditions"] {
        let mut body = full_body();
        body[member]["further"] = odd.clone();
        let person = answer(&parse(&body, OperatingModel::Byol).unwrap());
        assert_eq!(person[member]["further"], odd, "{member}");
        assert!(named(&document(), "User").is_valid(&person));
    }
    let body = full_body().to_string();
    let twice = body.replacen("\"city\"", "\"more\":{\"a\":1,\"a\":2},\"city\"", 1);
    let error = Person::parse(twice.as_bytes(), &settings(OperatingModel::Byol), NOW).err().unwrap();
    assert!(error.iter().any(|fault| fault.field.ends_with("address.more.a")), "{error:?}");
    let mut large = full_body();
    large["address"]["more"] = json!("x".repeat(5000));
    assert!(parse(&large, OperatingModel::Byol).err().unwrap().contains("4096 bytes"));
}

/// Names that generated clients have for the operations.
#[test]
fn operations_have_the_vendors_names() {
    let document = document();
    let names: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(path, method, operation)| {
            (
                operation["operationId"].as_str().unwrap().to_owned(),
                format!("{} {path}", method.to_uppercase()),
            )
        })
        .collect();
    for (name, operation) in [
        ("issue_token", "POST /auth/token"),
        ("get_jwks", "GET /auth/verify_keys"),
        ("list_users", "GET /users"),
        ("create_user", "POST /users"),
        ("retrieve_user", "GET /users/{user_id}"),
        ("offboard_user", "DELETE /users/{user_id}"),
        ("user_data_change", "POST /users/{user_id}/data_change_requests"),
        ("list_user_identifiers", "GET /users/{user_id}/identifiers"),
        ("create_identifier", "POST /users/{user_id}/identifiers"),
        ("retrieve_identifier", "GET /users/{user_id}/identifiers/{identifier_id}"),
        ("update_identifier", "PATCH /users/{user_id}/identifiers/{identifier_id}"),
        ("list_user_checks", "GET /users/{user_id}/checks"),
        ("create_user_check", "POST /users/{user_id}/checks"),
        ("retrieve_user_check", "GET /users/{user_id}/checks/{check_id}"),
        ("retrieve_tax_residencies", "GET /users/{user_id}/tax_residencies"),
        ("set_tax_residencies", "POST /users/{user_id}/tax_residencies"),
        ("list_user_account_groups", "GET /users/{user_id}/account_groups"),
        ("list_account_groups", "GET /account_groups"),
        ("create_account_group", "POST /account_groups"),
        ("retrieve_account_group", "GET /account_groups/{account_group_id}"),
        ("account_group_closure", "DELETE /account_groups/{account_group_id}"),
        ("list_user_accounts", "GET /users/{user_id}/accounts"),
        ("list_accounts", "GET /accounts"),
        ("create_account", "POST /accounts"),
        ("retrieve_account", "GET /accounts/{account_id}"),
        ("update_account", "PATCH /accounts/{account_id}"),
        ("account_closure", "DELETE /accounts/{account_id}"),
        ("list_webhooks", "GET /webhooks"),
        ("create_webhook", "POST /webhooks"),
        ("retrieve_webhook", "GET /webhooks/{webhook_id}"),
        ("update_webhook", "PATCH /webhooks/{webhook_id}"),
        ("delete_webhook", "DELETE /webhooks/{webhook_id}"),
        ("test_webhook", "POST /webhooks/{webhook_id}/test"),
    ] {
        assert!(names.contains(&(name.to_owned(), operation.to_owned())), "{name}: {operation}");
    }
}

/// Statuses that the reference declares, and those that follow from what is done.
#[test]
fn operations_declare_what_they_can_refuse() {
    let document = document();
    for (path, method, status) in [
        ("/accounts", "post", "404"),
        ("/account_groups", "post", "404"),
        ("/webhooks/{webhook_id}/test", "post", "409"),
        ("/webhooks/{webhook_id}/test", "get", "409"),
        ("/auth/verify_keys", "get", "409"),
        ("/auth/token", "post", "409"),
        ("/errors", "get", "500"),
    ] {
        let declared = &document["paths"][path][method]["responses"][status];
        assert!(declared.is_object(), "{method} {path} does not declare {status}");
    }
}

/// The section `webhooks`: every type of event with its object.
#[test]
fn deliveries_are_described() {
    let document = document();
    let webhooks = document["webhooks"].as_object().unwrap();
    let mut types = BTreeSet::new();
    for (name, item) in webhooks {
        assert_eq!(item["post"]["operationId"], **name);
        let content = &item["post"]["requestBody"]["content"]["application/json"];
        let schema = validator(&document, &content["schema"]);
        for example in content["examples"].as_object().unwrap().values() {
            let mut package = example["value"].clone();
            types.insert(package["payload"][0]["type"].as_str().unwrap().to_owned());
            assert_valid(&schema, &package, name);
            package["payload"][0].as_object_mut().unwrap().remove("webhook_id");
            assert!(!schema.is_valid(&package), "{name}: every event names its webhook");
        }
    }
    let names: Vec<&str> = webhooks.keys().map(String::as_str).collect();
    let vendors = ["account_event", "account_group_event", "user_checks_event", "user_event"];
    assert!(vendors.iter().all(|name| names.contains(name)), "{names:?}");
    assert_eq!(types.len(), 6, "{types:?}");
}

/// Words, bounds and defaults of the reference that a client generator reads.
#[test]
fn schemas_say_what_can_be_said() {
    let schemas = &document()["components"]["schemas"];
    assert_eq!(schemas["Country"]["enum"].as_array().unwrap().len(), 250);
    for name in ["CreateUserByol", "CreateUserTol"] {
        assert_eq!(schemas[name]["properties"]["salutation"]["default"], "");
        assert_eq!(schemas[name]["properties"]["title"]["default"], "");
    }
    let webhook = &schemas["CreateWebhook"]["properties"];
    assert_eq!(webhook["type"]["default"], json!(["ALL"]));
    assert_eq!(webhook["enabled"]["default"], false);
    assert_eq!(webhook["config"]["default"]["max_package_size"], 10240);
    for name in ["ChangeData", "ChangeOther"] {
        assert_eq!(schemas[name]["minProperties"], 1, "{name}");
    }
    for name in ["KycCheck", "PorCheck", "InstrumentFitCheck", "ComplianceCheck"] {
        let required = schemas[name]["required"].as_array().unwrap();
        for member in ["id", "user_id", "type", "check_confirmed_at", "status"] {
            assert!(required.contains(&json!(member)), "{name} does not require {member}");
        }
    }
}
