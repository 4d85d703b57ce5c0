//! Isolation of tenants, and scopes before ids: every operation of the API × every place of an id × what stands there ×
//! scopes.
//!
//! Generated from the OpenAPI document, which `tests/openapi.rs` holds against the router. An operation that needs an
//! id, a body or a query that no table here knows fails the test: so no operation can be left out.

use std::collections::BTreeMap;

use investord::api;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::client::Client;
use testing::signing::Request;

/// What an id of each name stands for: the operation that makes one, after those above it.
const MADE_BY: [(&str, &str); 7] = [
    ("user_id", "POST /users"),
    ("identifier_id", "POST /users/{user_id}/identifiers"),
    ("check_id", "POST /users/{user_id}/checks"),
    ("account_group_id", "POST /account_groups"),
    ("account_id", "POST /accounts"),
    ("endpoint_id", "POST /events-acceptor-service/endpoints"),
    ("webhook_id", "POST /webhooks"),
];

/// What belongs to one of those without an id of its own.
const SET_BY: [&str; 1] = ["POST /users/{user_id}/tax_residencies"];

/// The member of a body that can be the address of an endpoint.
const ADDRESS: &str = "url";

/// Ids and addresses in bodies that are the client's own affair: kept, and never looked up.
const NEVER_LOOKED_UP: [&str; 5] = ["branch_id", "consent_document_id", "data_download_link", "id", "(root)"];

/// Parameters of queries that cannot name anything of a tenant.
const HARMLESS_PARAMETERS: [&str; 9] = [
    "sort", "order", "offset", "limit", "type", "wait", "list_history", "closure_reason", "notification_only",
];
/// Those that can: places in lists.
const PLACES: [&str; 2] = ["cursor", "after"];

/// Where the first example of an operation does not fit what [`MADE_BY`] makes.
const EXAMPLES: [(&str, &str); 4] = [
    ("POST /users/{user_id}/data_change_requests", "byol"),
    ("POST /investord/users/{user_id}/data_change_requests/preview", "byol"),
    ("POST /users/{user_id}/identifiers", "passport"),
    ("POST /users/{user_id}/checks", "kyc"),
];

/// The body of an operation that changes what another example has made.
const BODIES: [(&str, &str); 1] =
    [("PATCH /users/{user_id}/identifiers/{identifier_id}", r#"{ "identifier": "34150816" }"#)];

/// The query with which an operation answers at once.
const QUERIES: [(&str, &str); 1] = [("GET /events-acceptor-service/endpoints/{endpoint_id}", "?wait=0")];

const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";
/// What is no id in a path, and what is none in a body.
const NO_SEGMENTS: [&str; 5] =
    ["abc", "%00", "a3a780b6a0124fa8905c61a9d0c20844", "a3a780b6-a012-4fa8-905c-61a9d0c208440", "%C3%A4"];
const NO_MEMBERS: [&str; 2] = ["abc", "a3a780b6-a012-4fa8-905c-61a9d0c2084g"];

type Ids = BTreeMap<String, String>;

/// An operation as the document describes it.
struct Operation {
    name: String,
    method: String,
    path: String,
    /// Any one of them is enough.
    scopes: Vec<String>,
    body: Option<Value>,
    success: u16,
    /// Names of the ids in its path, and of those in its body.
    in_path: Vec<String>,
    in_body: Vec<String>,
}

fn known<'a>(table: &'a [(&str, &str)], name: &str) -> Option<&'a str> {
    table.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
}

