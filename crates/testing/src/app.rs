//! The whole server in one line, and clients that sign as the vendor's do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{self, SHA256, SHA512};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use httpsig::{Algorithm, SignatureEncoding, SigningKey};
use investord::app::{App, Mode};
use investord::clock::{Clock, ManualClock, SeededIds};
use investord::config::{self, Config};
use investord::domain::tenants::TenantSettings;
use investord::provision::{NewClient, Provisioner};
use investord::server::{self, Listeners};
use investord::store::encryption::MasterKey;
use investord::store::engine::migrate;
use investord::store::engine::postgres::connection_settings::Tuning;
use investord::store::log::events::{self, ChainedEvent};
use investord::store::{Database, Store, StoreError, tenants, users};
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::patience::PATIENCE;
use crate::postgres;
use crate::wire::{Answer, Wire};

/// The instant at which every test begins.
pub const START: i64 = 1_795_283_727;
pub const SCOPES: &str = "users:admin users:read accounts:admin accounts:read checks:admin checks:read taxes:admin taxes:read webhooks:admin";
const TENANT: &str = "main";

/// What a test can ask for.
pub struct Options {
    pub settings: Vec<(&'static str, Value)>,
    pub config: Config,
    pub mode: Mode,
    /// Whether the server does what is due by itself, or the test.
    pub worker: bool,
}

/// Where the register of a test lies.
pub enum Register {
    File(TempDir),
    Server(postgres::Database),
}

impl Register {
    /// A new one for the engine of this program; without PostgreSQL everything runs on SQLite, which
    /// [`postgres::shared`] has said.
    fn new() -> Self {
        let server = if postgres::is_chosen() { postgres::shared() } else { None };
        match server {
            Some(server) => Self::Server(server.migrated(|url| {
                migrate::run(
                    &config::database(url, &Tuning::default()).unwrap(),
                    &investord::store::CATALOGUE,
                )
                .unwrap();
            })),
            None => Self::File(tempfile::tempdir().unwrap()),
        }
    }

    pub fn database(&self) -> Database {
        match self {
            Self::File(folder) => Database::Sqlite(folder.path().join("investord.db")),
            Self::Server(server) => config::database(server.url(), &Tuning::default()).unwrap(),
        }
    }

    /// One number out of the database, past the server.
    fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Server(server) => postgres::number(server.url(), sql),
            Self::File(_) => self.connection().query_row(sql, [], |row| row.get(0)).unwrap(),
        }
    }

    /// All bytes that are stored: files, or the rows of the tables.
    pub fn everything(&self) -> Vec<Vec<u8>> {
        match self {
            Self::File(folder) => {
                let names = ["investord.db", "investord.db-wal"];
                names.map(|name| std::fs::read(folder.path().join(name)).unwrap()).to_vec()
            }
            Self::Server(server) => {
                let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
                let tables = postgres::sql(server.url(), tables).into_iter().flatten().flatten();
                // Escaped, so that bytes which are text can be read, and in hex, for those that are not.
                let rows = tables.map(|table| {
                    let all = ["escape", "hex"]
                        .map(|form| format!("SET bytea_output = '{form}'; SELECT t::text FROM {table} t"))
                        .join(";");
                    postgres::sql(server.url(), &all).into_iter().flatten().flatten().collect::<String>()
                });
                rows.map(String::into_bytes).collect()
            }
        }
    }

    /// Reads every row that belongs to a tenant, byte for byte.
    pub fn of_tenant(&self, number: i64) -> String {
        let columns = if let Self::Server(_) = self {
            "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
        } else {
            "SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table'"
        };
        let mut tables = BTreeMap::<String, Vec<String>>::new();
        for column in self.texts(columns) {
            let (table, column) = column.split_once('.').unwrap();
            tables.entry(table.into()).or_default().push(column.into());
        }
        let rows = tables.iter().filter_map(|(table, columns)| {
            let has = |name: &str| columns.iter().any(|own| own == name);
            let theirs =
                |table: &str| format!("{table} IN (SELECT id FROM {table}s WHERE tenant = {number})");
            let of = match () {
                // Counts messages, whatever has come of them.
                () if table == "signature_counts" => return None,
                () if has("tenant") => format!("tenant = {number}"),
                () if has("webhook") => theirs("webhook"),
                () if has("client") => theirs("client"),
                () => return None,
            };
            let row = match self {
                Self::Server(_) => format!("{table}::text"),
                Self::File(_) => {
                    let quoted = columns.iter().map(|name| format!("quote({name})"));
                    quoted.collect::<Vec<_>>().join(" || ',' || ")
                }
            };
            Some(format!("SELECT '{table} ' || {row} FROM {table} WHERE {of}"))
        });
        let mut rows = self.texts(&rows.collect::<Vec<_>>().join(" UNION ALL "));
        rows.sort();
        rows.join("\n")
    }

    /// Reads the first column of a query.
    fn texts(&self, sql: &str) -> Vec<String> {
        match self {
            Self::Server(server) => {
                postgres::sql(server.url(), sql).into_iter().flatten().flatten().collect()
            }
            Self::File(_) => {
                let database = self.connection();
                let mut statement = database.prepare(sql).unwrap();
                statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            }
        }
    }

    /// Changes rows past the server.
    pub fn run(&self, sql: &str) {
        match self {
            Self::Server(server) => drop(postgres::sql(server.url(), sql)),
            Self::File(_) => self.connection().execute_batch(sql).unwrap(),
        }
    }

    fn connection(&self) -> Connection {
        let Database::Sqlite(path) = self.database() else { unreachable!("asked for files alone") };
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }
}

