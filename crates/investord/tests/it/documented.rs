//! What is answered and sent has the form that the OpenAPI document describes.

use investord::api;
use investord::worker::jobs::run_due;
use jsonschema::Validator;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;

use crate::webhooks::{id, pass};

const CHECK: &str = include_str!("../../../../api/examples/create-check-kyc.json");

fn document() -> Value {
    serde_json::from_str(&api::openapi_document()).unwrap()
}

fn validator(document: &Value, mut schema: Value) -> Validator {
    schema["components"] = json!({ "schemas": document["components"]["schemas"] });
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// A POST has an idempotency key, in case it is needed.
async fn send(client: &Client, method: &str, target: &str, body: &Value) -> Answer {
    let request = if method == "POST" { client.post(target) } else { client.request(method, target) };
    request.json(body).send().await
}

/// A life with every event that a client can bring about, each sent as it is described.
#[tokio::test]
async fn deliveries_have_the_documented_form() {
    let app = TestApp::with(|options| {
        options.worker = false;
        options.settings.push(("review_policy", json!("simulate")));
    })
    .await;
    let client = app.client();
    let endpoints = "/events-acceptor-service/endpoints";
    let endpoint = send(client, "POST", endpoints, &json!("")).await.json();
    let webhook = json!({ "title": "All", "url": endpoint["url"], "enabled": true });
    assert_eq!(send(client, "POST", "/webhooks", &webhook).await.status, 201);

    let user = client.created(&bodies::karl()).await;
    let own = format!("/users/{}", id(&user));
    let check: Value = serde_json::from_str(CHECK).unwrap();
    assert_eq!(send(client, "POST", &format!("{own}/checks"), &check).await.status, 202);
    let mut bad = json!({ "first_name": "Carl", "issuance_date": "2020-01-01", "document_type": "ID_CARD" });
    bad["data_download_link"] = json!("https://bucket.example/fail.zip");
    for change in [json!({ "first_name": "Carl" }), bad] {
        assert_eq!(send(client, "POST", &format!("{own}/data_change_requests"), &change).await.status, 202);
    }
    let group = json!({ "user_id": user["id"], "type": "PERSONAL" });
    let group = send(client, "POST", "/account_groups", &group).await.ok();
    let account = json!({ "user_id": user["id"], "account_group_id": group["id"], "type": "TRADING" });
    let account = send(client, "POST", "/accounts", &account).await.ok();
    let account = format!("/accounts/{}", id(&account));
    send(client, "PATCH", &account, &json!({ "name": "Other" })).await.ok();
    for target in [account, format!("/account_groups/{}", id(&group)), own] {
        assert_eq!(client.request("DELETE", &target).send().await.status, 202);
        run_due(app.app()).await.unwrap();
    }
    pass(&app);

    let document = document();
    let package = validator(&document, json!({ "$ref": "#/components/schemas/Package" }));
    let collected = client.get(&format!("{endpoints}/{}?wait=0", id(&endpoint))).send().await.ok();
    let mut told = Vec::new();
    for delivery in collected.as_array().unwrap() {
        let body: Value = serde_json::from_str(delivery["payload"].as_str().unwrap()).unwrap();
        assert!(package.is_valid(&body), "{body:#}");
        for event in body["payload"].as_array().unwrap() {
            // Alone in a package it is described by the entry of its category.
            let alone = json!({ "payload": [event] });
            let entries = document["webhooks"].as_object().unwrap().values();
            let fitting = entries.filter(|entry| {
                let schema = &entry["post"]["requestBody"]["content"]["application/json"]["schema"];
                validator(&document, schema.clone()).is_valid(&alone)
            });
            assert_eq!(fitting.count(), 1, "{event:#}");
            told.push(event["type"].as_str().unwrap().to_owned());
        }
    }
    told.sort_unstable();
    told.dedup();
    for kind in [
        "USER.CREATED",
        "USER.ACTIVATED",
        "USER.DATA_CHANGED",
        "USER.DATA_CHANGE_FAILED",
        "USER.OFFBOARDING_INITIATED",
        "USER.OFFBOARDED",
        "USER_CHECK.CREATED",
        "USER_CHECK.PASSED",
        "ACCOUNT_GROUP.CREATED",
        "ACCOUNT_GROUP.CLOSED",
        "ACCOUNT.CREATED",
        "ACCOUNT.UPDATED",
        "ACCOUNT.CLOSED",
    ] {
        assert!(told.iter().any(|one| one == kind), "{kind} was not told: {told:?}");
    }
}

/// Queries are tables: whatever the document says of a parameter is so, on every operation that has one.
#[tokio::test]
async fn queries_are_read_as_they_are_documented() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let document = document();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(operation) = item.get("get") else { continue };
        // What waits, and what is somebody else's.
        if path.contains("endpoint_id") || (path.contains('{') && !path.contains("{user_id}")) {
            continue;
        }
        let target = path.replace("{user_id}", id(&user));
        for parameter in operation["parameters"].as_array().unwrap().iter().filter(|one| one["in"] == "query")
        {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let ask = async |query: String| client.get(&format!("{target}?{query}")).send().await;
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let words = schema["enum"].as_array().or(schema["items"]["enum"].as_array()).cloned();
            for word in words.unwrap_or_default() {
                ask(format!("{name}={}", text(&word))).await.ok();
            }
            ask(format!("{name}=")).await.ok();
            for query in [format!("{name}=nonsense"), format!("{name}=&{name}=")] {
                let faults = ask(query.clone()).await.faults();
                assert_eq!(faults, [name], "{target}?{query}");
            }
            seen += 1;
        }
    }
    assert!(seen > 25, "only {seen} parameters were found");
}

