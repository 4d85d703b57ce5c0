//! Leaving: a process that cannot be turned back, told step by step.

use investord::worker::jobs::run_due;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

async fn offboard(client: &Client, user: &Value) -> Answer {
    client.request("DELETE", &format!("/users/{}", id(user))).send().await
}

async fn read(client: &Client, user: &Value) -> Value {
    client.get(&format!("/users/{}", id(user))).send().await.ok()
}

#[tokio::test]
async fn a_user_leaves_step_by_step_and_stays_readable() {
    for app in [TestApp::start().await, TestApp::tol().await] {
        let client = app.client();
        for nationality in ["DE", "PL"] {
            let mut body = bodies::peter();
            body["nationalities"] = json!([nationality]);
            let user = client.created(&body).await;
            let before = app.told(1).await.len();
            app.pass(1);
            let answer = offboard(client, &user).await;
            assert_eq!((answer.status, answer.text()), (202, ""));
            run_due(app.app()).await.unwrap();
            let after = read(client, &user).await;
            assert_eq!(after["status"], "OFFBOARDED");
            let told = app.told(1).await;
            let kinds: Vec<_> = told[before..].iter().map(|told| told.kind.as_str()).collect();
            assert_eq!(kinds, ["USER.OFFBOARDING_INITIATED", "USER.OFFBOARDED"]);
            assert_eq!(told[before].object["status"], "OFFBOARDING");
            assert_eq!(told[before + 1].object, after, "the user as it then is");
            // Again is no change, however often.
            for _ in 0..3 {
                assert_eq!(offboard(client, &user).await.status, 202);
            }
            run_due(app.app()).await.unwrap();
            assert_eq!(read(client, &user).await, after);
            assert_eq!(app.told(1).await.len(), before + 2);
            assert_eq!(
                client.get("/users").send().await.ok()["data"].as_array().unwrap().last(),
                Some(&after)
            );
        }
    }
}

#[tokio::test]
async fn what_was_asked_for_before_is_done_first() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
    let target = format!("/users/{}/data_change_requests", id(&user));
    client.request("POST", &target).json(&json!({ "last_name": "Before" })).send().await;
    offboard(client, &user).await;
    run_due(app.app()).await.unwrap();
    let after = read(client, &user).await;
    assert_eq!((&after["last_name"], &after["status"]), (&json!("Before"), &json!("OFFBOARDED")));
    client.request("POST", &target).json(&json!({ "last_name": "After" })).send().await.refused("forbidden");
}

#[tokio::test]
async fn a_change_that_waits_for_a_review_holds_up_the_offboarding() {
    let app = TestApp::tol().await;
    app.set("review_policy", "review").await;
    let user = app.client().created(&bodies::everything()).await;
    let target = format!("/users/{}/data_change_requests", id(&user));
    let body: Value =
        serde_json::from_str(include_str!("../../../../api/examples/change-name.json")).unwrap();
    assert_eq!(app.client().request("POST", &target).json(&body).send().await.status, 202);
    offboard(app.client(), &user).await;
    run_due(app.app()).await.unwrap();
    assert_eq!(read(app.client(), &user).await["status"], "OFFBOARDING");
}

#[tokio::test]
async fn only_the_tenants_own_users_are_offboarded() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let foreign = app.new_client("other", "users:admin").await;
    let reader = app.new_client("main", "users:read").await;
    let user = app.client().created(&bodies::karl()).await;
    offboard(&foreign, &user).await.refused("not_found");
    offboard(&reader, &user).await.refused("forbidden");
    app.client().request("DELETE", "/users/abc").send().await.refused("not_found");
    let sent = app.client().request("DELETE", &format!("/users/{}", id(&user))).sign();
    assert_eq!(read(app.client(), &user).await, user);
    assert_eq!(sent.send().await.status, 202);
    sent.send().await.refused("unauthorised");
    run_due(app.app()).await.unwrap();
}