pub struct TestApp {
    options: Options,
    pub register: Register,
    pub clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
    master_key: Arc<MasterKey>,
    running: Option<Running>,
    pub wire: Arc<Wire>,
    client: Option<Client>,
}

struct Running {
    app: App,
    stop: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
}

/// A server beside that of the test.
pub struct Second {
    pub wire: Wire,
    _running: Running,
}

/// Rows of the tables in which a request leaves something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    pub users: i64,
    pub events: i64,
    pub replies: i64,
    pub nonces: i64,
}

/// An event with its object opened.
#[derive(Debug)]
pub struct Told {
    pub kind: String,
    pub subject: Uuid,
    pub created_at: Timestamp,
    pub object: Value,
}

impl TestApp {
    /// A BYOL tenant with one client, in production mode, without limits on the rate.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn tol() -> Self {
        Self::with(|options| options.settings.push(("model", "TOL".into()))).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let config = Config { rate_limit_per_second: 0, failed_checks_per_second: 0, ..Config::default() };
        let mut options = Options { settings: Vec::new(), config, mode: Mode::Production, worker: true };
        change(&mut options);
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(START).unwrap()));
        let ids = Arc::new(SeededIds::new(7));
        let master_key = MasterKey::from_base64(&MasterKey::generate_base64(&*ids)).unwrap();
        let register = Register::new();
        let mut this = Self {
            options,
            register,
            clock,
            ids,
            master_key: Arc::new(master_key),
            running: None,
            wire: Arc::new(Wire::to(([127, 0, 0, 1], 1).into())),
            client: None,
        };
        this.serve();
        let settings = std::mem::take(&mut this.options.settings);
        this.new_tenant(TENANT, &settings).await;
        this.client = Some(this.new_client(TENANT, SCOPES).await);
        this
    }

    fn serve(&mut self) {
        let (running, address) = self.server();
        self.wire.moved(address);
        self.running = Some(running);
    }

    /// Starts one more server on the same database, as another process would; it ends with what is returned.
    pub fn second(&self) -> Second {
        let (running, address) = self.server();
        Second { wire: Wire::to(address), _running: running }
    }

    fn server(&self) -> (Running, SocketAddr) {
        let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), ..self.options.config.clone() };
        let listeners = Listeners::bind(&mut config).unwrap();
        let address = listeners.clients.local_addr().unwrap();
        let store = Store::open(&self.register.database()).unwrap();
        let (clock, ids) = (Arc::clone(&self.clock), Arc::clone(&self.ids));
        let app = App::new(config, self.options.mode, clock, ids, store, Arc::clone(&self.master_key));
        let (stop, stopped) = oneshot::channel();
        let app = app.unwrap();
        let served = tokio::spawn(server::run(app.clone(), listeners, self.options.worker, async {
            let _ = stopped.await;
        }));
        (Running { app, stop, served }, address)
    }

    /// Stops the server, starts another on the same database, and changes its configuration in between.
    pub async fn restart_with(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.options.config);
        let Running { app, stop, served } = self.running.take().unwrap();
        drop(app);
        self.wire.rest();
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
        self.serve();
    }

    pub async fn restart(&mut self) {
        self.restart_with(|_| {}).await;
    }

    pub fn app(&self) -> &App {
        &self.running.as_ref().unwrap().app
    }

    pub fn provisioner(&self) -> Provisioner {
        Provisioner {
            store: self.app().store.clone(),
            master_key: Arc::clone(&self.master_key),
            clock: Arc::clone(&self.clock) as _,
            ids: Arc::clone(&self.ids) as _,
        }
    }

    pub async fn new_tenant(&self, name: &str, settings: &[(&'static str, Value)]) {
        let changed =
            |all: TenantSettings, (key, value): &(&str, Value)| all.with(key, value.clone()).unwrap();
        let settings = settings.iter().fold(TenantSettings::default(), changed);
        self.provisioner().create_tenant(name.into(), settings).await.unwrap();
    }

    /// A client with a P-521 and an Ed25519 key and a token for all its scopes.
    pub async fn new_client(&self, tenant: &str, scopes: &str) -> Client {
        let new =
            NewClient { id: None, secret: None, scopes: scopes.split(' ').map(str::to_owned).collect() };
        let (id, secret) = self.provisioner().create_client(tenant.into(), new).await.unwrap();
        let mut client = Client {
            wire: Arc::clone(&self.wire),
            clock: Arc::clone(&self.clock),
            id,
            secret: secret.0.clone(),
            scopes: scopes.into(),
            keys: Vec::new(),
            token: String::new(),
        };
        self.add_key(&mut client, Algorithm::P521).await;
        self.add_key(&mut client, Algorithm::Ed25519).await;
        client.renew().await;
        client
    }

    /// Gives the client one more key, its last.
    pub async fn add_key(&self, client: &mut Client, kind: Algorithm) {
        let key = SigningKey::generate(kind).unwrap();
        let id = self.provisioner().add_key(client.id, None, key.public()).await.unwrap();
        client.keys.push(Arc::new(Key { id: id.to_string(), key }));
        self.pass(1);
    }

    /// Changes a setting of the first tenant; a second later it is in force.
    pub async fn set(&self, key: &str, value: impl Into<Value>) {
        self.provisioner().set(TENANT.into(), vec![(key.into(), value.into())]).await.unwrap();
        self.pass(1);
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
    }

    /// The client of the first tenant.
    pub fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    pub fn client_mut(&mut self) -> &mut Client {
        self.client.as_mut().unwrap()
    }

    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// A request without any header of the API.
    pub async fn plain(&self, method: &str, target: &str) -> Answer {
        let request = format!("{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n");
        self.wire.raw(request.as_bytes(), false).await.unwrap()
    }

    /// One number out of the database, past the server.
    pub fn number(&self, sql: &str) -> i64 {
        self.register.number(sql)
    }

    pub fn rows(&self) -> Rows {
        let count = |table: &str| self.number(&format!("SELECT count(*) FROM {table}"));
        Rows {
            users: count("users"),
            events: count("events"),
            replies: count("idempotent_responses"),
            nonces: count("nonces"),
        }
    }

    /// The history of a tenant's users, its chain checked on the way.
    pub async fn told(&self, tenant: i64) -> Vec<Told> {
        let master_key = Arc::clone(&self.master_key);
        let read = move |tx: &investord::store::Tx<'_>| -> Result<Vec<Told>, StoreError> {
            let own = tenants::open(tx, tenant, &master_key)?;
            let mut told = Vec::new();
            events::each(tx, tenant, |ChainedEvent { event, subject, .. }| {
                // What was done to a webhook is the tenant's own.
                let Some(user) = users::find(tx, &own, subject)? else { return Ok(()) };
                let object = serde_json::from_str(&event.open(&user.key)?).unwrap();
                told.push(Told { kind: event.kind, subject, created_at: event.created_at, object });
                Ok(())
            })?;
            Ok(told)
        };
        self.app().store.scan("test.told", read).await.unwrap()
    }
}