impl Operation {
    fn read(document: &Value, path: &str, method: &str, described: &Value) -> Self {
        let name = format!("{} {path}", method.to_uppercase());
        let security = described["security"].as_array().unwrap().iter();
        let scopes = security.flat_map(|one| one["oauth-client-credentials"].as_array().unwrap());
        let mut answers = described["responses"].as_object().unwrap().keys();
        let in_path = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        for parameter in described["parameters"].as_array().unwrap() {
            let Some(query) = parameter["name"].as_str().filter(|_| parameter["in"] == "query") else {
                continue;
            };
            assert!(
                HARMLESS_PARAMETERS.contains(&query) || PLACES.contains(&query),
                "{name}: can '{query}' name anything of a tenant? No table of this test knows it"
            );
        }
        let scopes: Vec<String> = scopes.map(|scope| scope.as_str().unwrap().to_owned()).collect();
        let in_path: Vec<String> = in_path.map(str::to_owned).collect();
        // An operation without scopes gives away nothing of a tenant.
        for id in in_path.iter().filter(|_| !scopes.is_empty()) {
            assert!(
                known(&MADE_BY, id).is_some(),
                "{name}: what is '{id}' an id of? No table of this test knows it"
            );
        }
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            scopes,
            body: body(&name, described),
            success: answers.find(|status| status.starts_with('2')).unwrap().parse().unwrap(),
            in_path,
            in_body: ids_of_body(&name, document, described),
            name,
        }
    }

    /// The operation with these ids in its path and in its body.
    fn request(&self, client: &Client, ids: &Ids) -> Request {
        let id = |name: &str| ids.get(name).unwrap_or_else(|| panic!("{}: no {name} was made", self.name));
        let mut target = self
            .in_path
            .iter()
            .fold(self.path.clone(), |target, name| target.replace(&format!("{{{name}}}"), id(name)));
        target += known(&QUERIES, &self.name).unwrap_or_default();
        let mut body = self.body.clone();
        for name in &self.in_body {
            let body = body.as_mut().unwrap();
            match name.as_str() {
                ADDRESS if ids.contains_key(ADDRESS) => {
                    let server = client.wire.address();
                    let address =
                        format!("http://{server}/events-acceptor-service/endpoints/{}", id(ADDRESS));
                    body[ADDRESS] = json!(address);
                }
                ADDRESS => {}
                name => body[name] = json!(id(name)),
            }
        }
        let request = client.request(&self.method, &target);
        let request = if self.method == "POST" {
            request.header("idempotency-key", &testing::client::once_key())
        } else {
            request
        };
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    /// Places of ids; of several, all at once as well.
    fn places(&self) -> Vec<Vec<&str>> {
        let all: Vec<&str> = self.in_path.iter().chain(&self.in_body).map(String::as_str).collect();
        let mut places: Vec<Vec<&str>> = all.iter().map(|one| vec![*one]).collect();
        places.extend((all.len() > 1).then_some(all));
        places
    }
}

fn body(name: &str, described: &Value) -> Option<Value> {
    let content = described.get("requestBody")?["content"].get("application/json")?;
    if let Some(body) = known(&BODIES, name) {
        return Some(serde_json::from_str(body).unwrap());
    }
    let examples = content["examples"].as_object().filter(|examples| !examples.is_empty());
    let examples = examples.unwrap_or_else(|| panic!("{name} has no example of a body"));
    let wanted = known(&EXAMPLES, name).unwrap_or_else(|| examples.keys().next().unwrap());
    Some(examples[wanted]["value"].clone())
}

/// Finds the members of a body that are ids or addresses, and demands that each be known here.
fn ids_of_body(operation: &str, document: &Value, described: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(content) = described["requestBody"]["content"].get("application/json") {
        members(document, &content["schema"], "(root)", 0, &mut found);
    }
    found.sort();
    found.dedup();
    found.retain(|name| !NEVER_LOOKED_UP.contains(&name.as_str()));
    for name in &found {
        let is_known = name == ADDRESS || known(&MADE_BY, name).is_some();
        assert!(is_known, "{operation}: what is '{name}' an id of? No table of this test knows it");
    }
    found
}

fn members(document: &Value, schema: &Value, name: &str, depth: usize, found: &mut Vec<String>) {
    assert!(depth < 30, "{name}: the schema has no end");
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return members(document, target, name, depth + 1, found);
    }
    if ["uuid", "uri"].contains(&schema["format"].as_str().unwrap_or_default()) {
        found.push(name.to_owned());
    }
    for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
        members(document, schema, member, depth + 1, found);
    }
    for combination in ["anyOf", "oneOf", "allOf"] {
        for schema in schema[combination].as_array().into_iter().flatten() {
            members(document, schema, name, depth + 1, found);
        }
    }
    if schema["items"].is_object() {
        members(document, &schema["items"], name, depth + 1, found);
    }
}

