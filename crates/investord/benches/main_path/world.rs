//! A folder with everything a server needs: configuration, master key, a tenant, a client and its keys.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use httpsig::{KeyKind, SigningKey};
use investord::clock::{Ids, SystemIds};
use investord::config::{Config, Log, LogFormat};
use investord::store::seal::MasterKey;
use serde_json::json;
use tempfile::TempDir;

use crate::KEYS;
use crate::load;
use crate::requests::{Ask, SCOPES, Sender};
use crate::server::{self, Server};

#[derive(Clone, Copy)]
pub enum Level {
    Warn,
    Info,
}

pub struct World {
    folder: TempDir,
    /// A copy: a build that goes on beside the run must not change what is measured.
    binary: PathBuf,
    client_id: String,
    client_secret: String,
    keys: Vec<(KeyKind, String, SigningKey)>,
    folders: Cell<u32>,
}

impl World {
    pub fn new(parent: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("main_path-").tempdir_in(parent)?;
        let uuid = || SystemIds.uuid().to_string();
        let mut keys = Vec::new();
        for kind in KEYS {
            keys.push((kind, uuid(), SigningKey::generate(kind)?));
        }
        let binary = folder.path().join("investord");
        fs::copy(env!("CARGO_BIN_EXE_investord"), &binary)?;
        let world =
            Self { folder, binary, client_id: uuid(), client_secret: uuid(), keys, folders: Cell::new(0) };
        world.write("master.key", &MasterKey::generate_base64(&SystemIds))?;
        let keys =
            world.keys.iter().map(|(_, id, key)| json!({ "id": id, "public_key": key.public().spki_pem() }));
        let client = json!({
            "id": world.client_id,
            "secret": world.client_secret,
            "scopes": SCOPES.split(' ').collect::<Vec<_>>(),
            "key": keys.collect::<Vec<_>>(),
        });
        let tenant = json!({ "name": "bench", "model": "BYOL", "client": [client] });
        world.write("tenants.toml", &toml::to_string(&json!({ "tenant": [tenant] }))?)?;
        Ok(world)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the register that is filled.
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// A folder that has not been there.
    pub fn fresh(&self) -> anyhow::Result<PathBuf> {
        self.folders.set(self.folders.get() + 1);
        let folder = self.folder().join(format!("fresh-{}", self.folders.get()));
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// A server in production mode on a folder. No limits: one client sends everything.
    pub fn serve(&self, data: &Path, level: Level) -> anyhow::Result<Server> {
        let folder = self.folder();
        let level = match level {
            Level::Warn => "warn",
            Level::Info => "info",
        };
        let config = Config {
            data: data.to_owned(),
            master_key_file: Some(folder.join("master.key")),
            tenants: Some(folder.join("tenants.toml")),
            rate_limit_per_second: 0,
            failed_checks_per_second: 0,
            token_lifetime_seconds: 86_400,
            log: Log { format: LogFormat::Json, level: level.into() },
            ..Config::default()
        };
        let config = self.write("investord.toml", &toml::to_string(&config)?)?;
        Server::serve(&self.binary, &config, &folder.join("server.log"), server::free_address()?)
    }

    /// A development server on a folder that has not been there.
    pub fn dev(&self) -> anyhow::Result<Server> {
        Server::dev(&self.binary, &self.fresh()?, server::free_address()?)
    }

    /// The client, signing with its key of this kind.
    pub fn sender<'a>(
        &'a self,
        server: &Server,
        kind: KeyKind,
        token: &'a str,
    ) -> anyhow::Result<Sender<'a>> {
        let key = self.keys.iter().find(|(own, ..)| *own == kind);
        let (_, key_id, key) = key.context("no key of this kind")?;
        Ok(Sender {
            authority: server.address.to_string(),
            client_id: &self.client_id,
            client_secret: &self.client_secret,
            key_id,
            key,
            token,
        })
    }

    pub async fn token(&self, server: &Server) -> anyhow::Result<String> {
        let prepared = self.sender(server, KeyKind::Ed25519, "")?.prepare(&Ask::Token)?;
        let body: serde_json::Value = serde_json::from_slice(&load::once(server, &prepared).await?)?;
        Ok(body["access_token"].as_str().context("no access token")?.to_owned())
    }
}
