//! A model of the register, held against the register: random operations, every answer and every event compared.
//!
//! A failure shows the command that repeats its session, with `INVESTORD_MODEL_SEED`; `INVESTORD_MODEL_OPERATIONS`
//! makes all of them longer or shorter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use investord::backoffice::session::new_token;
use investord::clock::Clock as _;
use investord::worker::jobs::run_due;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::chance::Chance;
use testing::client::once_key;
use testing::http::Wire;
use testing::patience::amount;
use testing::signing::Request;
use testing::{bodies, postgres, repeat};

use crate::model_state::{Change, Ending, Model, Place, User, id, plain};
use crate::operators::create_operator;

const SESSIONS: u64 = 8;
/// Of a session, in a usual run and in a long one. PostgreSQL takes several times as long, and the model is the same.
fn operations() -> u64 {
    if postgres::is_chosen() { amount(1_000, 12_500) } else { amount(2_000, 50_000) }
}

const USERS: usize = 40;
const NATIONALITIES: [&[&str]; 6] =
    [&["DE"], &["PL"], &["FR", "PL"], &["PL", "DE", "DE"], &["FR"], &["PL", "PL"]];
const NAMES: [&str; 5] = ["Nowak", "Berg", "Dupont", "Wójcik", "Heide"];
const PESELS: [&str; 3] = ["83053078917", "83053078111", "44051401359"];

struct Session {
    app: TestApp,
    chance: Chance,
    model: Model,
    reviewed: bool,
    officer: String,
    lost: u64,
}

impl Session {
    async fn begin(seed: u64) -> Self {
        let mut chance = Chance::seeded(seed);
        let reviewed = chance.in_ten(5);
        let app = TestApp::with(|options| {
            // A long session opens more than people do; what follows then is in `budgets`.
            options.config.limits.open_data_changes_per_user = 1_000_000;
            options.config.limits.open_checks_per_user = 1_000_000;
            options.worker = false;
            options.config.token_lifetime_seconds = 2_000_000_000;
            if reviewed {
                options.settings.extend([("model", json!("TOL")), ("review_policy", json!("review"))]);
            }
        })
        .await;
        let provisioner = app.provisioner();
        create_operator(&app, "anna", "compliance support", None).await;
        let (officer, hash) = new_token(&*provisioner.ids);
        provisioner.add_operator_token("anna".into(), hash, None, None).await.unwrap();
        Self { app, chance, model: Model::default(), reviewed, officer, lost: 0 }
    }

    fn now(&self) -> i64 {
        self.app.clock.now().as_second()
    }

    /// Sends a request that can be sent again; now and then its first answer is lost on the way. What is given up in
    /// the middle may come late: so it is only where that is as good as never.
    async fn send(&mut self, request: Request, can_be_late: bool) -> Answer {
        if self.chance.in_ten(1) {
            self.lost += 1;
            let first = request.clone().fresh(&self.app.client().request("GET", "/"));
            let cut = Duration::from_micros(self.chance.below(1_500));
            let patience = if can_be_late { cut } else { Duration::MAX };
            let _ = tokio::time::timeout(patience, first.send()).await;
        }
        request.send().await
    }