/// Whatever a test does: no user without its event, no event without its user, no reply without either.
impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() || self.client.is_none() {
            return;
        }
        for (what, sql) in [
            (
                "a user that was not told once",
                "SELECT count(*) FROM users u WHERE 1 <> (SELECT count(*) FROM events e WHERE e.tenant = u.tenant
                 AND e.subject = u.id AND e.type = 'USER.CREATED')",
            ),
            (
                "a user whose status is not what was told last",
                "SELECT count(*) FROM users u WHERE u.status <> (SELECT CASE e.type
                 WHEN 'USER.CREATED' THEN 'INACTIVE' WHEN 'USER.DEACTIVATED' THEN 'INACTIVE'
                 WHEN 'USER.ACTIVATED' THEN 'ACTIVE' WHEN 'USER.OFFBOARDING_INITIATED' THEN 'OFFBOARDING'
                 ELSE 'OFFBOARDED' END FROM events e WHERE e.tenant = u.tenant AND e.subject = u.id
                 AND e.type IN ('USER.CREATED', 'USER.ACTIVATED', 'USER.DEACTIVATED', 'USER.OFFBOARDING_INITIATED',
                 'USER.OFFBOARDED') ORDER BY e.number DESC LIMIT 1)",
            ),
            (
                "a user who was activated more than once without having been deactivated, or has left twice",
                "SELECT count(*) FROM users u WHERE (SELECT count(*) FROM events e WHERE e.tenant = u.tenant
                 AND e.subject = u.id AND e.type = 'USER.ACTIVATED') > 1 + (SELECT count(*) FROM events e
                 WHERE e.tenant = u.tenant AND e.subject = u.id AND e.type = 'USER.DEACTIVATED')
                 OR 1 < (SELECT count(*) FROM events e WHERE e.tenant = u.tenant AND e.subject = u.id
                 AND e.type = 'USER.OFFBOARDED')",
            ),
            (
                "an event of nobody",
                "SELECT count(*) FROM events e WHERE e.type NOT IN ('CLIENT.ACTION', 'OPERATOR.ACTION') AND NOT EXISTS
                 (SELECT 1 FROM users u WHERE u.tenant = e.tenant AND u.id = e.subject)",
            ),
            (
                "a reply about nobody",
                "SELECT count(*) FROM idempotent_responses r WHERE NOT EXISTS
                 (SELECT 1 FROM users u WHERE u.tenant = r.tenant AND u.number = r.user_number)",
            ),
            (
                "a head that has lost count",
                "SELECT count(*) FROM tenant_sequences h WHERE h.users <> (SELECT count(*) FROM users u WHERE u.tenant = h.tenant)
                 OR h.events <> (SELECT count(*) FROM events e WHERE e.tenant = h.tenant)",
            ),
        ] {
            assert_eq!(self.number(sql), 0, "there is {what}");
        }
    }
}

