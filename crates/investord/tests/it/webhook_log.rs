//! What is kept of deliveries, for how long, and what becomes of the rest.

use serde_json::json;
use testing::app::TestApp;
use testing::bodies;
use testing::hashes::{hashes, hex};
use testing::receiver::{Act, Receiver};

use crate::webhooks::{NEW, app, deliver, enabled, kinds, pass};

/// Creates a user, and delivers the event to the receiver, which answers so.
async fn tell(app: &TestApp, receiver: &Receiver, answer: Act) {
    app.client().created(&bodies::karl()).await;
    pass(app);
    receiver.does([answer]);
    assert_eq!(deliver(app).await, 1);
}

/// Whatever becomes of the log, nothing that is open goes.
#[tokio::test]
async fn what_was_sent_is_kept_for_a_while() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let client = app.client();
    enabled(client, &receiver, json!({})).await;
    tell(&app, &receiver, Act::Status(200)).await;
    tell(&app, &receiver, Act::Status(500)).await;
    let counts = || {
        ["webhook_packages", "webhook_attempts"]
            .map(|table| app.number(&format!("SELECT count(*) FROM {table}")))
    };
    assert_eq!(counts(), [2, 2]);
    app.pass(30 * 86_400 - 5);
    investord::worker::retention::delete_expired(app.app()).await.unwrap();
    assert_eq!(counts(), [2, 2]);
    app.pass(6);
    investord::worker::retention::delete_expired(app.app()).await.unwrap();
    assert_eq!(counts(), [1, 0]);
    receiver.seen();
    deliver(&app).await;
    assert_eq!(kinds(&receiver.seen()), [NEW]);
}

/// The sweep deletes the oldest settled packages of a webhook, and never an open one.
#[tokio::test]
async fn of_each_webhook_so_many_packages_are_kept() {
    let receiver = Receiver::start().await;
    let app = TestApp::with(|options| {
        options.config.webhooks.allow_insecure_targets = true;
        options.config.webhooks.log_packages = 2;
        // Its own worker would deliver before the test does, if the machine is busy.
        options.worker = false;
    })
    .await;
    enabled(app.client(), &receiver, json!({})).await;
    for status in [200, 200, 200, 500] {
        tell(&app, &receiver, Act::Status(status)).await;
    }
    investord::worker::retention::delete_expired(app.app()).await.unwrap();
    for (table, column) in [("webhook_packages", "number"), ("webhook_attempts", "package")] {
        let numbers = |what: &str| app.number(&format!("SELECT {what}({column}) FROM {table}"));
        assert_eq!((numbers("min"), numbers("count"), numbers("max")), (2, 3, 4), "{table}");
    }
}

/// A stop waits for the answer that is on its way, and hands back what was not sent.
#[tokio::test]
async fn a_stop_finishes_what_is_on_its_way() {
    let receiver = Receiver::start().await;
    let mut app = TestApp::with(|options| options.config.webhooks.allow_insecure_targets = true).await;
    let client = app.client().clone();
    enabled(&client, &receiver, json!({ "config": { "max_package_size": 100 } })).await;
    receiver.does([Act::Hold]);
    client.created(&bodies::karl()).await;
    receiver.until(1).await;
    // The stop has begun by then, or begins while the answer is on its way: either is finished.
    let release = async { receiver.release.notify_one() };
    tokio::join!(app.restart_with(|_| {}), release);
    assert_eq!(app.number("SELECT count(*) FROM webhook_packages WHERE attempts > 1"), 0);
    receiver.until(2).await;
    let requests = receiver.seen();
    assert_eq!(kinds(&requests), [["USER.CREATED"], ["USER.ACTIVATED"]], "each once");
}