    async fn officer(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} /tenants/main/{target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\n\r\n{body}",
            self.officer,
            body.len()
        );
        Arc::new(Wire::to(self.app.app().config.operator_address().resolve().unwrap()))
            .exchange(request.as_bytes())
            .await
    }

    async fn step(&mut self) {
        let users = self.model.users.len();
        match self.chance.below(26) {
            0 | 1 if users < USERS => self.create().await,
            _ if users == 0 => self.create().await,
            2..=4 => self.identify().await,
            5..=8 => self.change().await,
            9 | 10 => self.decide().await,
            11 | 12 => self.open_group().await,
            13 | 14 => self.open_account().await,
            15 => self.rename().await,
            16 | 17 => self.close().await,
            18 if self.chance.in_ten(3) => self.leave().await,
            19 if self.chance.in_ten(5) => self.act().await,
            20..=22 => self.run().await,
            23 => self.jump(),
            24 if self.chance.below(40) == 0 => self.app.restart().await,
            _ => self.look().await,
        }
    }

    async fn create(&mut self) {
        let mut body = if self.reviewed { bodies::peter() } else { bodies::smallest() };
        body["nationalities"] = json!(self.chance.one(&NATIONALITIES));
        body["last_name"] = json!(self.chance.one(&NAMES));
        let key = once_key();
        let request = self.app.client().create(&body).header("idempotency-key", &key);
        let answer = self.send(request, true).await;
        let user = answer.ok();
        let again = self.app.client().create(&body).header("idempotency-key", &key).send().await;
        assert_eq!(again.text(), answer.text());
        let mut view = plain(&user);
        view["status"] = json!("INACTIVE");
        let (pesel, changes, leaves) = (None, Vec::new(), None);
        let at = self.model.users.len();
        self.model.users.push(User { view, suspended: false, pesel, changes, changes_ever: 0, leaves });
        self.model.judge(at);
        assert_eq!(plain(&user), self.model.users[at].view);
        for (member, value) in body.as_object().unwrap() {
            assert_eq!(user[member], *value);
        }
        // The creation is told as the commit leaves the user.
        self.model.events.entry(id(&user)).or_default().insert(0, ("USER.CREATED".into(), plain(&user)));
    }

    fn any(&mut self) -> usize {
        self.chance.index(self.model.users.len())
    }

    async fn identify(&mut self) {
        let (at, value) = (self.any(), self.chance.one(&PESELS));
        let target = format!("/users/{}/identifiers", id(&self.model.users[at].view));
        let gone = self.model.status(at) == "OFFBOARDED";
        if let Some((own, old)) = self.model.users[at].pesel.clone().filter(|_| self.chance.in_ten(3)) {
            let body = json!({ "identifier": value });
            let request = self.app.client().request("PATCH", &format!("{target}/{own}")).json(&body);
            let answer = self.send(request, false).await;
            if gone {
                answer.refused("forbidden");
                return;
            }
            assert_eq!(answer.ok()["identifier"], value, "instead of {old}");
            self.model.users[at].pesel = Some((own, value.to_owned()));
            return;
        }
        let body = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": value });
        let request = self.app.client().request("POST", &target).json(&body);
        let answer = self.send(request, false).await;
        match &self.model.users[at].pesel {
            _ if gone => drop(answer.refused("forbidden")),
            Some((_, other)) if other != value => assert_eq!(answer.faults(), ["identifier"]),
            Some((own, _)) => assert_eq!(id(&answer.ok()), *own),
            None => {
                self.model.users[at].pesel = Some((id(&answer.ok()), value.to_owned()));
                self.model.judge(at);
            }
        }
    }

    async fn change(&mut self) {
        let (at, name) = (self.any(), self.chance.one(&NAMES));
        let (asked, proved) = match self.chance.below(3) {
            0 => (json!({ "nationalities": self.chance.one(&NATIONALITIES) }), true),
            1 => (json!({ "first_name": "Anna", "last_name": name }), true),
            _ => (json!({ "email": format!("{}@example.com", self.chance.below(9)) }), false),
        };
        let mut body = asked.clone();
        if proved && self.reviewed {
            body["issuance_date"] = json!("2026-01-01");
            body["data_download_link"] = json!("https://example.com/proof.zip");
            body["document_type"] = json!("ID_CARD");
        }
        let target = format!("/users/{}/data_change_requests", id(&self.model.users[at].view));
        let answer = self.app.client().request("POST", &target).json(&body).send().await;
        if self.model.status(at) == "OFFBOARDED" {
            answer.refused("forbidden");
            return;
        }
        assert_eq!(answer.status, 202, "{}", answer.text());
        let listed = self.app.client().get(&format!("/investord{target}")).send().await.ok();
        let listed = listed["data"].as_array().unwrap();
        let user = &mut self.model.users[at];
        user.changes_ever += 1;
        assert_eq!(listed.len(), user.changes_ever, "each a record");
        let subject = id(listed.last().unwrap());
        let due = (!(proved && self.reviewed)).then(|| self.app.clock.now().as_second());
        let asked = asked.as_object().unwrap().clone();
        user.changes.push(Change { subject, asked, due, refusal: None, decided: false });
    }

    async fn decide(&mut self) {
        let at = self.any();
        let user = &self.model.users[at];
        if user.changes.is_empty() {
            return;
        }
        let which = self.chance.index(user.changes.len());
        let verdict = self.chance.one(&["approve", "refuse", "cancel"]);
        let body = json!({ "verdict": verdict, "reason": "seen" });
        let change = &self.model.users[at].changes[which];
        let target = format!("users/{}/reviews/{}", id(&self.model.users[at].view), change.subject);
        let answer = self.officer("POST", &target, Some(body)).await;
        if change.decided || (verdict != "cancel" && change.due.is_some()) {
            assert_eq!(answer.slug(), "conflict", "{}", answer.text());
            return;
        }
        answer.ok();
        let now = self.now();
        let change = &mut self.model.users[at].changes[which];
        (change.decided, change.due) = (true, Some(now));
        change.refusal = (verdict != "approve").then(|| "seen".to_owned());
    }

    async fn open(&mut self, at: usize, target: &str, body: Value, group: Option<usize>) {
        let request = self.app.client().post(target).json(&body);
        // Not late: what is refused now could be done then.
        let answer = self.send(request, false).await;
        let leaving = ["OFFBOARDING", "OFFBOARDED"].contains(&self.model.status(at));
        let closing = group.is_some_and(|group| {
            ["CLOSING", "CLOSED"].contains(&self.model.places[group].view["status"].as_str().unwrap())
        });
        if leaving || closing {
            answer.refused("forbidden");
            return;
        }
        let view = plain(&answer.ok());
        let active = self.model.status(at) == "ACTIVE";
        assert_eq!(view["status"], if active { "ACTIVE" } else { "PENDING_APPROVAL" });
        assert_eq!(view["users"], json!([{ "id": self.model.users[at].view["id"], "type": "OWNER" }]));
        if group.is_some() {
            let number = self.model.places.iter().filter(|place| place.group == group).count() + 1;
            assert_eq!(view["account_number"], number);
        }
        let noun = if group.is_none() { "ACCOUNT_GROUP" } else { "ACCOUNT" };
        self.model.told(&format!("{noun}.CREATED"), &view);
        if active {
            self.model.told(&format!("{noun}.ACTIVATED"), &view);
        }
        self.model.places.push(Place { owner: at, group, view, closes: None });
    }

    async fn open_group(&mut self) {
        let at = self.any();
        let body = json!({ "user_id": self.model.users[at].view["id"], "type": "PERSONAL" });
        self.open(at, "/account_groups", body, None).await;
    }

    /// One of the groups, or of the accounts.
    fn place(&mut self, groups: bool) -> Option<usize> {
        let all: Vec<usize> = (0..self.model.places.len())
            .filter(|at| self.model.places[*at].group.is_none() == groups)
            .collect();
        (!all.is_empty()).then(|| self.chance.one(&all))
    }

    async fn open_account(&mut self) {
        let Some(group) = self.place(true) else { return };
        let at = self.model.places[group].owner;
        let body = json!({
            "user_id": self.model.users[at].view["id"],
            "account_group_id": self.model.places[group].view["id"],
            "type": "TRADING",
        });
        self.open(at, "/accounts", body, Some(group)).await;
    }

    async fn rename(&mut self) {
        let Some(account) = self.place(false) else { return };
        let name = self.chance.one(&NAMES);
        let target = format!("/accounts/{}", id(&self.model.places[account].view));
        let request = self.app.client().request("PATCH", &target).json(&json!({ "name": name }));
        let answer = self.send(request, false).await;
        let view = &mut self.model.places[account].view;
        if view["status"] == "CLOSED" {
            answer.refused("forbidden");
            return;
        }
        let changed = view["name"] != name;
        view["name"] = json!(name);
        let view = view.clone();
        assert_eq!(plain(&answer.ok()), view);
        if changed {
            self.model.told("ACCOUNT.UPDATED", &view);
        }
    }

    async fn close(&mut self) {
        let groups = self.chance.in_ten(4);
        let Some(place) = self.place(groups) else { return };
        let target = if groups { "account_groups" } else { "accounts" };
        let target = format!("/{target}/{}", id(&self.model.places[place].view));
        let answer = self.app.client().request("DELETE", &target).send().await;
        let status = self.model.places[place].view["status"].as_str().unwrap().to_owned();
        if ["CLOSING", "CLOSED"].contains(&status.as_str()) {
            answer.refused("conflict");
            return;
        }
        assert_eq!(answer.status, 202);
        self.model.place_becomes(place, "CLOSING", "CLOSING_INITIATED");
        self.model.places[place].closes = Some(Ending { due: Some(self.now()), held: false });
    }

    async fn leave(&mut self) {
        let at = self.any();
        let target = format!("/users/{}", id(&self.model.users[at].view));
        let request = self.app.client().request("DELETE", &target);
        assert_eq!(self.send(request, true).await.status, 202);
        if ["ACTIVE", "INACTIVE"].contains(&self.model.status(at)) {
            self.model.becomes(at, "OFFBOARDING", "USER.OFFBOARDING_INITIATED");
            self.model.users[at].leaves = Some(Ending { due: Some(self.now()), held: false });
        }
    }

    async fn act(&mut self) {
        let (at, now) = (self.any(), self.now());
        let actions = [
            "deactivate", "reactivate", "reactivate", "hold_offboarding", "release_offboarding",
            "finish_offboarding",
        ];
        let action = self.chance.one(&actions);
        let body = json!({ "action": action, "reason": "because" });
        let target = format!("users/{}/actions", id(&self.model.users[at].view));
        let answer = self.officer("POST", &target, Some(body)).await;
        let leaving = ["OFFBOARDING", "OFFBOARDED"].contains(&self.model.status(at));
        let open = (0..self.model.places.len())
            .any(|place| self.model.places[place].owner == at && self.model.is_open(place));
        let refused = match action {
            "deactivate" | "reactivate" => leaving,
            "finish_offboarding" => open || self.model.users[at].leaves.is_none(),
            _ => self.model.users[at].leaves.is_none(),
        };
        if refused {
            answer.refused("conflict");
            return;
        }
        answer.ok();
        let user = &mut self.model.users[at];
        match (action, &mut user.leaves) {
            ("deactivate", _) => {
                user.suspended = true;
                if self.model.status(at) == "ACTIVE" {
                    self.model.becomes(at, "INACTIVE", "USER.DEACTIVATED");
                }
            }
            ("reactivate", _) => {
                user.suspended = false;
                self.model.judge(at);
            }
            ("hold_offboarding", Some(leaves)) => leaves.held = true,
            ("release_offboarding", Some(leaves)) => {
                (leaves.held, leaves.due) = (false, leaves.due.or(Some(now)));
            }
            (_, Some(leaves)) => (leaves.held, leaves.due) = (false, Some(now)),
            (_, None) => unreachable!("refused"),
        }
    }

    async fn run(&mut self) {
        run_due(self.app.app()).await.unwrap();
        self.model.run(self.now());
    }

    fn jump(&mut self) {
        let seconds = i64::try_from(self.chance.below(600)).unwrap();
        self.app.pass(if self.chance.in_ten(2) { -seconds / 10 } else { seconds });
    }

    /// Reads something and compares.
    async fn look(&mut self) {
        let at = self.any();
        let user =
            self.app.client().get(&format!("/users/{}", id(&self.model.users[at].view))).send().await.ok();
        assert_eq!(plain(&user), self.model.users[at].view);
        let groups = self.chance.in_ten(5);
        let (target, own): (_, Vec<&Place>) = {
            let own = self.model.places.iter().filter(|place| place.owner == at);
            (
                if groups { "account_groups" } else { "accounts" },
                own.filter(|one| one.group.is_none() == groups).collect(),
            )
        };
        let listed = self.app.client().get(&format!("/users/{}/{target}", id(&user))).send().await.ok();
        let listed: Vec<Value> = listed["data"].as_array().unwrap().iter().map(plain).collect();
        let expected: Vec<Value> = own.iter().map(|place| place.view.clone()).collect();
        assert_eq!(listed, expected);
    }

    /// Compares all events with what the model has told, and replays them.
    async fn judge(&mut self) {
        let mut found: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
        let mut last: BTreeMap<String, Value> = BTreeMap::new();
        for told in self.app.told(1).await {
            if told.kind == "OPERATOR.ACTION" {
                continue;
            }
            let about = told.object.get("user_id").filter(|_| told.kind == "USER.DATA_CHANGE_FAILED");
            let about = about.unwrap_or(&told.object["id"]).as_str().unwrap().to_owned();
            let object = if told.object.get("created_at").is_some() {
                plain(&told.object)
            } else {
                told.object.clone()
            };
            found.entry(about.clone()).or_default().push((told.kind.clone(), object));
            if told.kind != "USER.DATA_CHANGE_FAILED" {
                last.insert(about, told.object);
            }
        }
        for (about, expected) in &self.model.events {
            assert_eq!(found.get(about), Some(expected), "the events of {about}");
        }
        assert_eq!(found.len(), self.model.events.len());
        // Whoever has heard all events knows everything as it is.
        for user in &self.model.users {
            let stored = self.app.client().get(&format!("/users/{}", id(&user.view))).send().await.ok();
            assert_eq!(stored, last[&id(&user.view)], "replayed");
        }
    }
}

async fn session(seed: u64) {
    let length = std::env::var("INVESTORD_MODEL_OPERATIONS").ok().and_then(|text| text.parse().ok());
    println!("{}", repeat::command("INVESTORD_MODEL_SEED", seed));
    let mut session = Session::begin(seed).await;
    for at in 0..length.unwrap_or_else(operations) {
        println!("operation {at}");
        session.step().await;
    }
    session.app.pass(100_000);
    session.run().await;
    session.judge().await;
    let left = session.model.users.iter().filter(|user| user.view["status"] == "OFFBOARDED").count();
    assert!(
        left > 0 && session.lost > 0,
        "the rare paths were reached: {left} left, {} answers lost",
        session.lost
    );
}

macro_rules! sessions {
    ($($name:ident: $number:expr),*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let chosen: Option<u64> = std::env::var("INVESTORD_MODEL_SEED").ok().and_then(|text| text.parse().ok());
            session(chosen.unwrap_or(20_261_122 + $number)).await;
        })*
        const _: () = assert!([$($number),*].len() as u64 == SESSIONS);
    };
}

sessions!(
    first: 0, second: 1, third: 2, fourth: 3, fifth: 4, sixth: 5, seventh: 6, eighth: 7
);
