//! What operators see of people: masked until revealed, to one session, for a purpose on record.

use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;
use testing::receiver::Receiver;

use crate::operators::{Officer, UNKNOWN, example, id, officer};
use crate::webhooks::{deliver, enabled, pass};

/// What must not be read before a reveal: contact data, numbers and links of one user.
const SECRETS: [&str; 8] = [
    "miller@example.com",
    "next@example.com",
    "4930123456",
    "65150872J003",
    "83053078929",
    "65929970489",
    "https://proofs.example/kyc.zip",
    "https://proofs.example/change.zip",
];

/// A register with a user of whom everything is known, whose check and data change wait for a decision.
struct House {
    app: TestApp,
    user: Value,
    webhook: String,
    account_number: String,
}

impl House {
    async fn new() -> Self {
        let app = TestApp::with(|options| {
            options.config.webhooks.allow_insecure_targets = true;
            options.worker = false;
            options.settings.push(("review_policy", "review".into()));
        })
        .await;
        let client = app.client();
        let receiver = Receiver::start().await;
        let webhook = id(&enabled(client, &receiver, json!({})).await).to_owned();
        let user = client.created(&bodies::everything()).await;
        let account_number = fill(client, id(&user)).await;
        pass(&app);
        deliver(&app).await;
        Self { app, user, webhook, account_number }
    }

    fn user_path(&self) -> String {
        format!("/tenants/main/users/{}", id(&self.user))
    }

    /// Every path at which something of the user can be read.
    fn paths(&self) -> [String; 6] {
        let user = self.user_path();
        [
            user.clone(),
            format!("{user}/history"),
            format!("/tenants/main/users?id={}", id(&self.user)),
            "/tenants/main/reviews".into(),
            format!("/tenants/main/webhooks/{}/packages/1", self.webhook),
            format!("/tenants/main/webhooks/{}/history", self.webhook),
        ]
    }

    /// Returns the secrets that somebody reads, in the order of [`SECRETS`].
    async fn read_secrets(&self, by: &Officer) -> Vec<String> {
        let mut texts = String::new();
        for path in self.paths() {
            texts += &by.get(&path).await.ok().to_string();
        }
        let all = SECRETS.into_iter().chain([&*self.account_number]);
        all.filter(|secret| texts.contains(secret)).map(str::to_owned).collect()
    }
}

/// Adds to a user what else has personal data, and returns the number of their account group.
async fn fill(client: &Client, user: &str) -> String {
    let send = async |path: &str, body: Value| {
        let answer = client.post(path).json(&body).send().await;
        assert_eq!(answer.slug(), "ok", "{answer}");
        answer
    };
    let of_user = |rest: &str| format!("/users/{user}/{rest}");
    let identifier = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078929" });
    send(&of_user("identifiers"), identifier).await;
    let taxes: Value =
        serde_json::from_str(include_str!("../../../../api/examples/set-tax-residencies.json")).unwrap();
    send(&of_user("tax_residencies"), taxes).await;
    let mut check = example("kyc");
    check["data_download_link"] = json!("https://proofs.example/kyc.zip");
    send(&of_user("checks"), check).await;
    send(&of_user("data_change_requests"), json!({ "email": "next@example.com" })).await;
    let mut change = example("name");
    change["data_download_link"] = json!("https://proofs.example/change.zip");
    send(&of_user("data_change_requests"), change).await;
    let group = send("/account_groups", json!({ "user_id": user, "type": "PERSONAL" })).await.json();
    group["securities_account_number"].as_str().unwrap_or("none yet").to_owned()
}

