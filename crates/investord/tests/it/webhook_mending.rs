//! What operators see of webhooks, and how they mend what has gone wrong.

use http_message_signatures::SignatureEncoding;
use investord::clock::Clock as _;
use investord::worker::retention::delete_expired;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::receiver::{Act, Receiver};

use crate::operators::{Officer, officer};
use crate::webhooks::{NEW, app, deliver, enabled, id, keys, kinds, pass, verifies};

/// A server with a webhook, its receiver, and somebody who mends.
struct Place {
    app: TestApp,
    receiver: Receiver,
    anna: Officer,
    webhook: Value,
}

impl Place {
    async fn new() -> Self {
        let (app, receiver) = (app().await, Receiver::start().await);
        let anna = officer(&app, "anna", "compliance support", Some("main")).await;
        let webhook = enabled(app.client(), &receiver, json!({})).await;
        Self { app, receiver, anna, webhook }
    }

    /// Something happens, and is sent.
    async fn happens(&self) -> Value {
        let user = self.app.client().created(&bodies::karl()).await;
        pass(&self.app);
        deliver(&self.app).await;
        user
    }

    fn path(&self) -> String {
        format!("/tenants/main/webhooks/{}", id(&self.webhook))
    }

    async fn act(&self, action: &str, more: Value) -> Answer {
        let mut body = json!({ "action": action, "reason": "because" });
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        self.anna.post(&format!("{}/actions", self.path()), body).await
    }

    /// How the webhook fares.
    async fn fares(&self) -> Value {
        self.anna.get(&self.path()).await.ok()["delivery"].clone()
    }

    fn seen(&self) -> Vec<Vec<String>> {
        kinds(&self.receiver.seen())
    }
}