pub struct Key {
    pub id: String,
    pub key: SigningKey,
}

/// Somebody who may call.
#[derive(Clone)]
pub struct Client {
    pub wire: Arc<Wire>,
    clock: Arc<ManualClock>,
    pub id: Uuid,
    pub secret: String,
    pub scopes: String,
    pub keys: Vec<Arc<Key>>,
    pub token: String,
}

/// Positions in [`Client::keys`].
pub const P521: usize = 0;
pub const ED25519: usize = 1;

static SERIAL: AtomicU64 = AtomicU64::new(1);

fn serial() -> u64 {
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

/// A new idempotency key.
pub fn once_key() -> String {
    format!("a3a780b6-a012-4fa8-905c-{:012x}", serial())
}

impl Client {
    pub fn request(&self, method: &str, target: &str) -> Request {
        let key = Arc::clone(&self.keys[ED25519]);
        let now = self.clock.now().as_second();
        let headers = [
            ("accept", "application/json".to_owned()),
            ("authorization", format!("Bearer {}", self.token)),
            ("upvest-client-id", self.id.to_string()),
        ];
        Request {
            wire: Arc::clone(&self.wire),
            method: method.into(),
            target: target.into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body: Vec::new(),
            key_id: key.id.clone(),
            key,
            quoted: true,
            encoding: SignatureEncoding::Der,
            digest: None,
            version: Some("15".into()),
            created: Some(now),
            expires: Some(now + 10),
            nonce: Some(format!("n{:015}", serial())),
            more: String::new(),
            covered: None,
            signed_as: Vec::new(),
            spoil: std::convert::identity,
        }
    }

    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// A write: with an idempotency key of its own.
    pub fn post(&self, target: &str) -> Request {
        self.request("POST", target).header("idempotency-key", &once_key())
    }

    /// `POST /users` with this body.
    pub fn create(&self, body: &Value) -> Request {
        self.post("/users").json(body)
    }

    /// `POST /users` that must succeed.
    pub async fn created(&self, body: &Value) -> Value {
        self.create(body).send().await.ok()
    }

    /// The token request, signed, with everything in it.
    pub fn token_request(&self) -> Request {
        let Self { id, secret, scopes, .. } = self;
        self.token_form(&format!(
            "client_id={id}&client_secret={secret}&grant_type=client_credentials&scope={}",
            scopes.replace(' ', "+")
        ))
    }

    pub fn token_form(&self, form: &str) -> Request {
        let request = self.request("POST", "/auth/token").without("authorization");
        request.header("content-type", "application/x-www-form-urlencoded").bytes(form)
    }

    /// The same client with a token for these scopes alone.
    pub async fn limited_to(&self, scopes: &str) -> Self {
        let mut limited = Self { scopes: scopes.into(), ..self.clone() };
        limited.renew().await;
        limited
    }

    /// Takes a new token.
    pub async fn renew(&mut self) {
        let answer = self.token_request().send().await.ok();
        answer["access_token"].as_str().unwrap().clone_into(&mut self.token);
    }
}

/// A request before it is signed. What is not changed is as the vendor documents it (draft 15).
#[derive(Clone)]
pub struct Request {
    pub wire: Arc<Wire>,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    key: Arc<Key>,
    key_id: String,
    quoted: bool,
    encoding: SignatureEncoding,
    digest: Option<(String, String)>,
    version: Option<String>,
    created: Option<i64>,
    expires: Option<i64>,
    nonce: Option<String>,
    more: String,
    covered: Option<Vec<String>>,
    signed_as: Vec<(String, String)>,
    spoil: fn(String) -> String,
}

impl Request {
    /// Sets a header, which will be covered.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same once more, as a client sends it again: with another nonce.
    pub fn fresh(mut self, other: &Request) -> Self {
        self.nonce.clone_from(&other.nonce);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").bytes(body.to_string())
    }

    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn key(mut self, key: &Arc<Key>) -> Self {
        self.key_id.clone_from(&key.id);
        self.key = Arc::clone(key);
        self
    }

    pub fn key_id(mut self, id: &str) -> Self {
        self.key_id = id.into();
        self
    }

    /// Signs with raw `r‖s` over the hash of the curve, as RFC 9421 has it.
    pub fn raw_ecdsa(mut self) -> Self {
        self.encoding = SignatureEncoding::Raw;
        self
    }

    /// The header `upvest-signature-version`, whatever is signed.
    pub fn version(mut self, version: Option<&str>) -> Self {
        self.version = version.map(str::to_owned);
        self
    }

    /// Signs as draft 6: bare names, and SHA-256 in `digest`.
    pub fn draft6(mut self) -> Self {
        self.quoted = false;
        self.version(None)
    }

    /// Signs bare or quoted names, whatever else.
    pub fn quoted(mut self, quoted: bool) -> Self {
        self.quoted = quoted;
        self
    }

    /// The digest field to send instead of the right one; an empty name sends none.
    pub fn digest(mut self, name: &str, value: &str) -> Self {
        self.digest = Some((name.into(), value.into()));
        self
    }

    pub fn times(mut self, created: Option<i64>, expires: Option<i64>) -> Self {
        (self.created, self.expires) = (created, expires);
        self
    }

    pub fn nonce(mut self, nonce: Option<&str>) -> Self {
        self.nonce = nonce.map(str::to_owned);
        self
    }

    /// More signature parameters, as text.
    pub fn parameters(mut self, text: &str) -> Self {
        self.more = text.into();
        self
    }

    /// Covers exactly these components.
    pub fn covering(mut self, components: &[&str]) -> Self {
        self.covered = Some(components.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// Signs another value for a component than is sent.
    pub fn signed_as(mut self, component: &str, value: &str) -> Self {
        self.signed_as.push((component.into(), value.into()));
        self
    }

    /// Changes the base just before it is signed.
    pub fn spoilt(mut self, spoil: fn(String) -> String) -> Self {
        self.spoil = spoil;
        self
    }

    pub async fn send(self) -> Answer {
        self.sign().send().await
    }

    pub fn sign(mut self) -> Sent {
        if !self.body.is_empty() {
            let (name, value) = self.digest.take().unwrap_or_else(|| digest_of(self.quoted, &self.body));
            if !name.is_empty() {
                self = self.header(&name, &value);
            }
            if self.headers.iter().all(|(name, _)| name != "content-length") {
                let length = self.body.len().to_string();
                self = self.header("content-length", &length);
            }
        }
        let components = self.covered.clone().unwrap_or_else(|| self.everything());
        let list: Vec<String> = components.iter().map(|name| format!("\"{name}\"")).collect();
        let mut input = format!("({})", list.join(" "));
        let _ = write!(input, ";keyid=\"{}\"", self.key_id);
        self.created.iter().for_each(|at| _ = write!(input, ";created={at}"));
        self.expires.iter().for_each(|at| _ = write!(input, ";expires={at}"));
        self.nonce.iter().for_each(|nonce| _ = write!(input, ";nonce=\"{nonce}\""));
        input += &self.more;
        let mut base = String::new();
        for name in &components {
            let value = self.value(name);
            let _ = if self.quoted {
                writeln!(base, "\"{name}\": {value}")
            } else {
                writeln!(base, "{name}: {value}")
            };
        }
        base += if self.quoted { "\"@signature-params\": " } else { "@signature-params: " };
        base += &input;
        base = (self.spoil)(base);
        let signature = self.key.key.sign(base.as_bytes(), self.encoding).unwrap();
        let mut headers = self.headers;
        headers.push(("signature-input".into(), format!("sig1={input}")));
        headers.push(("signature".into(), format!("sig1=:{}:", BASE64_STANDARD.encode(signature))));
        headers.extend(self.version.map(|version| ("upvest-signature-version".into(), version)));
        let (method, target, body) = (self.method, self.target, self.body);
        Sent { wire: self.wire, method, target, headers, body, base }
    }

    fn everything(&self) -> Vec<String> {
        let query = self.target.contains('?').then_some("@query");
        let authority = self.signed_as.iter().any(|(name, _)| name == "@authority").then_some("@authority");
        let derived = ["@method", "@path"].into_iter().chain(query).chain(authority);
        derived.chain(self.headers.iter().map(|(name, _)| name.as_str())).map(str::to_owned).collect()
    }

    fn value(&self, component: &str) -> String {
        if let Some((_, value)) = self.signed_as.iter().find(|(name, _)| name == component) {
            return value.clone();
        }
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let authority = self.wire.address();
        match component {
            "@method" => self.method.clone(),
            "@path" => path.into(),
            "@query" => format!("?{query}"),
            "@authority" => authority.to_string(),
            "@scheme" => "http".into(),
            "@request-target" => self.target.clone(),
            "@target-uri" => format!("http://{authority}{}", self.target),
            name => {
                let values = self.headers.iter().filter(|(own, _)| own == name);
                values.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// The digest field that the vendor's clients send.
pub fn digest_of(draft15: bool, body: &[u8]) -> (String, String) {
    if draft15 {
        let hash = BASE64_STANDARD.encode(digest::digest(&SHA512, body));
        ("content-digest".into(), format!("sha-512=:{hash}:"))
    } else {
        let hash = BASE64_STANDARD.encode(digest::digest(&SHA256, body));
        ("digest".into(), format!("SHA-256={hash}"))
    }
}

/// A signed request: any change from here on is a forgery.
#[derive(Clone)]
pub struct Sent {
    pub wire: Arc<Wire>,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub base: String,
}

impl Sent {
    pub fn get(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map_or_else(|| panic!("no header {name}"), |(_, value)| value.as_str())
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        match self.headers.iter_mut().find(|(own, _)| own == name) {
            Some((_, slot)) => value.clone_into(slot),
            None => self.headers.push((name.into(), value.into())),
        }
        self
    }

    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self
    }

    /// As it stands on the wire; a body without `content-length` is chunked.
    pub fn wire_bytes(&self) -> Vec<u8> {
        let mut text =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, self.target, self.wire.address());
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let framed = self.body.is_empty()
            || self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if framed {
            text += "\r\n";
            return [text.as_bytes(), &self.body].concat();
        }
        let _ = write!(text, "transfer-encoding: chunked\r\n\r\n{:x}\r\n", self.body.len());
        [text.as_bytes(), &self.body, b"\r\n0\r\n\r\n"].concat()
    }

    pub async fn send(&self) -> Answer {
        self.wire.exchange(&self.wire_bytes()).await.sound(&self.method)
    }

    /// Over a connection of its own that ends with the request: framing may lie.
    pub async fn send_alone(&self, then_close: bool) -> Option<Answer> {
        self.wire.raw(&self.wire_bytes(), then_close).await
    }

    pub async fn send_from(&self, source: [u8; 4]) -> Answer {
        self.wire.raw_from(source, &self.wire_bytes()).await.unwrap().sound(&self.method)
    }
}