/// Two tenants, of which each has one of everything, and the clients of the first.
pub struct Matrix {
    pub app: TestApp,
    operations: Vec<Operation>,
    scopes: Vec<String>,
    all: Client,
    /// By their scopes, parted by spaces.
    limited: BTreeMap<String, Client>,
    own: Ids,
    other: Ids,
    cells: usize,
}

impl Matrix {
    pub async fn new() -> Self {
        let document: Value = serde_json::from_str(&api::openapi_document()).unwrap();
        let flows = &document["components"]["securitySchemes"]["oauth-client-credentials"]["flows"];
        let scopes = flows["clientCredentials"]["scopes"].as_object().unwrap().keys().cloned();
        let scopes: Vec<String> = scopes.collect();
        let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
            let read =
                |(method, described): (&String, &Value)| Operation::read(&document, path, method, described);
            item.as_object().unwrap().iter().map(read).collect::<Vec<_>>()
        });
        let operations = operations.collect::<Vec<_>>();
        let app = TestApp::with(|options| options.worker = false).await;
        app.new_tenant("other", &[]).await;
        let all = app.new_client("main", &scopes.join(" ")).await;
        let mut this = Self {
            operations,
            scopes,
            limited: BTreeMap::new(),
            own: Ids::new(),
            other: Ids::new(),
            cells: 0,
            app,
            all,
        };
        let foreign = this.app.new_client("other", &this.scopes.join(" ")).await;
        let names: Vec<&str> = MADE_BY.iter().map(|(name, _)| *name).collect();
        this.other = this.make(&foreign, &names).await;
        this.own = this.make(&this.all, &names).await;
        for (client, ids) in [(&foreign, &this.other), (&this.all, &this.own)] {
            for operation in SET_BY {
                this.named(operation).request(client, ids).send().await.ok();
            }
        }
        for ids in [&mut this.own, &mut this.other] {
            ids.insert(ADDRESS.into(), ids["endpoint_id"].clone());
        }
        let scopes: Vec<String> =
            this.operations.iter().flat_map(|one| this.columns(one)).map(|(it, _)| it).collect();
        for scopes in scopes {
            let client = this.all.limited_to(&scopes).await;
            this.limited.entry(scopes).or_insert(client);
        }
        this
    }

    fn named(&self, name: &str) -> &Operation {
        let found = self.operations.iter().find(|operation| operation.name == name);
        found.unwrap_or_else(|| panic!("there is no operation {name}"))
    }

    /// Makes one of each of these for a client, and what they belong to.
    async fn make(&self, client: &Client, names: &[&str]) -> Ids {
        let mut needed: Vec<&str> =
            names.iter().map(|name| if *name == ADDRESS { "endpoint_id" } else { name }).collect();
        for (name, operation) in MADE_BY.iter().rev() {
            if needed.contains(name) {
                let operation = self.named(operation);
                needed.extend(operation.in_path.iter().map(String::as_str));
                needed.extend(operation.in_body.iter().map(String::as_str).filter(|name| *name != ADDRESS));
            }
        }
        let mut ids = Ids::new();
        for (name, operation) in MADE_BY.iter().filter(|(name, _)| needed.contains(name)) {
            let made = self.named(operation).request(client, &ids).send().await;
            assert!(made.status < 300, "{operation}: {}", made.text());
            ids.insert((*name).into(), made.json()["id"].as_str().unwrap().into());
        }
        if names.contains(&ADDRESS) {
            ids.insert(ADDRESS.into(), ids["endpoint_id"].clone());
        }
        ids
    }

    /// The tenant's own ids for an operation; for one that changes something new ones, because the next finds it
    /// changed.
    async fn own_ids(&self, operation: &Operation) -> Ids {
        if operation.method == "GET" {
            return self.own.clone();
        }
        let needed = operation.in_path.iter().chain(&operation.in_body);
        self.make(&self.all, &needed.map(String::as_str).collect::<Vec<_>>()).await
    }

    /// Requests by which everything is done that a client can do, each with its operation and its success.
    pub async fn everything(&self) -> Vec<(String, Request, u16)> {
        let mut requests = Vec::new();
        for operation in self.operations.iter().filter(|operation| !operation.scopes.is_empty()) {
            let ids = self.own_ids(operation).await;
            requests.push((operation.name.clone(), operation.request(&self.all, &ids), operation.success));
        }
        requests
    }

    /// The columns of an operation: scopes, and whether they are enough.
    fn columns(&self, operation: &Operation) -> Vec<(String, bool)> {
        if operation.scopes.is_empty() {
            return Vec::new();
        }
        let mut columns: Vec<(String, bool)> =
            operation.scopes.iter().map(|one| (one.clone(), true)).collect();
        // Of a write: the scope that reads the same.
        let read = operation.scopes[0].replace(":admin", ":read");
        columns.extend((!operation.scopes.contains(&read)).then_some((read, false)));
        // No scope of the operation, but all others.
        let none = self.scopes.iter().filter(|scope| !operation.scopes.contains(scope)).cloned();
        columns.push((none.collect::<Vec<_>>().join(" "), false));
        columns.push((self.scopes.join(" "), true));
        columns
    }

    async fn ask(&mut self, operation: usize, scopes: &str, ids: &Ids) -> Answer {
        self.cells += 1;
        self.operations[operation].request(&self.limited[scopes], ids).send().await
    }

    /// Asks for what is not the tenant's, and finds the answers equal and nothing changed.
    async fn strangers(&mut self, at: usize, place: &[&str], scopes: &str, enough: bool) {
        let what = format!("{} with {place:?} under {scopes}", self.operations[at].name);
        let at_places = |ids: &Ids, value: &dyn Fn(&str) -> String| {
            let mut ids = ids.clone();
            if !place.contains(&ADDRESS) {
                ids.remove(ADDRESS);
            }
            for name in place {
                ids.insert((*name).into(), value(name));
            }
            ids
        };
        let before = self.app.register.of_tenant(1);
        let unknown = self.ask(at, scopes, &at_places(&self.own, &|_| UNKNOWN.into())).await;
        let expected = match (enough, place) {
            (false, _) => "forbidden",
            (true, [ADDRESS]) => "invalid_request",
            (true, _) => "not_found",
        };
        unknown.refused(expected);
        let theirs = at_places(&self.own, &|name| self.other[name].clone());
        let answer = self.ask(at, scopes, &theirs).await;
        let asked = &theirs[place[0]];
        assert_eq!(
            answer.about(asked),
            unknown.about(UNKNOWN),
            "{what}: another tenant's, and an unknown one"
        );
        let in_path = self.operations[at].in_path.iter().any(|name| place.contains(&name.as_str()));
        for none in if in_path { &NO_SEGMENTS[..] } else { &NO_MEMBERS[..] } {
            let answer = self.ask(at, scopes, &at_places(&self.own, &|_| (*none).into())).await;
            match (enough, in_path) {
                (false, _) => assert_eq!(answer.about(""), unknown.about(""), "{what}: {none} is looked at"),
                (true, true) => drop(answer.refused("not_found")),
                (true, false) => {
                    let (mut faults, mut places) = (answer.faults(), place.to_vec());
                    faults.sort();
                    places.sort_unstable();
                    assert_eq!(faults, places, "{what}: {none}");
                }
            }
        }
        assert_eq!(self.app.register.of_tenant(1), before, "{what}: what was refused has changed something");
    }

    /// Asks for the tenant's own, and finds it, or the scope missing.
    async fn own(&mut self, at: usize, place: &[&str], scopes: &str, enough: bool) {
        let operation = &self.operations[at];
        let what = format!("{} with its own {place:?} under {scopes}", operation.name);
        let success = operation.success;
        let mut ids = if enough { self.own_ids(operation).await } else { self.own.clone() };
        if !place.contains(&ADDRESS) {
            ids.remove(ADDRESS);
        }
        let answer = self.ask(at, scopes, &ids).await;
        if enough {
            assert_eq!(answer.status, success, "{what}: {}", answer.text());
        } else {
            answer.refused("forbidden");
        }
        for id in self.other.values() {
            assert!(!answer.text().contains(id), "{what}: shows {id} of another tenant: {}", answer.text());
        }
    }

    /// Names another client, and finds all that is wrong with that to be one.
    async fn clients(&mut self, at: usize, foreign: &Client) {
        let mut seen = Vec::new();
        for id in [foreign.id.clone(), UNKNOWN.into()] {
            let request = self.operations[at].request(&self.all, &self.own);
            let answer = request.header("upvest-client-id", &id).send().await;
            answer.refused("unauthorised");
            seen.push(answer.about(&id));
        }
        assert_eq!(
            seen[0], seen[1],
            "{}: another tenant's client, and an unknown one",
            self.operations[at].name
        );
        let request = self.operations[at].request(&self.all, &self.own);
        assert_eq!(request.header("upvest-client-id", "abc").send().await.faults(), ["upvest-client-id"]);
        self.cells += 3;
    }
}

