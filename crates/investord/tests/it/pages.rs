//! Lists in parts: each item once, whatever happens meanwhile, and at the same cost anywhere.

use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;

use crate::operators::officer;

const WAYS: [&str; 4] =
    ["sort=created_at", "sort=created_at&order=DESC", "sort=updated_at", "sort=updated_at&order=DESC"];

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

fn ids(answer: &Value) -> Vec<String> {
    answer["data"].as_array().unwrap().iter().map(|one| id(one).to_owned()).collect()
}

/// Reads a list from its beginning to its end by cursors, so many at once.
async fn by_cursor(client: &Client, target: &str, limit: usize) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), "*".to_owned());
    loop {
        let answer = client.get(&format!("{target}&limit={limit}&cursor={cursor}")).send().await.ok();
        let found = ids(&answer);
        assert_eq!((&answer["meta"]["count"], found.len() <= limit), (&json!(found.len()), true));
        all.extend(found);
        match answer["meta"]["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_cursor_leads_through_a_list_in_every_order() {
    let app = TestApp::start().await;
    let client = app.client();
    let mut users = Vec::new();
    for _ in 0..7 {
        users.push(client.created(&bodies::karl()).await);
    }
    // The second is the last that has changed.
    let group = json!({ "user_id": id(&users[1]), "type": "PERSONAL" });
    client.post("/account_groups").json(&group).send().await;
    for way in WAYS {
        let target = format!("/users?{way}");
        let expected = ids(&client.get(&target).send().await.ok());
        assert_eq!(expected.len(), 7);
        for limit in [1, 3, 7, 100] {
            assert_eq!(by_cursor(client, &target, limit).await, expected, "{way}, {limit} at once");
        }
    }
}

/// Large answers of many readers at once are what a server runs out of memory by.
#[tokio::test]
async fn a_list_of_large_events_comes_in_parts() {
    let app = TestApp::start().await;
    let client = app.client();
    let mut large = bodies::karl();
    for member in ["address", "postal_address"] {
        large[member]["more"] = json!("x".repeat(4000));
    }
    for _ in 0..300 {
        client.created(&large).await;
    }
    let (mut positions, mut parts, mut after) = (Vec::new(), 0, json!(0));
    loop {
        let answer = client.get(&format!("/investord/events?after={after}&limit=1000")).send().await;
        let length = answer.body.len();
        let answer = answer.ok();
        let events = answer["data"].as_array().unwrap();
        assert!(length <= (4 << 20) + 100, "{length} bytes");
        positions.extend(events.iter().map(|event| event["position"].as_i64().unwrap()));
        parts += 1;
        after = answer["next"].clone();
        assert_eq!(after, *positions.last().unwrap());
        if answer["more"] == false {
            break;
        }
    }
    assert!(positions.into_iter().eq(1..=600) && parts == 2, "{parts} parts");
}

#[tokio::test]
async fn who_is_added_meanwhile_moves_no_others() {
    let app = TestApp::start().await;
    let client = app.client();
    for _ in 0..4 {
        client.created(&bodies::karl()).await;
    }
    for way in ["order=DESC", "sort=updated_at&order=DESC"] {
        let before = ids(&client.get(&format!("/users?{way}")).send().await.ok());
        let first = client.get(&format!("/users?{way}&cursor=*&limit=2")).send().await.ok();
        client.created(&bodies::karl()).await;
        let cursor = first["meta"]["next_cursor"].as_str().unwrap();
        let second = client.get(&format!("/users?{way}&cursor={cursor}")).send().await.ok();
        assert_eq!([ids(&first), ids(&second)].concat(), before, "{way}");
    }
}

#[tokio::test]
async fn a_cursor_is_that_of_an_answer_and_stands_alone() {
    let app = TestApp::start().await;
    let client = app.client();
    client.created(&bodies::karl()).await;
    for query in [
        "cursor=x", "cursor=1", "cursor=1.0", "cursor=1.1&offset=1", "cursor=*&offset=1",
        "cursor=1.1&cursor=1.1",
    ] {
        let answer = client.get(&format!("/users?{query}")).send().await;
        assert_eq!(answer.faults(), ["cursor"], "{query}");
    }
    // Behind the last there is nothing, and no end of the numbers is in the way.
    for way in WAYS {
        for cursor in [format!("{}.{}", i64::MAX, i64::MAX - 1), format!("{}.1", i64::MIN)] {
            client.get(&format!("/users?{way}&cursor={cursor}&limit=1000")).send().await.ok();
        }
    }
}

#[tokio::test]
async fn checks_and_data_changes_are_listed_in_parts() {
    let app = TestApp::tol().await;
    let client = app.client();
    let user = client.created(&bodies::everything()).await;
    let kyc: Value =
        serde_json::from_str(include_str!("../../../../api/examples/create-check-kyc.json")).unwrap();
    let por: Value =
        serde_json::from_str(include_str!("../../../../api/examples/create-check-por.json")).unwrap();
    let checks = format!("/users/{}/checks", id(&user));
    for body in [&kyc, &por, &kyc, &por, &kyc] {
        assert_eq!(client.request("POST", &checks).json(body).send().await.status, 202);
    }
    let list = async |query: &str| client.get(&format!("{checks}?{query}")).send().await.ok();
    let all = list("").await;
    let (total, meta) = (ids(&all).len(), &all["meta"]);
    assert_eq!((&meta["offset"], &meta["limit"]), (&json!(0), &json!(1000)));
    assert_eq!((&meta["count"], &meta["total_count"]), (&json!(total), &json!(total)));
    let part = list("offset=1&limit=2").await;
    assert_eq!((ids(&part), &part["meta"]["total_count"]), (ids(&all)[1..3].to_vec(), &json!(total)));
    let all_kyc = ids(&list("type=KYC").await);
    assert_eq!(all_kyc.len(), 3);
    let part = list("type=KYC&offset=1&limit=1").await;
    assert_eq!((ids(&part), &part["meta"]["total_count"]), (all_kyc[1..2].to_vec(), &json!(3)));
    let latest = list("list_history=false&type=KYC").await;
    assert_eq!((ids(&latest), &latest["meta"]["total_count"]), (all_kyc[2..].to_vec(), &json!(1)));

    let changes = format!("/investord/users/{}/data_change_requests", id(&user));
    let email: Value =
        serde_json::from_str(include_str!("../../../../api/examples/change-email.json")).unwrap();
    for _ in 0..3 {
        let target = format!("/users/{}/data_change_requests", id(&user));
        assert_eq!(client.request("POST", &target).json(&email).send().await.status, 202);
    }
    let all = client.get(&changes).send().await.ok();
    let part = client.get(&format!("{changes}?offset=2&limit=5")).send().await.ok();
    assert_eq!((ids(&part), &part["meta"]["total_count"]), (ids(&all)[2..].to_vec(), &json!(3)));
}

#[tokio::test]
async fn a_history_is_read_in_parts_that_say_what_the_whole_says() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::karl()).await;
    let anna = officer(&app, "anna", "compliance support", None).await;
    let history = format!("/tenants/main/users/{}/history", id(&user));
    for action in ["deactivate", "reactivate", "deactivate"] {
        let target = format!("/tenants/main/users/{}/actions", id(&user));
        anna.post(&target, json!({ "action": action, "reason": "because" })).await.ok();
    }
    let whole = anna.get(&history).await.ok();
    assert!(whole["data"].as_array().unwrap().len() > 6 && whole["next"].is_null(), "{whole}");
    let (mut parts, mut after) = (Vec::new(), 0);
    loop {
        let query = if after == 0 { "?limit=2".to_owned() } else { format!("?limit=2&after={after}") };
        let mut part = anna.get(&format!("{history}{query}")).await.ok();
        parts.append(part["data"].as_array_mut().unwrap());
        match part["next"].as_i64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(
        json!(parts),
        whole["data"],
        "what an event has changed does not depend on where a part begins"
    );
    assert_eq!(anna.get(&format!("{history}?after=x")).await.faults(), ["after"]);
}
