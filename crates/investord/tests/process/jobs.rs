//! What is done later, done once, however often the worker is killed.

use serde_json::json;
use testing::chance::Chance;
use testing::client::uuid;
use testing::home::{Home, person};
use testing::patience::{Patience, amount};

use crate::judge::count;
use crate::load::pause;

const CHANGES: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_leaves_nothing_half_done_and_does_nothing_twice() {
    let (home, mut chance) = (Home::new(""), Chance::new("steps"));
    let users = amount(30, 120);
    let server = home.serve_as("server", &["--no-worker"], &[]);
    let client = home.caller(&server).await;
    for number in 0..users {
        let user = client.creation(&person(number), &uuid()).ask().await.json()["id"].clone();
        let user = user.as_str().unwrap();
        let send = async |method, target: &str, body: &str| {
            assert_eq!(client.request(method, target).body(body).ask().await.status, 202);
        };
        for change in 1..=CHANGES {
            let body = json!({ "last_name": format!("Number {change}") }).to_string();
            send("POST", &format!("/users/{user}/data_change_requests"), &body).await;
        }
        if number % 2 == 0 {
            send("DELETE", &format!("/users/{user}"), "").await;
        }
    }
    server.kill();
    let register = home.register();
    let left = || count(&register, "SELECT count(*) FROM jobs");
    assert_eq!(
        left(),
        i64::try_from(users * CHANGES + users / 2).unwrap(),
        "nothing was lost, nothing was done"
    );
    let (mut kills, mut patience) = (0, Patience::new("the worker to have done everything"));
    while left() > 0 {
        patience.sees(format!("{} steps left", left()));
        let server = home.serve();
        // Longer each time, so that it comes to an end however slow a start is.
        pause(chance.below(20 + 10 * kills)).await;
        server.kill();
        register.quiet();
        kills += 1;
        // What is half done would be so for others to see.
        let undone = "SELECT count(*) FROM jobs s WHERE s.kind = 'data-change' AND NOT EXISTS
                      (SELECT 1 FROM data_changes d WHERE d.tenant = s.tenant AND d.user_number = s.user_number
                       AND d.id = s.subject AND d.state = 'PENDING')";
        let done = "SELECT count(*) FROM data_changes WHERE state = 'DONE'";
        let told = "SELECT count(*) FROM events WHERE type = 'USER.DATA_CHANGED'";
        assert_eq!((count(&register, undone), count(&register, done)), (0, count(&register, told)));
    }
    println!("{kills} kills");
    let other_than = |kind: &str, times: u64| {
        count(
            &register,
            &format!(
                "SELECT count(*) FROM users u WHERE {times} <> (SELECT count(*) FROM events e WHERE e.tenant = u.tenant
                 AND e.subject = u.id AND e.type = '{kind}')"
            ),
        )
    };
    assert_eq!(other_than("USER.DATA_CHANGED", CHANGES), 0);
    let half = i64::try_from(users / 2).unwrap();
    assert_eq!(other_than("USER.OFFBOARDED", 1), half);
    assert_eq!(count(&register, "SELECT count(*) FROM users WHERE status = 'OFFBOARDED'"), half);
    let server = home.serve();
    let client = home.caller(&server).await;
    let all = client.get("/users?limit=1000").ask().await.json();
    let last = json!(format!("Number {CHANGES}"));
    assert!(all["data"].as_array().unwrap().iter().all(|user| user["last_name"] == last), "in their order");
    server.stop();
}