/// The next packages are claimed while others are sent, and the results of all are recorded when one fails.
#[tokio::test]
async fn the_next_packages_are_claimed_while_others_are_sent() {
    let (app, receiver) = (app().await, Receiver::start().await);
    enabled(app.client(), &receiver, json!({ "config": { "max_package_size": 100 } })).await;
    for _ in 0..25 {
        app.client().created(&bodies::karl()).await;
    }
    pass(&app);
    receiver.does([vec![Act::Hold], vec![Act::Status(200); 39], vec![Act::Status(500)]].concat());
    let number = |what: &str| app.number(&format!("SELECT {what} FROM webhooks"));
    let while_held = async {
        receiver.until(1).await;
        while number("packages") < 32 {
            tokio::task::yield_now().await;
        }
        assert_eq!(number("settled"), 0);
        receiver.release.notify_one();
    };
    assert_eq!(tokio::join!(deliver(&app), while_held).0, 41);
    assert_eq!((number("settled"), number("failures")), (40, 1));
    assert_eq!(app.number("SELECT count(*) FROM webhook_packages WHERE state = 'delivered'"), 40);
    assert_eq!(app.number("SELECT count(*) FROM webhook_attempts WHERE outcome = 'delivered'"), 40);
    app.pass(10);
    assert_eq!(deliver(&app).await, 10);
    assert_eq!(receiver.seen().len(), 51, "nothing is sent twice but what has failed");
}

/// A receiver may repeat what it was sent: that is personal, too.
#[tokio::test]
async fn nothing_personal_is_kept_of_what_was_sent_and_answered() {
    let (app, receiver) = (app().await, Receiver::start().await);
    enabled(app.client(), &receiver, json!({})).await;
    receiver.does([Act::Echo]);
    app.client().created(&bodies::karl()).await;
    pass(&app);
    assert_eq!(deliver(&app).await, 1);
    assert_eq!(app.number("SELECT count(*) FROM webhook_attempts WHERE answer IS NOT NULL"), 1);
    // Not even hashed: whoever has a hash without a key can try values until one fits.
    let body = receiver.seen().remove(0).body;
    let known = ["Rosenweg", "Schmidt", "1972-09-30"].map(str::as_bytes);
    let hashed = [&known[..], &[&body]].concat().into_iter().flat_map(hashes);
    let hashed: Vec<Vec<u8>> = hashed.flat_map(|(_, hash)| [hex(&hash).into_bytes(), hash]).collect();
    for bytes in app.register.everything() {
        for canary in known.into_iter().chain(hashed.iter().map(Vec::as_slice)) {
            let stands = bytes.windows(canary.len()).any(|window| window == canary);
            assert!(!stands, "{}", String::from_utf8_lossy(canary));
        }
    }
}

/// One that nobody can read must not hold up all that come after it.
#[tokio::test]
async fn an_event_that_is_damaged_is_left_out() {
    let (app, receiver) = (app().await, Receiver::start().await);
    enabled(app.client(), &receiver, json!({})).await;
    app.client().created(&bodies::karl()).await;
    let last = app.client().created(&bodies::karl()).await;
    let good = app.number("SELECT min(number) FROM events WHERE type = 'USER.CREATED'");
    let zero = if testing::postgres::is_chosen() { "'\\x00'" } else { "x'00'" };
    app.register.run(&format!("UPDATE events SET sealed = {zero} WHERE number = {good}"));
    pass(&app);
    deliver(&app).await;
    let requests = receiver.seen();
    // The next event has the same object, so that it is damaged as well.
    assert_eq!(kinds(&requests), [["USER.CREATED", "USER.ACTIVATED"]]);
    assert_eq!(requests[0].events()[1]["object"]["id"], last["id"]);
}

/// What nobody wants is looked at and forgotten, however much it is.
#[tokio::test]
async fn what_is_not_wanted_is_no_backlog() {
    let (app, receiver) = (app().await, Receiver::start().await);
    enabled(app.client(), &receiver, json!({ "type": ["ACCOUNT"] })).await;
    app.client().created(&bodies::karl()).await;
    let next = || app.number("SELECT next FROM webhook_event_ranges");
    let before = next();
    deliver(&app).await;
    assert_eq!(next(), before, "not noted each time");
    app.pass(11);
    deliver(&app).await;
    assert_eq!(next(), app.number("SELECT events + 1 FROM tenant_sequences"));
    assert!(receiver.seen().is_empty());
}
