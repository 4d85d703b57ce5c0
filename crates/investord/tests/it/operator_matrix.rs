//! Isolation of tenants towards operators: every operation of their listener × role × whose operator it is × tenant ×
//! every place of an id × what stands there.
//!
//! The table is held against the router: an operation without a row fails the test, and so does a name in a path that
//! nothing here knows how to fill.

use std::collections::{BTreeMap, BTreeSet};

use investord::backoffice;
use investord::backoffice::Access;
use investord::backoffice::session::new_token;
use investord::domain::permissions::{ROLE_NAMES, of_new_register};
use investord::store::Tx;
use investord::store::tenants::operator_sessions;
use investord::worker::jobs::run_due;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;
use testing::receiver::Receiver;
use testing::routes::routed;

use crate::administration::PUBLIC_KEY;
use crate::operators::{Officer, create_operator, officer};
use crate::webhooks::{deliver, enabled, id, pass};

/// Operation, body, and the answers to an id that is the tenant's own, to one that is unknown or another tenant's, and
/// to what is no id, unless it stands in the path: there that is 404.
type Row = (&'static str, &'static str, [u16; 3]);

const REVOKE: &str = r#"{"reason":"because"}"#;

/// An operation may have several rows: one for each body that names something else.
#[rustfmt::skip]
const ROWS: [Row; 71] = [
    ("POST /sessions", "", [400, 400, 400]),
    ("POST /invitations", "", [400, 400, 400]),
    // There is no identity provider.
    ("POST /oidc/requests", "", [404, 404, 404]),
    ("POST /oidc/device_requests", "", [404, 404, 404]),
    ("POST /oidc/sessions", "", [404, 404, 404]),
    ("POST /oidc/logout", "", [404, 404, 404]),
    ("DELETE /sessions", "", [200, 200, 200]),
    ("GET /me", "", [200, 200, 200]),
    ("GET /me/sessions", "", [200, 200, 200]),
    ("DELETE /me/sessions", "", [200, 200, 200]),
    ("PUT /me/password", "", [400, 400, 400]),
    ("POST /me/proof", "", [400, 400, 400]),
    ("GET /me/totp", "", [200, 200, 200]),
    ("POST /me/totp", "", [200, 200, 200]),
    ("DELETE /me/totp", "", [409, 409, 409]),
    ("POST /me/totp/confirmation", "", [400, 400, 400]),
    ("GET /me/passkeys", "", [200, 200, 200]),
    // No origin of passkeys is configured.
    ("POST /me/passkeys", "", [409, 409, 409]),
    ("POST /me/passkeys/confirmation", "", [400, 400, 400]),
    ("DELETE /me/passkeys/{passkey}", "", [404, 404, 404]),
    ("POST /me/recovery-codes", "", [409, 409, 409]),
    // The session of another operator is not found.
    ("DELETE /me/sessions/{session}", "", [404, 404, 404]),
    ("GET /openapi.json", "", [200, 200, 200]),
    ("GET /operators", "", [200, 404, 404]),
    (
        "POST /operators",
        r#"{"name":"{new}","grants":[{"role":"viewer","tenant":"{tenant}"}],"reason":"because"}"#,
        [200, 404, 400],
    ),
    (
        "PUT /operators/{name}/grants",
        r#"{"grants":[{"role":"support","tenant":"{tenant}"}],"reason":"because"}"#,
        [200, 404, 400],
    ),
    ("PUT /operators/{name}/disabled", r#"{"disabled":true,"reason":"because"}"#, [200, 404, 404]),
    // They have none.
    ("POST /operators/{name}/second_factor_reset", REVOKE, [409, 404, 404]),
    ("POST /operators/{name}/invitation", REVOKE, [200, 404, 404]),
    ("GET /access", "", [200, 404, 404]),
    ("POST /operators/{name}/access_review", r#"{"decision":"keep","reason":"because"}"#, [200, 404, 404]),
    ("GET /operators/{name}/sessions", "", [200, 404, 404]),
    ("DELETE /operators/{name}/sessions", "", [200, 404, 404]),
    ("GET /roles", "", [200, 404, 404]),
    ("PUT /roles/{role}", r#"{"permissions":["people:read"],"reason":"because"}"#, [200, 200, 400]),
    // Who may look at a proposal depends on what it proposes: see administration.rs.
    ("GET /proposals", "", [200, 404, 404]),
    ("POST /proposals/{proposal}/confirmation", "", [404, 404, 404]),
    ("DELETE /proposals/{proposal}", "", [404, 404, 404]),
    ("POST /proposals/{proposal}/review", r#"{"finding":"fine"}"#, [404, 404, 404]),
    ("GET /register/events", "", [200, 404, 404]),
    ("PUT /register/four_eyes", r#"{"four_eyes":true,"reason":"because"}"#, [200, 404, 404]),
    ("GET /tenants", "", [200, 404, 404]),
    ("POST /tenants", r#"{"name":"{new}","reason":"because"}"#, [200, 404, 404]),
    (
        "PATCH /tenants/{tenant}/settings",
        r#"{"settings":{"four_eyes":true},"reason":"because"}"#,
        [200, 404, 404],
    ),
    ("PUT /tenants/{tenant}/suspended", r#"{"suspended":true,"reason":"because"}"#, [200, 404, 404]),
    ("PUT /clients/{client}/disabled", r#"{"disabled":true,"reason":"because"}"#, [200, 404, 404]),
    ("GET /tenants/{tenant}/clients", "", [200, 404, 404]),
    ("POST /tenants/{tenant}/clients", r#"{"scopes":["users:read"],"reason":"because"}"#, [200, 404, 404]),
    ("PUT /clients/{client}/scopes", r#"{"scopes":["users:read"],"reason":"because"}"#, [200, 404, 404]),
    ("POST /clients/{client}/secret", REVOKE, [200, 404, 404]),
    (
        "POST /clients/{client}/keys",
        r#"{"public_key":"{{public_key}}","reason":"because"}"#,
        [200, 404, 404],
    ),
    ("POST /client_keys/{key}/revocation", REVOKE, [200, 404, 404]),
    // A search for what is not there finds nothing.
    ("GET /tenants/{tenant}/users?id={user}", "", [200, 200, 400]),
    ("GET /tenants/{tenant}/users/{user}", "", [200, 404, 404]),
    ("GET /tenants/{tenant}/users/{user}/history", "", [200, 404, 404]),
    (
        "POST /tenants/{tenant}/users/{user}/actions",
        r#"{"action":"deactivate","reason":"because"}"#,
        [200, 404, 404],
    ),
    ("POST /tenants/{tenant}/users/{user}/reveals", r#"{"purpose":"review"}"#, [200, 404, 404]),
    // The tenants of this test do not simulate: 409 says that the user was found.
    ("POST /tenants/{tenant}/users/{user}/outcomes", r#"{"next":"check"}"#, [409, 404, 404]),
    ("POST /tenants/{tenant}/users/{user}/reviews/{subject}", r#"{"verdict":"approve"}"#, [200, 404, 404]),
    ("GET /tenants/{tenant}/reviews", "", [200, 404, 404]),
    ("PUT /tenants/{tenant}/users/{user}/reviews/{subject}/assignee", r#"{"assignee":null}"#, [200, 404, 404]),
    ("PUT /tenants/{tenant}/users/{user}/reviews/{subject}/viewer", "", [200, 404, 404]),
    ("GET /tenants/{tenant}/webhooks", "", [200, 404, 404]),
    ("GET /tenants/{tenant}/webhooks/{webhook}", "", [200, 404, 404]),
    ("GET /tenants/{tenant}/webhooks/{webhook}/packages", "", [200, 404, 404]),
    ("GET /tenants/{tenant}/webhooks/{webhook}/packages/{package}", "", [200, 404, 404]),
    // It stays when the webhook is deleted; of one that never was it is empty.
    ("GET /tenants/{tenant}/webhooks/{webhook}/history", "", [200, 200, 404]),
    (
        "POST /tenants/{tenant}/webhooks/{webhook}/actions",
        r#"{"action":"resume","reason":"because"}"#,
        [200, 404, 404],
    ),
    (
        "POST /tenants/{tenant}/webhooks/{webhook}/actions",
        r#"{"action":"resend","reason":"because","package":"{sent_package}"}"#,
        [200, 404, 400],
    ),
    (
        "POST /tenants/{tenant}/webhooks/{webhook}/actions",
        r#"{"action":"replay","reason":"because","from":"{event}"}"#,
        [200, 404, 400],
    ),
    ("POST /tenants/{tenant}/signing_keys", REVOKE, [200, 404, 404]),
];

/// Operations of which every operator sees the own alone, and proposals.
const OWN: [&str; 19] = [
    "GET /me/passkeys",
    "POST /me/passkeys",
    "POST /me/passkeys/confirmation",
    "DELETE /me/passkeys/{passkey}",
    "POST /me/proof",
    "GET /me/totp",
    "POST /me/totp",
    "DELETE /me/totp",
    "POST /me/totp/confirmation",
    "POST /me/recovery-codes",
    "DELETE /sessions",
    "GET /me",
    "GET /me/sessions",
    "DELETE /me/sessions",
    "PUT /me/password",
    "GET /proposals",
    "POST /proposals/{proposal}/confirmation",
    "DELETE /proposals/{proposal}",
    "POST /proposals/{proposal}/review",
];

/// Operations on the register itself: they take the permission for all tenants.
const REGISTER: [&str; 4] =
    ["PUT /roles/{role}", "GET /register/events", "PUT /register/four_eyes", "POST /tenants"];

/// What an operation takes, by the route table.
fn needed(row: &Row) -> Access {
    let operation = row.0.split('?').next().unwrap();
    backoffice::access_of_operations().find(|(one, _)| *one == operation).unwrap().1
}

/// Values, by the name of the parameter, of records that do not exist; below those that cannot exist.
const UNKNOWN: [(&str, &str); 14] = [
    ("passkey", ID),
    ("client", ID),
    ("key", ID),
    ("role", "unheard-of"),
    ("proposal", ID),
    ("session", ID),
    ("tenant", "nowhere"),
    ("name", "nobody"),
    ("user", ID),
    ("subject", ID),
    ("webhook", ID),
    ("event", ID),
    ("package", "99"),
    ("sent_package", "99"),
];
const ID: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";
const IMPOSSIBLE: [(&str, &str); 14] = [
    ("passkey", "abc"),
    ("client", "abc"),
    ("key", "abc"),
    ("role", "Viewer"),
    ("proposal", "abc"),
    ("session", "abc"),
    ("tenant", "%00"),
    ("name", "%00"),
    ("user", "abc"),
    ("subject", "%C3%A4"),
    ("webhook", "abc"),
    ("event", "abc"),
    ("package", "0"),
    ("sent_package", "abc"),
];

/// Settings of a tenant whose proofs are reviewed by operators.
const REVIEWED: [(&str, &str); 2] = [("model", "TOL"), ("review_policy", "review")];

type Names = BTreeMap<&'static str, String>;

/// A tenant with one of everything.
struct House {
    name: &'static str,
    client: Client,
    receiver: Receiver,
    names: Names,
}

impl House {
    async fn new(app: &TestApp, name: &'static str, client: Client) -> Self {
        let receiver = Receiver::start().await;
        let webhook = enabled(&client, &receiver, json!({})).await;
        let mut this = Self { name, client, receiver, names: Names::new() };
        this.renew(app).await;
        pass(app);
        deliver(app).await;
        let events = this.client.get("/investord/events").send().await.ok();
        this.names.extend([
            ("tenant", name.to_owned()),
            ("webhook", id(&webhook).to_owned()),
            ("package", "1".into()),
            ("sent_package", "1".into()),
            ("event", id(&events["data"][0]).to_owned()),
            ("client", this.client.id.clone()),
            ("key", this.client.key.id.clone()),
            ("role", "viewer".into()),
            ("passkey", ID.into()),
            ("proposal", ID.into()),
        ]);
        this
    }

    /// Creates a user whose check waits for review, and an operator of the tenant; delivers the events that are due.
    async fn renew(&mut self, app: &TestApp) {
        let user = self.client.created(&bodies::everything()).await;
        let check: Value =
            serde_json::from_str(include_str!("../../../../api/examples/create-check-kyc.json")).unwrap();
        let checks = format!("/users/{}/checks", id(&user));
        let check = self.client.post(&checks).json(&check).send().await.json();
        run_due(app.app()).await.unwrap();
        self.names.insert("user", id(&user).to_owned());
        self.names.insert("subject", id(&check).to_owned());
        let name = new_name();
        let provisioner = app.provisioner();
        let id = create_operator(app, &name, "viewer", Some(self.name)).await;
        let hash = new_token(&*provisioner.ids).1;
        provisioner.add_operator_token(name.clone(), hash, None, None).await.unwrap();
        let sessions = move |tx: &Tx<'_>| operator_sessions::of_operator(tx, id);
        let sessions = provisioner.store.read("test.sessions", sessions).await.unwrap();
        self.names.insert("session", sessions[0].id.to_string());
        self.names.insert("name", name);
        pass(app);
        deliver(app).await;
        self.receiver.seen();
    }
}

fn new_name() -> String {
    format!("new-{}", testing::client::once_key())
}

/// Names in braces.
fn places(row: &Row) -> Vec<&'static str> {
    let parts = row.0.split('{').skip(1).chain(row.1.split('{').skip(1));
    let names = parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name);
    let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let names: Vec<&str> =
        names.filter(is_name).filter(|name| !["new", "public_key"].contains(name)).collect();
    for name in &names {
        assert!(
            UNKNOWN.iter().any(|(known, _)| known == name),
            "{}: nothing here knows what '{name}' is",
            row.0
        );
    }
    names
}

fn value_of(table: &[(&str, &str)], name: &str) -> String {
    table.iter().find(|(own, _)| *own == name).unwrap().1.to_owned()
}

async fn ask(officer: &Officer, row: &Row, names: &Names) -> Answer {
    let (method, mut target) =
        row.0.split_once(' ').map(|(method, target)| (method, target.to_owned())).unwrap();
    let mut body =
        row.1.replace("{new}", &new_name()).replace("{{public_key}}", &PUBLIC_KEY.replace('\n', "\\n"));
    for (name, value) in names {
        target = target.replace(&format!("{{{name}}}"), value);
        body = body.replace(&format!("{{{name}}}"), &value.replace("%00", "\\u0000"));
    }
    officer.request(method, &target, &body).await
}

struct Matrix {
    app: TestApp,
    own: House,
    other: House,
    cells: usize,
}

/// Somebody who asks: their role, and whether they see all tenants.
struct Asker {
    role: Option<&'static str>,
    sees_all: bool,
    officer: Officer,
}

impl Asker {
    /// Whether the role suffices for an operation, wherever they have it.
    fn may(&self, row: &Row) -> bool {
        let has = |needed| of_new_register(self.role.unwrap_or_default()).unwrap().contains(needed);
        let is_within = self.sees_all || !REGISTER.contains(&row.0);
        is_within && !matches!(needed(row), Access::Permission(permission) if !has(permission))
    }
}

impl Matrix {
    async fn new() -> Self {
        let app = TestApp::with(|options| {
            options.config.webhooks.allow_insecure_targets = true;
            // Sessions that last for the whole test, each of them proved.
            options.config.operators.session_idle_minutes = 1_000_000;
            options.config.operators.session_hours = 100_000;
            options.config.operators.proof_minutes = 1_000_000;
            options.worker = false;
            options.settings.extend(REVIEWED.map(|(key, value)| (key, value.into())));
        })
        .await;
        app.new_tenant("foreign-house", &REVIEWED.map(|(key, value)| (key, value.into()))).await;
        let foreign = app.new_client("foreign-house", testing::app::SCOPES).await;
        let own = House::new(&app, "main", app.client().clone()).await;
        let other = House::new(&app, "foreign-house", foreign).await;
        Self { app, own, other, cells: 0 }
    }

    async fn ask(&mut self, asker: &Asker, row: &Row, names: &Names) -> Answer {
        self.cells += 1;
        ask(&asker.officer, row, names).await
    }

    /// The names of the first tenant, with one of them changed.
    fn with(&self, name: &'static str, value: &str) -> Names {
        let mut names = self.own.names.clone();
        names.insert(name, value.to_owned());
        names
    }

    /// Refuses all that stands anywhere in the same words: nothing has been looked up.
    async fn refused(&mut self, asker: &Asker, row: &Row, slug: &str) {
        let mut seen = BTreeSet::new();
        let mut tried = vec![self.own.names.clone(), self.other.names.clone()];
        for place in places(row) {
            let values =
                [self.other.names[place].clone(), value_of(&UNKNOWN, place), value_of(&IMPOSSIBLE, place)];
            tried.extend(values.map(|value| self.with(place, &value)));
        }
        for names in tried {
            let answer = self.ask(asker, row, &names).await;
            answer.refused(slug);
            seen.insert(answer.about(""));
        }
        assert_eq!(seen.len(), 1, "{}: {seen:#?}", row.0);
    }

    /// Finds nothing at every place but what the asker sees.
    async fn strangers(&mut self, asker: &Asker, row: &Row) {
        let [_, unknown, impossible] = row.2;
        for place in places(row) {
            let absent = value_of(&UNKNOWN, place);
            let nothing = self.ask(asker, row, &self.with(place, &absent)).await;
            // An unknown tenant is not found, whatever is looked for in it.
            let expected = if place == "tenant" { 404 } else { unknown };
            assert_eq!(nothing.status, expected, "{} without {place}: {}", row.0, nothing.text());
            let none = self.ask(asker, row, &self.with(place, &value_of(&IMPOSSIBLE, place))).await;
            let in_path = row.0.split('?').next().unwrap().contains(&format!("{{{place}}}"));
            let expected = if in_path && place != "role" { 404 } else { impossible };
            assert_eq!(none.status, expected, "{} with no {place}: {}", row.0, none.text());
            let is_path_to_theirs =
                asker.sees_all && ["tenant", "name", "client", "key", "role"].contains(&place);
            if !is_path_to_theirs && !place.ends_with("package") {
                let theirs = self.other.names[place].clone();
                let answer = self.ask(asker, row, &self.with(place, &theirs)).await;
                assert_eq!(
                    answer.about(&theirs),
                    nothing.about(&absent),
                    "{}: another tenant's {place}",
                    row.0
                );
            }
        }
        if !places(row).contains(&"tenant") {
            return;
        }
        // All of the other tenant's at once; and theirs, where nothing of the first tenant is found.
        if !asker.sees_all {
            let theirs = self.other.names.clone();
            let answer = self.ask(asker, row, &theirs).await;
            let nowhere = self.ask(asker, row, &self.with("tenant", &value_of(&UNKNOWN, "tenant"))).await;
            assert_eq!(answer.about(""), nowhere.about(""), "{}: of another tenant", row.0);
        } else if places(row)
            .iter()
            .any(|place| !["tenant", "name", "package", "sent_package"].contains(place))
        {
            let answer = self.ask(asker, row, &self.with("tenant", self.other.name)).await;
            assert_eq!(answer.status, unknown, "{}: ours at theirs: {}", row.0, answer.text());
        }
    }

    /// Finds what the asker sees, and shows them nothing else.
    async fn found(&mut self, asker: &Asker, row: &Row) {
        let changes = !row.0.starts_with("GET");
        if changes {
            self.own.renew(&self.app).await;
        }
        let names = self.own.names.clone();
        let answer = self.ask(asker, row, &names).await;
        assert_eq!(answer.status, row.2[0], "{}: {}", row.0, answer.text());
        if asker.sees_all {
            if changes {
                self.other.renew(&self.app).await;
            }
            let names = self.other.names.clone();
            let answer = self.ask(asker, row, &names).await;
            assert_eq!(answer.status, row.2[0], "{}, for all: {}", row.0, answer.text());
            // What follows is done now, and not while somebody else is looked at.
            run_due(self.app.app()).await.unwrap();
            pass(&self.app);
            deliver(&self.app).await;
        } else {
            let theirs = ["tenant", "name", "user", "subject", "webhook", "event", "client", "key"];
            for id in theirs.map(|name| &self.other.names[name]) {
                assert!(!answer.text().contains(id), "{}: shows {id}: {}", row.0, answer.text());
            }
        }
    }

    async fn asker(&self, role: &'static str, sees_all: bool) -> Asker {
        let name = format!("{role}-{sees_all}");
        let tenant = (!sees_all).then_some(self.own.name);
        let officer = officer(&self.app, &name, role, tenant).await;
        Asker { role: Some(role), sees_all, officer: officer.signed_in(&name).await }
    }
}

#[tokio::test]
async fn no_operator_tells_another_tenants_ids_from_unknown_ones() {
    let mut matrix = Matrix::new().await;
    let mut askers = Vec::new();
    for role in ROLE_NAMES {
        for sees_all in [false, true] {
            askers.push(matrix.asker(role, sees_all).await);
        }
    }
    // Somebody who could confirm: so acts of administration wait, and none is done.
    officer(&matrix.app, "chief", "administrator", None).await;
    let stranger = askers[0].officer.with_token("x");
    askers.push(Asker { role: None, sees_all: false, officer: stranger });
    let read = |matrix: &Matrix| [1, 2].map(|tenant| matrix.app.register.of_tenant(tenant));
    let mut before = read(&matrix);
    for row in ROWS.iter().filter(|row| needed(row) != Access::Public && !OWN.contains(&row.0)) {
        for asker in &askers {
            match asker.role {
                None => matrix.refused(asker, row, "unauthorised").await,
                Some(_) if !asker.may(row) => matrix.refused(asker, row, "forbidden").await,
                Some(_) => matrix.strangers(asker, row).await,
            }
            let after = read(&matrix);
            assert!(after == before, "{}: what was refused has changed something", row.0);
            if asker.role.is_some() && asker.may(row) {
                matrix.found(asker, row).await;
                before = read(&matrix);
                let is_same = asker.sees_all || before[1] == after[1];
                assert!(is_same, "{} has changed something of another tenant", row.0);
            }
        }
    }
    println!("{} operations, {} cells", ROWS.len(), matrix.cells);
    assert!(matrix.cells > 1000, "{}", matrix.cells);
}

#[test]
fn every_route_of_operators_has_a_row() {
    let rows = ROWS.iter().map(|row| {
        let (method, target) = row.0.split_once(' ').unwrap();
        (target.split('?').next().unwrap().to_owned(), method.to_lowercase())
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), routed(&backoffice::routes()));
}
