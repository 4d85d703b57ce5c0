//! A folder with everything a server needs: configuration, master key, a tenant, a client and its keys.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use http_message_signatures::Algorithm;
use investord::clock::SystemIds;
use investord::config;
use investord::store::Database;
use investord::store::encryption::MasterKey;
use investord::store::engine::migrate;
use investord::store::engine::postgres::connection_settings::Tuning;
use serde_json::json;
use tempfile::TempDir;
use testing::client::{Client, Key, uuid};

use crate::load;
use crate::requests::{Ask, LIFETIME, Proof, SCOPES, Sender};
use crate::server::{self, Process, Question, Service};

pub const KEYS: [Algorithm; 2] = [Algorithm::P521, Algorithm::Ed25519];
pub const TENANT: &str = "bench";

#[derive(Clone, Copy)]
pub enum Level {
    Warn,
    Info,
}

/// Where the rows of a register are.
pub enum Register {
    /// A folder.
    Sqlite(PathBuf),
    /// A URL, and the process of the server if it is one of this machine.
    Postgres(String, Option<u32>),
}

impl Register {
    pub fn database(&self) -> anyhow::Result<Database> {
        match self {
            Self::Sqlite(folder) => Ok(Database::Sqlite(folder.join("investord.db"))),
            Self::Postgres(url, _) => config::database(url, &Tuning::default()),
        }
    }

    pub fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(..) => "PostgreSQL",
        }
    }
}

pub struct World {
    folder: TempDir,
    /// A copy: a build that goes on beside the run must not change what is measured.
    binary: PathBuf,
    pub client_id: String,
    pub client_secret: String,
    keys: [(Algorithm, Key); 2],
    number: Cell<u32>,
}

impl World {
    /// Of the server of this build, or of another binary.
    pub fn new(parent: &Path, other: Option<&Path>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("main_path-").tempdir_in(parent)?;
        let keys = KEYS.map(|kind| (kind, Key::new(kind)));
        let binary = folder.path().join("investord");
        fs::copy(other.unwrap_or(Path::new(env!("CARGO_BIN_EXE_investord"))), &binary)?;
        let (client_id, client_secret, number) = (uuid(), uuid(), Cell::default());
        let world = Self { folder, binary, client_id, client_secret, keys, number };
        world.write("master.key", &MasterKey::generate_base64(&SystemIds))?;
        let keys = world
            .keys
            .iter()
            .map(|(_, key)| json!({ "id": key.id, "public_key": key.pair.public_key().to_spki_pem() }));
        let client = json!({
            "id": world.client_id,
            "secret": world.client_secret,
            "scopes": SCOPES.split(' ').collect::<Vec<_>>(),
            "key": keys.collect::<Vec<_>>(),
        });
        let tenant = json!({ "name": TENANT, "model": "BYOL", "client": [client] });
        world.write("tenants.toml", &toml::to_string(&json!({ "tenant": [tenant] }))?)?;
        Ok(world)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder().join(name);
        fs::write(&path, text)?;
        // The server refuses keys that others can read.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(path)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn master_key(&self) -> anyhow::Result<MasterKey> {
        let text = fs::read_to_string(self.folder().join("master.key"))?;
        MasterKey::from_base64(&text).map_err(anyhow::Error::msg)
    }

    /// A name that has not been used.
    fn unused(&self, what: &str) -> String {
        self.number.set(self.number.get() + 1);
        format!("{what}-{}", self.number.get())
    }

    /// A register in a folder that has not been there.
    pub fn sqlite(&self) -> anyhow::Result<Register> {
        let folder = self.folder().join(self.unused("data"));
        fs::create_dir(&folder)?;
        Ok(Register::Sqlite(folder))
    }

    /// A register in a database that is empty.
    pub fn postgres(url: String, server: Option<u32>) -> anyhow::Result<Register> {
        let register = Register::Postgres(url, server);
        migrate::run(&register.database()?, &investord::store::CATALOGUE)?;
        Ok(register)
    }

    /// A server in production mode, of so many processes.
    pub fn serve(&self, register: &Register, processes: usize, level: Level) -> anyhow::Result<Service> {
        let start = |_| self.process(register, level, server::free_address()?, server::IS_READY);
        let database = match register {
            Register::Sqlite(_) => None,
            Register::Postgres(_, server) => *server,
        };
        Ok(Service { processes: (0..processes).map(start).collect::<anyhow::Result<_>>()?, database })
    }

    /// One process, which has started when it answers the question. No limits: one client sends everything.
    pub fn process(
        &self,
        register: &Register,
        level: Level,
        address: SocketAddr,
        question: Question<'_>,
    ) -> anyhow::Result<Process> {
        let folder = self.folder();
        let level = match level {
            Level::Warn => "warn",
            Level::Info => "info",
        };
        let (data, database) = match register {
            Register::Sqlite(data) => (data.clone(), None),
            Register::Postgres(url, _) => (folder.join("none"), Some(url)),
        };
        // What is not a default alone: another build may not know every key of this one.
        let mut config = json!({
            "data": data,
            "master_key_file": folder.join("master.key"),
            "tenants": folder.join("tenants.toml"),
            "rate_limit_per_second": 0,
            "failed_checks_per_second": 0,
            "token_lifetime_seconds": 86_400,
            "log": { "format": "json", "level": level },
            "webhooks": { "allow_insecure_targets": true },
        });
        if let Some(database) = database {
            config["database"] = json!(database);
        }
        let config = self.write("investord.toml", &toml::to_string(&config)?)?;
        Process::serve(&self.binary, &config, &folder.join(self.unused("log")), address, question)
    }

    /// A development server on a folder that has not been there.
    pub fn dev(&self) -> anyhow::Result<Process> {
        let folder = self.folder().join(self.unused("dev"));
        Process::dev(&self.binary, &folder, server::free_address()?)
    }

    /// The client's key of this kind.
    pub fn key(&self, kind: Algorithm) -> anyhow::Result<&Key> {
        let key = self.keys.iter().find(|(own, _)| *own == kind);
        Ok(&key.context("no key of this kind")?.1)
    }

    /// The client, signing with its key of this kind.
    pub fn signed(&self, server: SocketAddr, kind: Algorithm, token: &str) -> anyhow::Result<Sender> {
        self.sender(server, Proof::Key(kind), token)
    }

    pub fn sender(&self, server: SocketAddr, proof: Proof, token: &str) -> anyhow::Result<Sender> {
        let key = self.key(proof.kind().unwrap_or(KEYS[0]))?;
        let client = Client::new(server, &self.client_id, &self.client_secret, key);
        let (scopes, token) = (SCOPES.to_owned(), token.to_owned());
        Ok(Sender { client: Client { lifetime: LIFETIME, scopes, token, ..client }, proof })
    }

    pub async fn token(&self, service: &Service) -> anyhow::Result<String> {
        let sender = self.signed(service.address(), Algorithm::Ed25519, "")?;
        let answer = load::once(service.processes[0].address, &sender.prepare(&Ask::Token)?).await?;
        let body: serde_json::Value = serde_json::from_slice(&answer)?;
        Ok(body["access_token"].as_str().context("no access token")?.to_owned())
    }
}
