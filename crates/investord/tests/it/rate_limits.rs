//! Rate limits: quotas of clients, and failed checks of addresses.

use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::signing::Request;

fn retry_after(answer: &Answer) -> i64 {
    answer.refused("too_many_requests");
    let seconds = answer.header("retry-after").expect("the header `retry-after`").parse().unwrap();
    assert!(seconds >= 1);
    seconds
}

#[tokio::test]
async fn a_client_that_asks_too_much_waits_as_long_as_it_is_told() {
    let app = TestApp::start().await;
    let other = app.new_client("main", "users:read").await;
    let mut app = app;
    app.restart_with(|config| (config.rate_limit_per_second, config.rate_limit_burst) = (2, 5)).await;
    for _ in 0..5 {
        app.client().get("/users").send().await.ok();
    }
    let wait = retry_after(&app.client().get("/users").send().await);
    retry_after(&app.client().create(&bodies::smallest()).send().await);
    other.get("/users").send().await.ok();
    assert_eq!(app.rows().users, 0);
    app.pass(wait);
    app.client().create(&bodies::smallest()).send().await.ok();
    app.pass(60);
    for _ in 0..5 {
        app.client().get("/users").send().await.ok();
    }
    retry_after(&app.client().get("/users").send().await);
}

#[tokio::test]
async fn who_fails_too_often_is_held_back_but_spends_no_quota_of_the_client() {
    let mut app = TestApp::start().await;
    app.restart_with(|config| {
        config.failed_checks_per_second = 3;
        (config.rate_limit_per_second, config.rate_limit_burst) = (1, 5);
    })
    .await;
    let stranger = [127, 0, 0, 2];
    let bad = || app.client().get("/users").spoilt(|base| base + "x").sign();
    let mut slugs = Vec::new();
    let mut last = None;
    for _ in 0..10 {
        let answer = bad().send_from(stranger).await;
        slugs.push(answer.slug());
        last = Some(answer);
    }
    assert_eq!(&slugs[..3], ["unauthorised"; 3]);
    assert_eq!(slugs.last().unwrap(), "too_many_requests");
    let wait = retry_after(&last.unwrap());
    // The client itself, at another address, has all of its quota.
    for _ in 0..5 {
        app.client().get("/users").send().await.ok();
    }
    app.client().get("/users").send().await.refused("too_many_requests");
    app.pass(wait.max(6));
    bad().send_from(stranger).await.refused("unauthorised");
    app.client().get("/users").sign().send_from(stranger).await.ok();
}

/// Who has nothing to show is counted by the address; who has a good token is answered there all the same, and nobody
/// learns which clients there are.
#[tokio::test]
async fn strangers_hold_up_nobody_at_their_address() {
    let mut app = TestApp::start().await;
    app.restart_with(|config| config.failed_checks_per_second = 3).await;
    let client = app.client();
    let with_token = |token: &str| client.get("/users").header("authorization", &format!("Bearer {token}"));
    let known = || with_token("nonsense");
    let unknown = || known().header("upvest-client-id", "a3a780b6-a012-4fa8-905c-61a9d0c20844");
    let mut answers = Vec::new();
    let strangers: [(u8, &dyn Fn() -> Request); 2] = [(20, &known), (21, &unknown)];
    for (last, bad) in strangers {
        let (address, mut slugs) = ([127, 0, 0, last], Vec::new());
        for _ in 0..6 {
            slugs.push(bad().sign().send_from(address).await.slug());
        }
        assert_eq!(slugs[0], "unauthorised");
        assert_eq!(slugs[5], "too_many_requests");
        answers.push(slugs);
        with_token(&client.token).sign().send_from(address).await.ok();
        client.token_request().sign().send_from(address).await.ok();
    }
    assert_eq!(answers[0], answers[1], "a client that there is, and one that there is not");
}

#[tokio::test]
async fn behind_a_trusted_proxy_everybody_has_an_address() {
    let mut app = TestApp::start().await;
    app.restart_with(|config| {
        config.failed_checks_per_second = 2;
        config.proxy.trusted = vec!["127.0.0.3/32".parse().unwrap()];
    })
    .await;
    let client = app.client();
    let bad = async |from: [u8; 4], said: &str| {
        let request = client.get("/users").header("authorization", "Bearer nonsense");
        request.header("x-forwarded-for", said).sign().send_from(from).await.slug()
    };
    let proxy = [127, 0, 0, 3];
    for said in ["192.0.2.1", "198.51.100.1, 192.0.2.1"] {
        assert_eq!(bad(proxy, said).await, "unauthorised");
    }
    assert_eq!(bad(proxy, "192.0.2.1").await, "too_many_requests");
    assert_eq!(bad(proxy, "192.0.2.1, 192.0.2.2").await, "unauthorised", "somebody else");
    // Whoever is no proxy may say what they like.
    for said in ["192.0.2.3", "192.0.2.4"] {
        assert_eq!(bad([127, 0, 0, 4], said).await, "unauthorised");
    }
    assert_eq!(bad([127, 0, 0, 4], "192.0.2.5").await, "too_many_requests");
}
