//! Lock-out: attackers get few guesses at a password, and cannot lock its owner out.

use investord::worker::retention::delete_expired;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::http::Wire;

use crate::operators::{PASSWORD, officer};

/// Where operators sign in.
struct Door(Wire);

impl Door {
    async fn of(app: &TestApp) -> Self {
        officer(app, "anna", "viewer", None).await;
        officer(app, "berta", "viewer", None).await;
        Self::of_restarted(app)
    }

    fn of_restarted(app: &TestApp) -> Self {
        Self(Wire::to(app.app().config.operator_address().resolve().unwrap()))
    }

    fn request(body: &Value) -> String {
        let body = body.to_string();
        format!("POST /sessions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    async fn sign_in(&self, body: Value) -> Answer {
        self.0.exchange(Self::request(&body).as_bytes()).await
    }

    /// Sends a wrong password from an address; the status.
    async fn guess(&self, name: &str, from: [u8; 4]) -> u16 {
        let request = Self::request(&json!({ "name": name, "password": "wrong" }));
        self.0.raw_from(from, request.as_bytes()).await.unwrap().status
    }

    /// Sends wrong passwords until one is verified, waits as `retry-after` says, and returns these seconds.
    async fn waits(&self, app: &TestApp, name: &str) -> i64 {
        let answer = self.sign_in(json!({ "name": name, "password": "wrong" })).await;
        if answer.status == 401 {
            return 0;
        }
        answer.refused("too_many_requests");
        let seconds: i64 = answer.header("retry-after").unwrap().parse().unwrap();
        app.pass(seconds - 1);
        self.sign_in(json!({ "name": name, "password": "wrong" })).await.refused("too_many_requests");
        app.pass(1);
        self.sign_in(json!({ "name": name, "password": "wrong" })).await.refused("unauthorised");
        seconds
    }
}

fn right(name: &str) -> Value {
    json!({ "name": name, "password": PASSWORD })
}

#[tokio::test]
async fn each_wrong_password_makes_the_next_wait_longer() {
    let app = TestApp::start().await;
    let door = Door::of(&app).await;
    // An unknown name is delayed equally, so that an attacker cannot find out which names exist.
    for name in ["anna", "nobody"] {
        let mut waited = Vec::new();
        for _ in 0..8 {
            waited.push(door.waits(&app, name).await);
        }
        assert_eq!(waited, [0, 0, 0, 0, 0, 1, 2, 4], "{name}");
    }
    // The right password has to wait, too, and then ends the counting.
    door.sign_in(right("anna")).await.refused("too_many_requests");
    app.pass(8);
    door.sign_in(right("anna")).await.ok();
    assert_eq!(door.waits(&app, "anna").await, 0);
}

#[tokio::test]
async fn a_restart_forgets_no_failure() {
    let mut app = TestApp::start().await;
    let door = Door::of(&app).await;
    for _ in 0..5 {
        assert_eq!(door.waits(&app, "anna").await, 0);
    }
    app.restart().await;
    let door = Door::of_restarted(&app);
    door.sign_in(right("anna")).await.refused("too_many_requests");
    door.sign_in(right("berta")).await.ok();
}

#[tokio::test]
async fn guesses_from_elsewhere_do_not_lock_the_owner_out() {
    let app = TestApp::start().await;
    let door = Door::of(&app).await;
    let device = door.sign_in(right("anna")).await.ok()["device"].clone();
    let other = door.sign_in(right("berta")).await.ok()["device"].clone();
    for _ in 0..12 {
        door.waits(&app, "anna").await;
    }
    let from = |device: &Value| {
        let mut body = right("anna");
        body["device"] = device.clone();
        door.sign_in(body)
    };
    assert_eq!(from(&device).await.ok()["device"], device, "the same for the next time");
    // The token of another operator's device, or an invented one, is refused.
    for foreign in [&other, &json!("AAAA"), &json!("A".repeat(43)), &json!("?")] {
        from(foreign).await.refused("too_many_requests");
    }
    // A stolen device gets no more guesses than a stranger.
    for wrong in 0..6 {
        let answer = door.sign_in(json!({ "name": "anna", "password": "wrong", "device": device })).await;
        assert_eq!(answer.status, if wrong < 5 { 401 } else { 429 });
    }
}

/// An attacker who guesses as soon as it is allowed gets as many guesses in an hour as docs/operators.md says.
#[tokio::test]
async fn many_addresses_have_no_more_guesses_at_an_account_than_one() {
    let app = TestApp::start().await;
    let door = Door::of(&app).await;
    let mut guesses = 0;
    for second in 0..3600_u16 {
        let [high, low] = (second % 100 + 2).to_be_bytes();
        match door.guess("anna", [127, 1, high, low]).await {
            401 => guesses += 1,
            status => assert_eq!(status, 429),
        }
        app.pass(1);
    }
    assert_eq!(guesses, 17);
    door.sign_in(right("berta")).await.ok();
}

/// Names that are made up fill no table: what is forgotten goes.
#[tokio::test]
async fn what_is_forgotten_is_deleted() {
    let app = TestApp::start().await;
    let door = Door::of(&app).await;
    for name in ["nobody", "no one", "anna", "anna"] {
        door.guess(name, [127, 0, 0, 9]).await;
    }
    let rows = || app.number("SELECT count(*) FROM sign_in_failures");
    assert_eq!(rows(), 4, "three names and an address");
    for (hours, left) in [(1, 2), (1, 1), (2, 0)] {
        app.pass(3600 * hours);
        delete_expired(app.app()).await.unwrap();
        assert_eq!(rows(), left);
    }
}

#[tokio::test]
async fn an_address_that_tries_many_names_is_held_up() {
    let app = TestApp::start().await;
    let door = Door::of(&app).await;
    for name in 0..20 {
        assert_eq!(door.guess(&format!("name {name}"), [127, 0, 0, 9]).await, 401);
    }
    assert_eq!(door.guess("another", [127, 0, 0, 9]).await, 429);
    door.sign_in(right("anna")).await.ok();
}