#[tokio::test]
async fn an_operator_sees_how_a_webhook_fares() {
    let place = Place::new().await;
    let fares = place.fares().await;
    assert_eq!((&fares["state"], &fares["last_success_at"]), (&json!("delivering"), &Value::Null));
    place.happens().await;
    let fares = place.fares().await;
    assert_eq!(fares["last_success_at"], json!(place.app.clock.now()));
    assert_eq!((&fares["packages"], &fares["backlog_events"]), (&json!(1), &json!(0)));
    place.receiver.does([Act::Status(503), Act::Status(503)]);
    let user = place.happens().await;
    place.app.client().created(&bodies::karl()).await;
    let fares = place.fares().await;
    assert_eq!((&fares["state"], &fares["failures_in_a_row"]), (&json!("failing"), &json!(1)));
    assert_eq!((&fares["open_packages"], &fares["backlog_events"]), (&json!(1), &json!(4)));
    assert_eq!(fares["oldest_event_at"], user["created_at"]);
    let next = place.app.clock.now() + jiff::SignedDuration::from_secs(1);
    assert_eq!(fares["next_attempt_at"], json!(next));
    let packages = place.anna.get(&format!("{}/packages", place.path())).await.ok();
    let [open, delivered] = &packages["data"].as_array().unwrap()[..] else { panic!("{packages}") };
    assert_eq!((&open["state"], &open["attempts"]), (&json!("open"), &json!(1)));
    assert_eq!((&delivered["state"], &delivered["events"]), (&json!("delivered"), &json!(2)));
    let before = place.anna.get(&format!("{}/packages?before=2", place.path())).await.ok();
    assert_eq!(before["data"], json!([delivered]));
    let package = place.anna.get(&format!("{}/packages/2", place.path())).await.ok();
    let attempt = &package["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["answer"]), (&json!(503), &json!("oops")));
    assert_eq!(attempt["outcome"], "status");
    assert_eq!(package["body"]["payload"][0]["object"]["id"], user["id"]);
    // Nobody else's.
    place.app.new_tenant("other", &[]).await;
    let bob = officer(&place.app, "bob", "compliance support", Some("other")).await;
    for path in ["", "/packages", "/packages/1", "/history"] {
        bob.get(&format!("{}{path}", place.path())).await.refused("not_found");
    }
    let theirs = place.path().replace("main", "other");
    bob.get(&theirs).await.refused("not_found");
    for path in ["/packages/3", "/packages/0", "/packages/x"] {
        place.anna.get(&format!("{}{path}", place.path())).await.refused("not_found");
    }
}

#[tokio::test]
async fn a_package_is_skipped_retried_and_sent_again() {
    let place = Place::new().await;
    place.act("skip", json!({})).await.refused("conflict");
    place.receiver.does([Act::Status(500), Act::Status(500), Act::HangUp]);
    place.happens().await;
    let first = place.receiver.seen().remove(0);
    place.app.client().created(&bodies::karl()).await;
    place.act("retry", json!({})).await.ok();
    deliver(&place.app).await;
    assert_eq!(place.receiver.seen()[0].body, first.body, "at once");
    assert_eq!(place.fares().await["failures_in_a_row"], 1);
    let told = place.act("skip", json!({})).await.ok();
    assert_eq!((&told["action"], &told["new"]["about"]), (&json!("skip_package"), &json!({ "package": 1 })));
    // What came after the poison is sent, and is hung up on; then it comes again.
    pass(&place.app);
    deliver(&place.app).await;
    pass(&place.app);
    deliver(&place.app).await;
    let requests = place.receiver.seen();
    assert_eq!(kinds(&requests), [NEW, NEW]);
    assert!(requests[0].body == requests[1].body && requests[0].body != first.body);
    let again = place.act("resend", json!({ "package": "1" })).await.ok();
    assert_eq!(again["new"]["about"], json!({ "package": 1, "as": 3 }));
    deliver(&place.app).await;
    assert_eq!(place.receiver.seen()[0].body, first.body, "the same to the byte");
    for package in ["4", "x", "0"] {
        let answer = place.act("resend", json!({ "package": package })).await;
        answer.refused(if package == "4" { "not_found" } else { "invalid_request" });
    }
    let history = place.anna.get(&format!("{}/history", place.path())).await.ok();
    let actions = history["data"].as_array().unwrap().iter().map(|event| &event["object"]["action"]);
    let expected = ["create_webhook", "retry_webhook", "skip_package", "resend_package"];
    assert!(actions.eq(expected.map(|action| json!(action)).iter()), "{history}");
}

#[tokio::test]
async fn nobody_has_so_much_sent_again_that_it_never_ends() {
    let place = Place::new().await;
    place.happens().await;
    for _ in 0..100 {
        place.act("resend", json!({ "package": "1" })).await.ok();
    }
    let refused = place.act("resend", json!({ "package": "1" })).await;
    assert!(refused.text().contains("100 packages"), "{}", refused.text());
    refused.refused("conflict");
    deliver(&place.app).await;
    place.act("resend", json!({ "package": "1" })).await.ok();
}

/// A package that is not what it was holds up those behind it until it is skipped, and none before it.
#[tokio::test]
async fn a_damaged_package_is_reached_and_skipped() {
    let place = Place::new().await;
    let size = json!({ "config": { "max_package_size": 100 } });
    let path = format!("/webhooks/{}", id(&place.webhook));
    place.app.client().request("PATCH", &path).json(&size).send().await.ok();
    place.receiver.does([Act::Status(500), Act::Status(500)]);
    place.happens().await;
    place.happens().await;
    place.receiver.seen();
    let other =
        if testing::postgres::is_chosen() { "decode(repeat('00', 32), 'hex')" } else { "zeroblob(32)" };
    place.app.register.run(&format!("UPDATE webhook_packages SET digest = {other} WHERE number = 2"));
    place.app.pass(10);
    deliver(&place.app).await;
    assert_eq!(place.seen(), [["USER.CREATED"]]);
    let told = place.act("skip", json!({})).await.ok();
    assert_eq!(told["new"]["about"], json!({ "package": 2 }));
    deliver(&place.app).await;
    assert_eq!(place.seen(), [["USER.CREATED"], ["USER.ACTIVATED"]]);
}

#[tokio::test]
async fn events_are_told_again_from_a_position_an_event_or_an_instant() {
    let place = Place::new().await;
    place.happens().await;
    let start = place.app.clock.now();
    place.happens().await;
    assert_eq!(place.seen(), [NEW, NEW]);
    let events = place.app.client().get("/investord/events").send().await.ok();
    let third = &events["data"][2];
    for from in [third["position"].to_string(), id(third).to_owned(), start.to_string()] {
        place.act("replay", json!({ "from": from })).await.ok();
        deliver(&place.app).await;
        assert_eq!(place.seen(), [NEW], "{from}");
    }
    place.act("replay", json!({ "from": "1" })).await.ok();
    deliver(&place.app).await;
    assert_eq!(place.seen(), [[NEW, NEW].concat()]);
    for (from, slug) in [
        ("9999", "conflict"),
        ("a3a780b6-a012-4fa8-905c-61a9d0c20844", "not_found"),
        ("2999-01-01T00:00:00Z", "conflict"),
        ("yesterday", "invalid_request"),
        ("0", "invalid_request"),
    ] {
        place.act("replay", json!({ "from": from })).await.refused(slug);
    }
    place.act("replay", json!({})).await.refused("invalid_request");
    place.act("pause", json!({ "from": "1" })).await.refused("invalid_request");
    place.act("dance", json!({})).await.refused("invalid_request");
}

#[tokio::test]
async fn a_paused_webhook_loses_nothing() {
    let place = Place::new().await;
    place.act("pause", json!({})).await.ok();
    place.happens().await;
    assert!(place.seen().is_empty());
    assert_eq!(place.fares().await["state"], "paused");
    place.act("resume", json!({})).await.ok();
    deliver(&place.app).await;
    assert_eq!(place.seen(), [NEW]);
    let viewer = officer(&place.app, "vera", "viewer", None).await;
    let body = json!({ "action": "pause", "reason": "because" });
    viewer.post(&format!("{}/actions", place.path()), body).await.refused("forbidden");
}

#[tokio::test]
async fn a_key_that_is_replaced_is_published_for_another_day() {
    let place = Place::new().await;
    let mut client = place.app.client().clone();
    let before = keys(&client).await;
    assert_eq!(before.len(), 1);
    place.happens().await;
    let old = place.receiver.seen().remove(0);
    let chief = officer(&place.app, "chief", "administrator compliance support", None).await;
    let reason = || json!({ "reason": "a year has passed" });
    place.anna.post("/tenants/main/signing_keys", reason()).await.refused("forbidden");
    chief.signed_in("chief").await.post("/tenants/main/signing_keys", reason()).await.ok();
    place.happens().await;
    let new = place.receiver.seen().remove(0);
    // Whoever has asked before finds the new key missing, asks again, and verifies both.
    let both = keys(&client).await;
    assert_eq!(both.len(), 2);
    assert_eq!(both[1].0, before[0].0);
    let draft6 = |request, keys| verifies(request, keys, false, SignatureEncoding::Der);
    assert!(draft6(&old, &both) && draft6(&new, &both) && draft6(&old, &before));
    assert!(!draft6(&new, &before));
    place.app.pass(86_400 - 10);
    delete_expired(place.app.app()).await.unwrap();
    // Its token has expired.
    client.renew().await;
    assert_eq!(keys(&client).await.len(), 2);
    place.app.pass(20);
    let after = keys(&client).await;
    assert_eq!(after.iter().map(|(id, _)| id).collect::<Vec<_>>(), [&both[0].0]);
    delete_expired(place.app.app()).await.unwrap();
    assert_eq!(place.app.number("SELECT count(*) FROM signing_keys"), 1);
    // An administrator cannot make the list of keys grow without an end.
    let signed_in = chief.signed_in("chief").await;
    let replace = || signed_in.post("/tenants/main/signing_keys", reason());
    for _ in 1..10 {
        replace().await.ok();
    }
    replace().await.refused("conflict");
    assert_eq!(keys(&client).await.len(), 10);
    place.app.pass(86_400);
    chief.signed_in("chief").await.post("/tenants/main/signing_keys", reason()).await.ok();
}
