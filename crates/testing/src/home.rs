//! A folder with everything that `serve` needs, and clients of the server that runs in it.

use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_message_signatures::Algorithm;
use investord::clock::{Ids as _, SystemIds};
use serde_json::json;
use tempfile::TempDir;

use crate::client::{Client, Key, uuid};
use crate::patience::until;
use crate::postgres;
use crate::program::{investord, migrate};
use crate::server::{Ready, Server};

/// Where the users are, for those who look past the server.
#[derive(Clone, Debug)]
pub enum Register {
    File(PathBuf),
    /// The URL of a PostgreSQL database.
    Server(String),
}

impl Register {
    /// Returns when the database does nothing for a process that has been killed any more: what that one
    /// had sent may still be on its way to a commit.
    pub fn quiet(&self) {
        let Self::Server(url) = self else { return };
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'";
        until("the database to be quiet", || match postgres::number(url, busy) {
            0 => Ok(()),
            count => Err(format!("{count} connections at work")),
        });
    }
}

/// A folder with a configuration, a master key and a tenants file for `serve`.
pub struct Home {
    folder: TempDir,
    /// The URL in the configuration; without one the register is a file.
    url: Option<String>,
    /// Dropped with the home.
    _database: Option<postgres::Database>,
    pub client: String,
    pub secret: String,
    pub key: Key,
}

impl Home {
    /// `config` is added to a configuration without limits on a free port, and with a migrated database on
    /// the engine of this program unless it names one.
    pub fn new(config: &str) -> Self {
        let named = config.lines().any(|line| line.starts_with("database"));
        let server = if postgres::is_chosen() && !named { postgres::shared() } else { None };
        let database = server.map(|server| server.migrated(migrate));
        let home = Self::make(config, database.as_ref().map(|database| database.url().to_owned()));
        Self { _database: database, ..home }
    }

    /// On a PostgreSQL database of the test's own, which is migrated unless it is already.
    pub fn on(url: &str, config: &str) -> Self {
        migrate(url);
        Self::make(config, Some(url.to_owned()))
    }

    fn make(config: &str, url: Option<String>) -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
            url,
            _database: None,
            client: uuid(),
            secret: format!("secret-{}", uuid()),
            key: Key::new(Algorithm::Ed25519),
        };
        let database = home.url.as_ref().map_or(String::new(), |url| format!("database = \"{url}\"\n"));
        home.write("master.key", &master_key());
        home.write(
            "investord.toml",
            &format!(
                "listen = \"127.0.0.1:0\"\ndata = \"data\"\nmaster_key_file = \"master.key\"\n\
                 tenants = \"tenants.toml\"\nrate_limit_per_second = 0\nfailed_checks_per_second = 0\n\
                 {database}{config}"
            ),
        );
        home.write("tenants.toml", &home.tenants("acme", ""));
        home
    }

    pub fn register(&self) -> Register {
        self.url.clone().map_or_else(|| Register::File(self.database()), Register::Server)
    }

    /// A tenants file with one client and its key; `settings` are lines of the tenant.
    pub fn tenants(&self, name: &str, settings: &str) -> String {
        let (client, secret, key) = (&self.client, &self.secret, &self.key.id);
        format!(
            "[[tenant]]\nname = \"{name}\"\n{settings}\n[[tenant.client]]\nid = \"{client}\"\n\
             secret = \"{secret}\"\nscopes = [\"users:admin\", \"users:read\", \"accounts:admin\", \"checks:admin\", \
             \"taxes:admin\", \"webhooks:admin\"]\n[[tenant.client.key]]\n\
             id = \"{key}\"\npublic_key = '''\n{}'''\n",
            self.key.pair.public_key().to_spki_pem()
        )
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The file of a register on SQLite.
    pub fn database(&self) -> PathBuf {
        self.path("data/investord.db")
    }

    /// A command in this folder; configuration is not named.
    pub fn bare(&self, words: &[&str]) -> Command {
        let mut command = investord(self.folder.path());
        command.args(words);
        command
    }

    /// A command on this folder's register.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.bare(words);
        command.args(["--config", "investord.toml"]);
        command
    }

    pub fn serve(&self) -> Server {
        self.serve_as("server", &[], &[])
    }

    /// A server with a log and perhaps words and variables of its own, for several beside one another.
    pub fn serve_as(&self, log: &str, words: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve"]);
        command.args(words).envs(variables.iter().copied());
        Server::start(command, &self.path(log), Ready::Answers)
    }

    /// Everything that `serve` has printed in this folder.
    pub fn log(&self) -> String {
        ["server.out", "server.err"]
            .map(|name| String::from_utf8_lossy(&std::fs::read(self.path(name)).unwrap()).into_owned())
            .concat()
    }

    /// The tenants file's client, without a token.
    pub fn stranger(&self, server: &Server) -> Client {
        Client::new(server.address, &self.client, &self.secret, &self.key)
    }

    pub async fn caller(&self, server: &Server) -> Client {
        let mut client = self.stranger(server);
        client.renew().await;
        client
    }
}

pub fn master_key() -> String {
    let mut bytes = [0; 32];
    SystemIds.fill(&mut bytes);
    BASE64_STANDARD.encode(bytes)
}

/// The body of a valid create request. A German is active at once; a Pole needs an identifier first.
pub fn person(number: u64) -> Vec<u8> {
    let nationality = if number.is_multiple_of(2) { "DE" } else { "PL" };
    let body = json!({
        "first_name": format!("Anna {number}"),
        "last_name": "Müller",
        "birth_date": "1980-05-17",
        "nationalities": [nationality],
        "address": {
            "address_line1": format!("Unter den Linden {number}"),
            "postcode": "10117",
            "city": "Berlin",
            "country": "DE"
        }
    });
    body.to_string().into_bytes()
}
