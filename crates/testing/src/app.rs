//! The whole server in one line, in the process of the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use http_message_signatures::{Algorithm, SigningKey};
use investord::app::{App, Mode};
use investord::clock::{ManualClock, SeededIds};
use investord::config::{self, Config};
use investord::domain::tenants::{TenantNumber, TenantSettings};
use investord::provision::{NewClient, Provisioner};
use investord::server::{self, Listeners};
use investord::store::encryption::MasterKey;
use investord::store::engine::migrate;
use investord::store::engine::postgres::connection_settings::Tuning;
use investord::store::{Database, Store, StoreError, tenants, users};
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::answer::Answer;
use crate::client::{Client, Key};
use crate::history::{self, ChainedEvent};
use crate::http::Wire;
use crate::patience::PATIENCE;
use crate::postgres;

/// Positions in [`Client::keys`].
pub const P521: usize = 0;
pub const ED25519: usize = 1;

/// The instant at which every test begins.
pub const START: i64 = 1_795_283_727;
pub const SCOPES: &str = "users:admin users:read accounts:admin accounts:read checks:admin checks:read taxes:admin \
    taxes:read webhooks:admin";
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

    /// The tables of a register, and their columns. All registers of a test program have the same.
    fn tables(&self) -> &'static BTreeMap<String, Vec<String>> {
        static TABLES: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
        TABLES.get_or_init(|| {
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
            tables
        })
    }

    /// Reads every row that belongs to a tenant, byte for byte.
    pub fn of_tenant(&self, number: i64) -> String {
        let rows = self.tables().iter().filter_map(|(table, columns)| {
            // The last use of a key is noted for messages that are refused later, too, and once a minute.
            let columns: Vec<_> = columns
                .iter()
                .filter(|column| (&table[..], &column[..]) != ("client_keys", "used_at"))
                .collect();
            let has = |name: &str| columns.iter().any(|own| *own == name);
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
                Self::Server(_) => {
                    let names: Vec<&str> = columns.iter().map(|name| name.as_str()).collect();
                    format!("ROW({})::text", names.join(", "))
                }
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
        let keys = [self.new_key(id, Algorithm::P521).await, self.new_key(id, Algorithm::Ed25519).await];
        let mut client = Client {
            wire: Arc::clone(&self.wire),
            clock: Arc::clone(&self.clock) as _,
            lifetime: 10,
            id: id.to_string(),
            secret: secret.0.clone(),
            scopes: scopes.into(),
            key: keys[ED25519].clone(),
            keys: keys.into(),
            token: String::new(),
        };
        client.renew().await;
        client
    }

    /// Gives the client one more key, its last.
    pub async fn add_key(&self, client: &mut Client, kind: Algorithm) {
        client.keys.push(self.new_key(client.id.parse().unwrap(), kind).await);
    }

    async fn new_key(&self, client: Uuid, kind: Algorithm) -> Key {
        let pair = Arc::new(SigningKey::generate(kind).unwrap());
        let id = self.provisioner().add_key(client, None, pair.public_key().clone(), None).await.unwrap();
        self.pass(1);
        Key { id: id.to_string(), pair }
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
            let own = tenants::open(tx, TenantNumber(tenant), &master_key)?;
            let mut told = Vec::new();
            history::walk(tx, TenantNumber(tenant), |event| {
                // What was done to a webhook is the tenant's own.
                let Some(user) = users::find(tx, &own, event.subject)? else { return Ok(()) };
                let object = serde_json::from_str(&event.open(&user.key)?).unwrap();
                let ChainedEvent { kind, subject, created_at, .. } = event;
                told.push(Told { kind, subject, created_at, object });
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
                "SELECT count(*) FROM tenant_sequences h WHERE h.users <> (SELECT count(*) FROM users u
                 WHERE u.tenant = h.tenant) OR h.events <> (SELECT count(*) FROM events e WHERE e.tenant = h.tenant)",
            ),
        ] {
            assert_eq!(self.number(sql), 0, "there is {what}");
        }
    }
}