#[tokio::test]
async fn no_operation_tells_another_tenants_ids_from_unknown_ones() {
    let mut matrix = Matrix::new().await;
    let foreign = matrix.app.new_client("other", "users:read").await;
    matrix.app.pass(1);
    let theirs = matrix.app.register.of_tenant(2);
    let mut operations = 0;
    for at in 0..matrix.operations.len() {
        let operation = &matrix.operations[at];
        let columns = matrix.columns(operation);
        if columns.is_empty() {
            continue;
        }
        operations += 1;
        let places: Vec<Vec<String>> = operation
            .places()
            .iter()
            .map(|place| place.iter().map(|&name| name.to_owned()).collect())
            .collect();
        for (scopes, enough) in columns {
            for place in &places {
                let place: Vec<&str> = place.iter().map(String::as_str).collect();
                matrix.strangers(at, &place, &scopes, enough).await;
                matrix.own(at, &place, &scopes, enough).await;
            }
            if places.is_empty() {
                matrix.own(at, &[], &scopes, enough).await;
            }
        }
        matrix.clients(at, &foreign).await;
        let name = &matrix.operations[at].name;
        assert_eq!(
            matrix.app.register.of_tenant(2),
            theirs,
            "{name} has changed something of another tenant"
        );
    }
    println!("{operations} operations, {} cells", matrix.cells);
    assert!(operations > 40 && matrix.cells > 1000, "{operations} operations, {} cells", matrix.cells);
}