fn names(list: &Value, member: &str) -> Vec<String> {
    let items = list["data"].as_array().unwrap().iter();
    items.map(|item| item[member].as_str().map_or_else(|| item[member].to_string(), str::to_owned)).collect()
}

#[tokio::test]
async fn webhooks_are_sorted_by_what_the_reference_names() {
    let app = TestApp::start().await;
    let client = app.client();
    for (title, host, enabled) in [("b", "z", true), ("c", "x", false), ("a", "y", true), ("b", "w", false)] {
        let body = json!({ "title": title, "url": format!("https://{host}.example/"), "enabled": enabled });
        assert_eq!(send(client, "POST", "/webhooks", &body).await.status, 201);
    }
    for (sort, expected) in [
        ("title", ["a", "b", "b", "c"]),
        ("url", ["https://w.example/", "https://x.example/", "https://y.example/", "https://z.example/"]),
        ("enabled", ["false", "false", "true", "true"]),
    ] {
        let list = client.get(&format!("/webhooks?sort={sort}")).send().await.ok();
        assert_eq!(names(&list, sort), expected);
        assert_eq!((&list["meta"]["sort"], &list["meta"]["total_count"]), (&json!(sort), &json!(4)));
        let mut backwards =
            names(&client.get(&format!("/webhooks?sort={sort}&order=DESC")).send().await.ok(), sort);
        backwards.reverse();
        assert_eq!(backwards, expected, "{sort} descending");
    }
    // Of equal ones the older first, whatever part is asked for.
    let hosts = names(&client.get("/webhooks?sort=title&offset=1&limit=2").send().await.ok(), "url");
    assert_eq!(hosts, ["https://z.example/", "https://w.example/"]);
    let faults = client.get("/users?sort=title").send().await.faults();
    assert_eq!(faults, ["sort"], "users have no title to be sorted by");
}

#[tokio::test]
async fn categories_of_a_webhook_are_taken_as_the_reference_says() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = |more: Value| {
        let mut body = json!({ "title": "t", "url": "https://x.example/" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for kinds in
        [json!([]), json!(["USER", "USER"]), json!(["BUSINESS", "ISA_TRANSFER", "VIRTUAL_BANK_ACCOUNT"])]
    {
        let made = send(client, "POST", "/webhooks", &body(json!({ "type": kinds }))).await;
        assert_eq!((made.status, &made.json()["type"]), (201, &kinds));
    }
    for refused in [json!({ "type": ["USERS"] }), json!({ "exclude_type": ["ALL"] })] {
        let faults = send(client, "POST", "/webhooks", &body(refused)).await.faults();
        assert!(faults == ["type[0]"] || faults == ["exclude_type[0]"], "{faults:?}");
    }
    // The vendor's `config` is open.
    let config = json!({ "delay": "5s", "max_package_size": 500, "later": { "a": [1] } });
    let made = send(client, "POST", "/webhooks", &body(json!({ "config": config }))).await.json();
    assert_eq!(made["config"], config);
    let target = format!("/webhooks/{}", id(&made));
    let changed = send(client, "PATCH", &target, &json!({ "config": { "delay": "6s" } })).await.ok();
    assert_eq!((&changed["config"]["delay"], &changed["config"]["later"]), (&json!("6s"), &config["later"]));
}

/// Under each bound of the reference's versions.
#[tokio::test]
async fn tax_numbers_and_checks_are_taken_as_any_version_of_the_reference_says() {
    let app = TestApp::tol().await;
    let client = app.client();
    let user = client.created(&bodies::everything()).await;
    let target = format!("/users/{}/tax_residencies", id(&user));
    for length in [1, 6, 20, 50] {
        let one = json!({ "country": "DE", "tax_identifier_number": "1".repeat(length), "since": "2020" });
        let set = send(client, "POST", &target, &json!({ "tax_residencies": [one] })).await.ok();
        assert_eq!(set["tax_residencies"], json!([one]));
    }
    let mut check: Value = serde_json::from_str(CHECK).unwrap();
    check
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["nationality", "document_expiration_date"].contains(&name.as_str()));
    let checks = format!("/users/{}/checks", id(&user));
    let faults = send(client, "POST", &checks, &check).await.faults();
    assert_eq!(faults, ["document_expiration_date", "nationality"]);
    check["document_type"] = json!("TWO_PLUS_TWO_VERIFICATION_PROOF");
    check["method"] = json!("TWO_PLUS_TWO_VERIFICATION");
    check["confirmed_address"]["floor"] = json!(3);
    let made = send(client, "POST", &checks, &check).await;
    assert_eq!(made.status, 202, "{}", made.text());
    let read = client.get(&format!("{checks}/{}", id(&made.json()))).send().await.ok();
    assert_eq!(read["confirmed_address"]["floor"], 3);
    assert!(read.get("nationality").is_none());
}
