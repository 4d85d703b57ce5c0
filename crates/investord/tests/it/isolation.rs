//! Nobody sees or touches another tenant's users.

use serde_json::Value;
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;

const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";

struct Two {
    app: TestApp,
    /// Two clients of the first tenant, one of the second.
    clients: [Client; 3],
}

async fn two() -> Two {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let second = app.new_client("main", "users:admin users:read").await;
    let foreign = app.new_client("other", "users:admin users:read").await;
    let clients = [app.client().clone(), second, foreign];
    Two { app, clients }
}

fn id(user: &Value) -> &str {
    user["id"].as_str().unwrap()
}

/// An answer with its request id taken out.
fn without_request_id(answer: &Answer) -> String {
    answer.text().replace(answer.header("upvest-request-id").unwrap(), "-")
}

#[tokio::test]
async fn another_tenants_user_is_answered_like_one_that_is_not_there() {
    let Two { app, clients: [own, _, foreign] } = two().await;
    let user = own.created(&bodies::karl()).await;
    for method in ["GET", "DELETE", "PATCH", "PUT"] {
        let theirs = foreign.request(method, &format!("/users/{}", id(&user))).send().await;
        let unknown = foreign.request(method, &format!("/users/{UNKNOWN}")).send().await;
        assert_eq!(without_request_id(&theirs), without_request_id(&unknown), "{method}");
        assert_eq!(theirs.status, unknown.status);
        assert!([404, 405].contains(&theirs.status));
        for header in ["content-type", "content-length", "allow"] {
            assert_eq!(theirs.header(header), unknown.header(header));
        }
    }
    foreign.get(&format!("/users/{}", id(&user))).send().await.refused("not_found");
    assert_eq!(own.get(&format!("/users/{}", id(&user))).send().await.ok(), user);
    assert_eq!(app.rows().users, 1);
}

#[tokio::test]
async fn client_token_and_key_must_be_of_one_client() {
    let Two { app, clients } = two().await;
    let user = clients[0].created(&bodies::karl()).await;
    let before = app.rows();
    let mut refused = 0;
    for (named, a) in clients.iter().enumerate() {
        for (token, b) in clients.iter().enumerate() {
            for (key_id, c) in clients.iter().enumerate() {
                for (key, d) in clients.iter().enumerate() {
                    let mixed = |target: &str| {
                        let request = a.get(target).header("authorization", &format!("Bearer {}", b.token));
                        request.key(&d.keys[1]).key_id(&c.keys[1].id)
                    };
                    let one = [token, key_id, key].iter().all(|other| *other == named);
                    for target in ["/users", &format!("/users/{}", id(&user)), &format!("/users/{UNKNOWN}")] {
                        let answer = mixed(target).send().await;
                        if one {
                            assert!([200, 404].contains(&answer.status));
                        } else {
                            answer.refused("unauthorised");
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(refused, (81 - 3) * 3);
    let after = app.rows();
    assert_eq!((after.users, after.events, after.replies), (before.users, before.events, before.replies));
}

#[tokio::test]
async fn no_other_client_gets_a_token_with_anothers_credentials() {
    let Two { app, clients } = two().await;
    let before = app.number("SELECT count(*) FROM tokens");
    for (signer, a) in clients.iter().enumerate() {
        for (in_form, b) in clients.iter().enumerate() {
            for (secret, c) in clients.iter().enumerate() {
                if signer == in_form && in_form == secret {
                    continue;
                }
                let form = format!(
                    "client_id={}&client_secret={}&grant_type=client_credentials&scope=users:read",
                    b.id, c.secret
                );
                a.token_form(&form).send().await.refused("unauthorised");
                a.token_form(&form).without("upvest-client-id").send().await.refused("unauthorised");
            }
        }
    }
    assert_eq!(app.number("SELECT count(*) FROM tokens"), before);
}

#[tokio::test]
async fn a_list_shows_the_tenants_own_users_to_all_its_clients() {
    let Two { app, clients: [own, second, foreign] } = two().await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        ours.push(own.created(&bodies::karl()).await);
        theirs.push(foreign.created(&bodies::karl()).await);
        ours.push(second.created(&bodies::smallest()).await);
    }
    for sort in ["created_at", "updated_at"] {
        for (client, expected) in [(&own, &ours), (&second, &ours), (&foreign, &theirs)] {
            let list = client.get(&format!("/users?sort={sort}")).send().await.ok();
            assert_eq!(list["data"].as_array().unwrap(), expected);
            assert_eq!(list["meta"]["total_count"], expected.len());
            for offset in 0..=expected.len() {
                let page =
                    client.get(&format!("/users?sort={sort}&limit=2&offset={offset}")).send().await.ok();
                let rest: Vec<_> = expected.iter().skip(offset).take(2).cloned().collect();
                assert_eq!(page["data"].as_array().unwrap(), &rest);
            }
        }
    }
    for user in &ours {
        let target = format!("/users/{}", id(user));
        assert_eq!(second.get(&target).send().await.ok(), own.get(&target).send().await.ok());
    }
    let (first, other) = (app.told(1).await, app.told(2).await);
    assert_eq!((first.len(), other.len()), (20, 10), "each tenant has a history of its own");
    assert!(other.iter().all(|event| theirs.iter().any(|user| id(user) == event.subject.to_string())));
}

#[tokio::test]
async fn settings_hold_for_their_tenant_alone() {
    let Two { app, clients: [own, _, foreign] } = two().await;
    app.set("unknown_members", "ignore").await;
    app.set("strict_signatures", true).await;
    let body = bodies::with("surprise", 1.into());
    own.created(&body).await;
    foreign.create(&body).send().await.refused("invalid_request");
    foreign.get("/users").nonce(None).send().await.ok();
    own.get("/users").nonce(None).send().await.refused("unauthorised");
}