/// A place in a list is a position and an instant, and says nothing of whose: it leads into the asker's own list.
#[tokio::test]
async fn a_place_in_another_tenants_list_leads_into_ones_own() {
    let matrix = Matrix::new().await;
    let foreign = matrix.app.new_client("other", &matrix.scopes.join(" ")).await;
    matrix.make(&foreign, &["account_id"]).await;
    let mut seen = 0;
    for path in ["/users", "/account_groups", "/accounts"] {
        let first = foreign.get(&format!("{path}?cursor=*&limit=1")).send().await.ok();
        let cursor = first["meta"]["next_cursor"].as_str().unwrap().to_owned();
        let ids = |list: &Value| -> Vec<String> {
            list["data"].as_array().unwrap().iter().map(|one| one["id"].to_string()).collect()
        };
        let own = ids(&matrix.all.get(path).send().await.ok());
        let led = ids(&matrix.all.get(&format!("{path}?cursor={cursor}")).send().await.ok());
        assert!(led.iter().all(|id| own.contains(id)), "{path}: {led:?}");
        seen += 1;
    }
    let document: Value = serde_json::from_str(&api::openapi_document()).unwrap();
    let lists = document["paths"].as_object().unwrap().values();
    let lists = lists.filter(|item| item["get"]["parameters"].to_string().contains("\"cursor\"")).count();
    assert_eq!(seen, lists, "every list that takes a cursor");
}
