//! Account groups and accounts: opened, waiting, renamed, closed; and users who wait for them when they leave.

use std::collections::HashSet;

use investord::clock::Clock as _;
use investord::worker::jobs::run_due;
use jiff::Timestamp;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::client::{Client, once_key};

const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

fn of(user: &Value) -> Value {
    json!([{ "id": user["id"], "type": "OWNER" }])
}

fn group_body(user: &Value) -> Value {
    json!({ "user_id": user["id"], "type": "PERSONAL" })
}

fn account_body(user: &Value, group: &Value) -> Value {
    json!({ "user_id": user["id"], "account_group_id": group["id"], "type": "TRADING", "name": "Main account" })
}

async fn open(client: &Client, target: &str, body: &Value) -> Answer {
    client.post(target).json(body).send().await
}

async fn group(client: &Client, user: &Value) -> Value {
    open(client, "/account_groups", &group_body(user)).await.ok()
}

async fn account(client: &Client, user: &Value, group: &Value) -> Value {
    open(client, "/accounts", &account_body(user, group)).await.ok()
}

async fn get(client: &Client, target: &str) -> Value {
    client.get(target).send().await.ok()
}

async fn delete(client: &Client, target: &str) -> Answer {
    client.request("DELETE", target).send().await
}

/// Kinds and statuses of what has been told since an event.
async fn told(app: &TestApp, since: usize) -> Vec<(String, String)> {
    let all = app.told(1).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all[since..].iter().map(|told| (told.kind.clone(), text(&told.object["status"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(kind, status)| ((*kind).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn an_active_users_group_and_accounts_are_active_at_once() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let since = app.told(1).await.len();
    let group = group(client, &user).await;
    let number = group["securities_account_number"].as_str().unwrap();
    assert!(number.len() == 9 && number.bytes().all(|digit| digit.is_ascii_digit()), "{number}");
    let expected = json!({
        "id": group["id"], "created_at": group["created_at"], "updated_at": group["created_at"],
        "users": of(&user), "status": "ACTIVE", "type": "PERSONAL", "securities_account_number": number,
    });
    assert_eq!(group.to_string(), expected.to_string(), "members in this order");
    let first = account(client, &user, &group).await;
    let expected = json!({
        "id": first["id"], "created_at": first["created_at"], "updated_at": first["created_at"],
        "account_group_id": group["id"], "type": "TRADING", "users": of(&user), "account_number": 1,
        "name": "Main account", "status": "ACTIVE",
    });
    assert_eq!(first.to_string(), expected.to_string());
    let mut body = account_body(&user, &group);
    (body["type"], body["name"]) = (json!("PORTFOLIO"), json!(""));
    body.as_object_mut().unwrap().remove("name");
    let second = open(client, "/accounts", &body).await.ok();
    assert_eq!(
        (&second["account_number"], &second["name"], &second["type"]),
        (&json!(2), &json!(""), &json!("PORTFOLIO"))
    );
    let told = app.told(1).await;
    let told: Vec<_> = told[since..].iter().map(|told| (told.kind.as_str(), &told.object)).collect();
    let created = ["ACCOUNT_GROUP.CREATED", "ACCOUNT_GROUP.ACTIVATED"];
    assert_eq!(told[..2], created.map(|kind| (kind, &group)));
    for (at, account) in [(2, &first), (4, &second)] {
        assert_eq!(told[at..at + 2], ["ACCOUNT.CREATED", "ACCOUNT.ACTIVATED"].map(|kind| (kind, account)));
    }
    for (target, one) in [("/account_groups", &group), ("/accounts", &first), ("/accounts", &second)] {
        assert_eq!(get(client, &format!("{target}/{}", id(one))).await, *one);
    }
    assert_eq!(get(client, "/accounts").await["data"], json!([first, second]));
    assert_eq!(get(client, &format!("/users/{}/account_groups", id(&user))).await["data"], json!([group]));
}

#[tokio::test]
async fn whatever_makes_a_user_active_opens_what_has_waited() {
    let app = TestApp::start().await;
    let client = app.client();
    for way in ["identifiers", "data_change_requests"] {
        let user = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
        let group = group(client, &user).await;
        let accounts = [account(client, &user, &group).await, account(client, &user, &group).await];
        for waiting in accounts.iter().chain([&group]) {
            assert_eq!(waiting["status"], "PENDING_APPROVAL");
        }
        let since = app.told(1).await.len();
        app.pass(1);
        let body = match way {
            "identifiers" => {
                json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" })
            }
            _ => json!({ "nationalities": ["DE"] }),
        };
        client.request("POST", &format!("/users/{}/{way}", id(&user))).json(&body).send().await;
        run_due(app.app()).await.unwrap();
        let mut expected = vec![
            ("USER.ACTIVATED", "ACTIVE"),
            ("ACCOUNT_GROUP.ACTIVATED", "ACTIVE"),
            ("ACCOUNT.ACTIVATED", "ACTIVE"),
            ("ACCOUNT.ACTIVATED", "ACTIVE"),
        ];
        if way == "data_change_requests" {
            expected.insert(0, ("USER.DATA_CHANGED", "INACTIVE"));
        }
        assert_eq!(told(&app, since).await, pairs(&expected));
        let after = get(client, &format!("/users/{}/accounts", id(&user))).await;
        for (before, after) in accounts.iter().zip(after["data"].as_array().unwrap()) {
            assert_eq!((&after["id"], &after["status"]), (&before["id"], &json!("ACTIVE")));
            assert_ne!(after["updated_at"], before["updated_at"]);
        }
    }
}

#[tokio::test]
async fn a_group_waits_for_its_accounts_and_a_user_for_all_of_theirs() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let (group, other) = {
        let mut legal = group_body(&user);
        legal["type"] = json!("LEGAL_ENTITY");
        (group(client, &user).await, open(client, "/account_groups", &legal).await.ok())
    };
    let (one, two) = (account(client, &user, &group).await, account(client, &user, &group).await);
    let since = app.told(1).await.len();
    let close = async |what: &str, resource: &Value, expected: &[(&str, &str)]| {
        let since = app.told(1).await.len();
        let answer = delete(client, &format!("/{what}/{}", id(resource))).await;
        assert_eq!((answer.status, answer.text()), (202, ""));
        run_due(app.app()).await.unwrap();
        assert_eq!(told(&app, since).await, pairs(expected), "{what}");
        if what != "users" {
            delete(client, &format!("/{what}/{}", id(resource))).await.refused("conflict");
        }
    };
    close("users", &user, &[("USER.OFFBOARDING_INITIATED", "OFFBOARDING")]).await;
    close("account_groups", &group, &[("ACCOUNT_GROUP.CLOSING_INITIATED", "CLOSING")]).await;
    let closed = [("ACCOUNT.CLOSING_INITIATED", "CLOSING"), ("ACCOUNT.CLOSED", "CLOSED")];
    close("accounts", &one, &closed).await;
    let last = [closed[0], closed[1], ("ACCOUNT_GROUP.CLOSED", "CLOSED")];
    close("accounts", &two, &last).await;
    let end = [
        ("ACCOUNT_GROUP.CLOSING_INITIATED", "CLOSING"),
        ("ACCOUNT_GROUP.CLOSED", "CLOSED"),
        ("USER.OFFBOARDED", "OFFBOARDED"),
    ];
    close("account_groups", &other, &end).await;
    assert_eq!(app.told(1).await.len(), since + 10);
    assert_eq!(app.number("SELECT count(*) FROM jobs"), 0);
    let accounts = get(client, &format!("/users/{}/accounts", id(&user))).await;
    assert_eq!(accounts["meta"]["total_count"], 2, "closed ones among them");
}

#[tokio::test]
async fn a_user_who_leaves_with_nothing_open_waits_for_what_the_tenant_names() {
    let mut app = TestApp::start().await;
    let leave = async |app: &TestApp| {
        let user = app.client().created(&bodies::karl()).await;
        delete(app.client(), &format!("/users/{}", id(&user))).await;
        user
    };
    let status = async |app: &mut TestApp, user: &Value, seconds: i64| {
        app.pass(seconds);
        run_due(app.app()).await.unwrap();
        app.client_mut().renew().await;
        get(app.client(), &format!("/users/{}", id(user))).await["status"].clone()
    };
    app.set("offboarding_delay_seconds", 3600).await;
    let user = leave(&app).await;
    // A change of the data is still possible, and done at once.
    let target = format!("/users/{}/data_change_requests", id(&user));
    app.client().request("POST", &target).json(&json!({ "last_name": "Moved" })).send().await;
    assert_eq!(status(&mut app, &user, 3590).await, "OFFBOARDING");
    assert_eq!(get(app.client(), &format!("/users/{}", id(&user))).await["last_name"], "Moved");
    assert_eq!(status(&mut app, &user, 11).await, "OFFBOARDED");

    app.set("offboarding_waits_for", json!(["year_end"])).await;
    let user = leave(&app).await;
    let year_end: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let left = year_end.as_second() - app.clock.now().as_second();
    assert_eq!(status(&mut app, &user, left - 1).await, "OFFBOARDING");
    assert_eq!(status(&mut app, &user, 1).await, "OFFBOARDED");
}

#[tokio::test]
async fn a_group_or_account_is_created_once() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let group = group(client, &user).await;
    for (target, body, other) in [
        (
            "/account_groups",
            json!({ "user_id": user["id"], "type": "ISA" }),
            json!({ "user_id": user["id"], "type": "FRENCH_PEA" }),
        ),
        (
            "/accounts",
            account_body(&user, &group),
            json!({ "user_id": user["id"], "account_group_id": group["id"], "type": "PORTFOLIO" }),
        ),
    ] {
        let key = once_key();
        let send =
            async |body: &Value| client.post(target).header("idempotency-key", &key).json(body).send().await;
        let first = send(&body).await;
        let rows = app.number("SELECT count(*) FROM events");
        assert_eq!(first.ok(), send(&body).await.ok());
        send(&other).await.refused("unprocessable_entity");
        client.request("POST", target).json(&body).send().await.refused("missing_idempotency_key");
        assert_eq!(app.number("SELECT count(*) FROM events"), rows);
    }
    let sent = client.post("/accounts").json(&account_body(&user, &group)).sign();
    sent.send().await.ok();
    sent.send().await.refused("unauthorised");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name_and_leaves_nothing() {
    let app = TestApp::start().await;
    let client = app.client();
    let (user, other) = (client.created(&bodies::karl()).await, client.created(&bodies::karl()).await);
    let mut own_number = group_body(&user);
    own_number["securities_account_number"] = json!("1234567");
    let group = open(client, "/account_groups", &own_number).await.ok();
    assert_eq!(group["securities_account_number"], "1234567");
    let before = app.number("SELECT count(*) FROM events");
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    for (target, body, field) in [
        ("/account_groups", json!({}), "user_id"),
        ("/account_groups", with(group_body(&other), "type", json!("CHILD")), "type"),
        ("/account_groups", with(group_body(&other), "user_id", json!("abc")), "user_id"),
        ("/account_groups", with(group_body(&other), "surprise", json!(1)), "surprise"),
        (
            "/account_groups",
            with(group_body(&other), "securities_account_number", json!("123456")),
            "securities_account_number",
        ),
        (
            "/account_groups",
            with(group_body(&other), "securities_account_number", json!("1234567")),
            "securities_account_number",
        ),
        ("/accounts", json!([]), "(root)"),
        ("/accounts", with(account_body(&user, &group), "account_group_id", json!(7)), "account_group_id"),
        ("/accounts", with(account_body(&user, &group), "type", json!("SAVINGS")), "type"),
        ("/accounts", with(account_body(&user, &group), "name", json!("x".repeat(101))), "name"),
        ("/accounts", account_body(&other, &group), "account_group_id"),
    ] {
        let answer = open(client, target, &body).await;
        assert_eq!(
            answer.faults(),
            if body == json!({}) { vec!["user_id", "type"] } else { vec![field] },
            "{body}"
        );
    }
    for (target, body) in [
        ("/account_groups", with(group_body(&user), "user_id", json!(UNKNOWN))),
        ("/accounts", with(account_body(&user, &group), "user_id", json!(UNKNOWN))),
        ("/accounts", with(account_body(&user, &group), "account_group_id", json!(UNKNOWN))),
    ] {
        open(client, target, &body).await.refused("not_found");
    }
    for query in ["closure_reason=boredom", "notification_only=perhaps"] {
        let answer = delete(client, &format!("/account_groups/{}?{query}", id(&group))).await;
        assert_eq!(answer.faults(), [query.split('=').next().unwrap()]);
    }
    let only_told = delete(client, &format!("/account_groups/{}?notification_only=true", id(&group))).await;
    assert_eq!((only_told.status, app.number("SELECT count(*) FROM events")), (202, before));
    assert_eq!(app.number("SELECT count(*) FROM accounts"), 0);
    assert_eq!(app.number("SELECT count(*) FROM account_groups"), 1);
    // A user can have several of one type.
    open(client, "/account_groups", &group_body(&user)).await.ok();
    delete(client, &format!("/account_groups/{}?closure_reason=user_initiated", id(&group))).await;
    open(client, "/accounts", &account_body(&user, &group)).await.refused("forbidden");
    run_due(app.app()).await.unwrap();
    open(client, "/accounts", &account_body(&user, &group)).await.refused("forbidden");
    open(client, "/account_groups", &group_body(&user)).await.ok();
}

#[tokio::test]
async fn nothing_new_is_begun_with_a_user_who_leaves() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let group = group(client, &user).await;
    delete(client, &format!("/users/{}", id(&user))).await;
    let mut legal = group_body(&user);
    legal["type"] = json!("LEGAL_ENTITY");
    for _ in 0..2 {
        open(client, "/account_groups", &legal).await.refused("forbidden");
        open(client, "/accounts", &account_body(&user, &group)).await.refused("forbidden");
        delete(client, &format!("/account_groups/{}", id(&group))).await;
        run_due(app.app()).await.unwrap();
    }
    assert_eq!(get(client, &format!("/users/{}", id(&user))).await["status"], "OFFBOARDED");
}

#[tokio::test]
async fn an_account_gets_another_name() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let group = group(client, &user).await;
    let before = account(client, &user, &group).await;
    let target = format!("/accounts/{}", id(&before));
    let rename = async |body: Value| client.request("PATCH", &target).json(&body).send().await;
    let since = app.told(1).await.len();
    for same in [json!({}), json!({ "name": "Main account" })] {
        assert_eq!(rename(same).await.ok(), before);
    }
    app.pass(1);
    let after = rename(json!({ "name": "Für Änne 🙂" })).await.ok();
    let mut expected = before.clone();
    (expected["name"], expected["updated_at"]) = (json!("Für Änne 🙂"), after["updated_at"].clone());
    assert_eq!((&after, &get(client, &target).await), (&expected, &expected));
    assert_ne!(after["updated_at"], before["updated_at"]);
    assert_eq!(told(&app, since).await, pairs(&[("ACCOUNT.UPDATED", "ACTIVE")]));
    for (body, field) in [
        (json!({ "name": null }), "name"),
        (json!({ "name": "x".repeat(101) }), "name"),
        (json!({ "type": "TRADING" }), "type"),
    ] {
        assert_eq!(rename(body).await.faults(), [field]);
    }
    delete(client, &target).await;
    run_due(app.app()).await.unwrap();
    rename(json!({ "name": "Again" })).await.refused("forbidden");
    client
        .request("PATCH", &format!("/accounts/{UNKNOWN}"))
        .json(&json!({}))
        .send()
        .await
        .refused("not_found");
}

#[tokio::test]
async fn lists_have_pages_in_either_order() {
    let app = TestApp::start().await;
    let client = app.client();
    let (user, other) = (client.created(&bodies::karl()).await, client.created(&bodies::karl()).await);
    let group = [group(client, &user).await, group(client, &other).await];
    let mut all = Vec::new();
    for round in 0..7 {
        let (user, group) = if round % 3 == 0 { (&other, &group[1]) } else { (&user, &group[0]) };
        all.push(account(client, user, group).await);
    }
    // The second is the last to change.
    let target = format!("/accounts/{}", id(&all[1]));
    let renamed = client.request("PATCH", &target).json(&json!({ "name": "Last" })).send().await.ok();
    all[1] = renamed;
    let own: Vec<Value> = all.iter().filter(|one| one["users"] == of(&user)).cloned().collect();
    for (target, mut expected) in
        [("/accounts".to_owned(), all.clone()), (format!("/users/{}/accounts", id(&user)), own)]
    {
        for sort in ["created_at", "updated_at"] {
            expected.sort_by_key(|one| one[sort].as_str().unwrap().parse::<Timestamp>().unwrap());
            for order in ["ASC", "DESC"] {
                let mut found = Vec::new();
                for offset in (0..10).step_by(2) {
                    let page =
                        get(client, &format!("{target}?sort={sort}&order={order}&offset={offset}&limit=2"))
                            .await;
                    let items = page["data"].as_array().unwrap().clone();
                    let meta = json!({
                        "offset": offset, "limit": 2, "count": items.len(), "total_count": expected.len(),
                        "sort": sort, "order": order,
                    });
                    assert_eq!(page["meta"], meta);
                    found.extend(items);
                }
                if order == "DESC" {
                    found.reverse();
                }
                assert_eq!(found, expected, "{target} {sort} {order}");
            }
        }
        assert_eq!(get(client, &format!("{target}?limit=0")).await["data"], json!([]));
        assert_eq!(client.get(&format!("{target}?limit=1001")).send().await.faults(), ["limit"]);
    }
    assert_eq!(get(client, "/account_groups").await["data"], json!(group));
    let numbers: HashSet<&Value> = group.iter().map(|group| &group["securities_account_number"]).collect();
    assert_eq!(numbers.len(), 2);
}

#[tokio::test]
async fn who_may_and_for_whom() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let foreign = app.new_client("other", "accounts:admin users:admin").await;
    let reader = app.new_client("main", "accounts:read").await;
    let without = app.new_client("main", "users:admin").await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let group = group(client, &user).await;
    let account = account(client, &user, &group).await;
    let targets = [
        format!("/account_groups/{}", id(&group)),
        format!("/accounts/{}", id(&account)),
        format!("/users/{}/accounts", id(&user)),
        format!("/users/{}/account_groups", id(&user)),
    ];
    for target in &targets {
        get(&reader, target).await;
        without.get(target).send().await.refused("forbidden");
        foreign.get(target).send().await.refused("not_found");
    }
    for target in &targets[..2] {
        delete(&foreign, target).await.refused("not_found");
        delete(&reader, target).await.refused("forbidden");
    }
    open(&foreign, "/account_groups", &group_body(&user)).await.refused("not_found");
    let theirs = foreign.created(&bodies::karl()).await;
    open(&foreign, "/accounts", &account_body(&theirs, &group)).await.refused("not_found");
    open(&reader, "/accounts", &account_body(&user, &group)).await.refused("forbidden");
    foreign.request("PATCH", &targets[1]).json(&json!({ "name": "Mine" })).send().await.refused("not_found");
    for list in ["/account_groups", "/accounts"] {
        assert_eq!(get(&foreign, list).await["meta"]["total_count"], 0);
    }
    // A number is taken in its own tenant alone.
    let mut same = group_body(&theirs);
    same["securities_account_number"] = group["securities_account_number"].clone();
    open(&foreign, "/account_groups", &same).await.ok();
    for target in ["/accounts/abc", "/account_groups/abc", "/users/abc/accounts"] {
        client.get(target).send().await.refused("not_found");
    }
}