#[tokio::test]
async fn people_are_masked_until_they_are_revealed() {
    let house = House::new().await;
    let app = &house.app;
    let viewer = officer(app, "vera", "viewer", Some("main")).await;
    let support = officer(app, "sam", "support", Some("main")).await;
    for officer in [&viewer, &support] {
        assert_eq!(house.read_secrets(officer).await, [""; 0]);
    }
    let shown = support.get(&house.user_path()).await.ok();
    assert_eq!(shown["user"]["email"], "m•••••@•••••");
    assert_eq!(shown["user"]["phone_number"], "•••••56");
    assert_eq!(shown["user"]["last_name"], "Schmidt");

    let reveals = format!("{}/reveals", house.user_path());
    let purpose = json!({ "purpose": "person_asks", "reference": "CALL-5521" });
    viewer.post(&reveals, purpose.clone()).await.refused("forbidden");
    let done = support.post(&reveals, purpose).await.ok();
    assert_eq!((&done["action"], &done["reason"]), (&json!("reveal"), &json!("CALL-5521")));
    let expected = SECRETS.map(str::to_owned);
    let seen = house.read_secrets(&support).await;
    assert!(expected.iter().all(|secret| seen.contains(secret)), "{seen:?}");
    // Neither somebody else nor another session of the same person sees more.
    assert_eq!(house.read_secrets(&viewer).await, [""; 0]);
    assert_eq!(house.read_secrets(&support.signed_in("sam").await).await, [""; 0]);

    let history = viewer.history(&house.user).await;
    let reveal = history.iter().find(|event| event["object"]["action"] == "reveal").unwrap();
    assert_eq!((&reveal["actor"], &reveal["reason"]), (&json!("operator:sam"), &json!("CALL-5521")));
    assert_eq!(reveal["object"]["new"]["purpose"], "person_asks");

    // It ends with the permission, and with its time.
    let chief = officer(app, "carla", "administrator", None).await.signed_in("carla").await;
    let set_role = async |permissions: &[&str]| {
        let role = json!({ "permissions": permissions, "reason": "tried out" });
        chief.request("PUT", "/roles/support", &role.to_string()).await.ok();
    };
    set_role(&["people:read", "reviews:read", "webhooks:read"]).await;
    assert_eq!(house.read_secrets(&support).await, [""; 0]);
    set_role(&["people:read", "people:reveal", "reviews:read", "webhooks:read"]).await;
    assert!(!house.read_secrets(&support).await.is_empty());
    app.pass(5 * 60);
    assert_eq!(house.read_secrets(&support).await, [""; 0]);
}

#[tokio::test]
async fn who_sees_no_people_sees_no_body_of_a_package() {
    let house = House::new().await;
    let chief = officer(&house.app, "carla", "administrator", None).await.signed_in("carla").await;
    let role = json!({ "permissions": ["webhooks:read", "reviews:read"], "reason": "mends webhooks" });
    chief.request("PUT", "/roles/mechanic", &role.to_string()).await.ok();
    let mechanic = officer(&house.app, "mia", "mechanic", Some("main")).await;
    let [.., package, _] = house.paths();
    assert_eq!(mechanic.get(&package).await.ok()["body"], "•••••");
    for review in mechanic.queue().await {
        assert_eq!([&review["user"], &review["matter"]], ["•••••"; 2]);
    }
}

#[tokio::test]
async fn a_reveal_takes_a_purpose_and_a_person() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::smallest()).await;
    let sam = officer(&app, "sam", "support", Some("main")).await;
    let reveals = format!("/tenants/main/users/{}/reveals", id(&user));
    assert_eq!(sam.post(&reveals, json!({})).await.faults(), ["purpose"]);
    assert_eq!(sam.post(&reveals, json!({ "purpose": "curiosity" })).await.faults(), ["purpose"]);
    assert_eq!(sam.post(&reveals, json!({ "purpose": "other" })).await.faults(), ["reference"]);
    let nobody = format!("/tenants/main/users/{UNKNOWN}/reveals");
    sam.post(&nobody, json!({ "purpose": "review" })).await.refused("not_found");
}

#[tokio::test]
async fn a_session_sees_a_hundred_people_at_once_at_most() {
    let app = TestApp::start().await;
    let client = app.client();
    let sam = officer(&app, "sam", "support", Some("main")).await;
    let reveal = async |user: &Value| {
        let path = format!("/tenants/main/users/{}/reveals", id(user));
        sam.post(&path, json!({ "purpose": "review" })).await
    };
    let mut last = Value::Null;
    for _ in 0..100 {
        last = client.created(&bodies::smallest()).await;
        reveal(&last).await.ok();
    }
    let one_more = client.created(&bodies::smallest()).await;
    reveal(&one_more).await.refused("conflict");
    // Somebody who is revealed already can be so for longer.
    reveal(&last).await.ok();
    app.pass(5 * 60);
    reveal(&one_more).await.ok();
}
