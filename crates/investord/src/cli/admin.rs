//! `tenant`, `client`, `key` and `master-key`: administration of the register.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use comfy_table::{Table, TableStyle};
use http_message_signatures::PublicKey;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Location, parse, parse_master_key};
use crate::clock::{Clock, SystemClock, SystemIds};
use crate::config::Secret;
use crate::domain::tenants::TenantSettings;
use crate::provision::{self, NewClient};
use crate::store::tenants::clients;
use crate::store::tenants::clients::{ClientRow, KeyRow};
use crate::store::tenants::signature_counts;
use crate::store::tenants::signature_counts::SignatureCount;
use crate::store::tenants::{self, TenantRow};
use crate::store::{StoreError, Tx};

// The options that all administration commands share.
#[derive(Args)]
pub struct Common {
    #[command(flatten)]
    pub location: Location,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

impl Common {
    /// Prints a value, as JSON or as a table.
    pub fn show(&self, value: &Value) {
        if self.json { println!("{value}") } else { println!("{}", table(value)) }
    }
}

/// Formats an object as lines of name and value, and an array of objects as a table with the columns of its first
/// object.
pub fn table(value: &Value) -> String {
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    };
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    match value {
        Value::Array(rows) => {
            let Some(Value::Object(first)) = rows.first() else { return "none".into() };
            table.set_header(first.keys());
            for row in rows.iter().filter_map(Value::as_object) {
                table.add_row(row.values().map(cell));
            }
        }
        Value::Object(object) => {
            for (name, value) in object {
                table.add_row([name.clone(), cell(value)]);
            }
        }
        other => return cell(other),
    }
    table.trim_fmt()
}

#[derive(Subcommand)]
pub enum TenantCommand {
    /// Make a tenant.
    Create {
        name: String,
        /// A setting, as in `model=TOL`; a value is TOML or a bare word. Repeatable.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        settings: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// All tenants.
    List {
        #[command(flatten)]
        common: Common,
    },
    /// One tenant, with its settings and clients.
    Show {
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Change a setting.
    Set {
        name: String,
        /// As in `strict_signatures=true`.
        #[arg(value_name = "KEY=VALUE", required = true)]
        settings: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
}

/// Parses `key=value`. The value is TOML or, if it does not parse as TOML, a bare word.
fn setting(text: &str) -> anyhow::Result<(String, Value)> {
    let (key, value) =
        text.split_once('=').with_context(|| format!("'{text}' is not of the form KEY=VALUE"))?;
    let parsed: Result<toml::Table, _> = toml::from_str(&format!("value = {value}"));
    let value = match parsed.ok().and_then(|mut table| table.remove("value")) {
        Some(value) => serde_json::to_value(value)?,
        None => json!(value),
    };
    Ok((key.trim().to_owned(), value))
}

/// Formats a tenant with its settings, without its sealed key.
fn tenant_json(tenant: &TenantRow) -> Value {
    let mut shown = json!({ "name": tenant.name, "created_at": tenant.created_at.to_string() });
    if let (Some(shown), Ok(Value::Object(settings))) =
        (shown.as_object_mut(), serde_json::to_value(&tenant.settings))
    {
        shown.extend(settings);
    }
    shown
}

/// Formats a client, without its secret. `if_strict` is `null` until a signature of the client has been counted
/// (decision W21).
fn client_json(client: &ClientRow, count: Option<&SignatureCount>) -> Value {
    let scopes: Vec<&str> = client.scopes.split(' ').collect();
    json!({
        "id": client.id,
        "created_at": client.created_at.to_string(),
        "scopes": scopes,
        "if_strict": count.map(if_strict),
    })
}

/// Formats the numbers of signatures that strict signatures would have accepted and refused (decision W21).
fn if_strict(count: &SignatureCount) -> Value {
    let (refused_at, reason) =
        count.last_refused.as_ref().map(|(at, reason)| (at.to_string(), reason)).unzip();
    json!({
        "since": count.since.to_string(),
        "last_at": count.last_at.to_string(),
        "taken": count.taken,
        "refused": count.refused,
        "refused_at": refused_at,
        "reason": reason,
    })
}

impl TenantCommand {
    /// Runs the command and prints the tenants.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be opened, a setting is invalid, or the tenant exists already or does not exist.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            TenantCommand::Create { name, settings, common } => {
                let mut wanted = TenantSettings::default();
                for text in &settings {
                    let (key, value) = setting(text)?;
                    wanted = wanted.with(&key, value).map_err(anyhow::Error::msg)?;
                }
                let tenant = common.location.provisioner()?.create_tenant(name, wanted).await?;
                common.show(&tenant_json(&tenant));
            }
            TenantCommand::List { common } => {
                let all = common.location.store()?.read("tenants.list", tenants::all).await?;
                common.show(&all.iter().map(tenant_json).collect());
            }
            TenantCommand::Show { name, common } => {
                let read = move |tx: &Tx<'_>| {
                    let tenant = provision::tenant(tx, &name)?;
                    let clients = clients::of_tenant(tx, tenant.number)?;
                    let mut shown = tenant_json(&tenant);
                    shown["users"] = json!(tenants::sequence::count_users(tx, tenant.number)?);
                    let mut shown_clients = Vec::new();
                    for client in &clients {
                        let count = signature_counts::of_client(tx, client.id)?;
                        shown_clients.push(client_json(client, count.as_ref()));
                    }
                    shown["clients"] = Value::Array(shown_clients);
                    Ok::<_, anyhow::Error>(shown)
                };
                common.show(&common.location.store()?.read("tenants.show", read).await?);
            }
            TenantCommand::Set { name, settings, common } => {
                let changes: anyhow::Result<Vec<_>> = settings.iter().map(|text| setting(text)).collect();
                let tenant = common.location.provisioner()?.set(name, changes?).await?;
                common.show(&tenant_json(&tenant));
            }
        }
        Ok(())
    }
}

#[derive(Args)]
pub struct GivenSecret {
    /// A secret that exists already; otherwise one is made. Prefer --secret-file: arguments can be seen.
    #[arg(long, conflicts_with = "secret_file")]
    secret: Option<String>,
    /// File with a secret that exists already.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl GivenSecret {
    /// Returns the secret of the file or of the option, or `None` if the command has to generate one.
    fn read(self) -> anyhow::Result<Option<Secret>> {
        match self.secret_file {
            Some(file) => {
                let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                // Editors end a file with a line break, which is not part of the secret.
                Ok(Some(Secret(text.trim_end().to_owned())))
            }
            None => Ok(self.secret.map(Secret)),
        }
    }
}

#[derive(Subcommand)]
pub enum ClientCommand {
    /// Make a client; its secret is shown once.
    Create {
        #[arg(long)]
        tenant: String,
        /// An id that exists already; otherwise one is made.
        #[arg(long, value_parser = parse::uuid)]
        id: Option<Uuid>,
        #[command(flatten)]
        secret: GivenSecret,
        /// Scopes it may ask for; repeatable.
        #[arg(long = "scope", default_values = ["users:admin", "users:read"])]
        scopes: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Replace the secret of a client; the old one is refused within a second.
    RotateSecret {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[command(flatten)]
        secret: GivenSecret,
        /// End the access tokens that were given under the old secret.
        #[arg(long)]
        end_tokens: bool,
        #[command(flatten)]
        common: Common,
    },
}

impl ClientCommand {
    /// Runs the command and prints the secret, which cannot be read from the database later.
    ///
    /// # Errors
    ///
    /// Fails if the tenant or the client does not exist, or the secret or a scope is invalid.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            ClientCommand::Create { tenant, id, secret, scopes, common } => {
                let new = NewClient { id, secret: secret.read()?, scopes: scopes.clone() };
                let (id, secret) = common.location.provisioner()?.create_client(tenant, new).await?;
                common.show(&json!({ "id": id, "secret": secret.0, "scopes": scopes }));
            }
            ClientCommand::RotateSecret { id, secret, end_tokens, common } => {
                let rotated =
                    common.location.provisioner()?.rotate_secret(id, secret.read()?, end_tokens).await?;
                common.show(&json!({ "id": id, "secret": rotated.0 }));
            }
        }
        Ok(())
    }
}

#[derive(Subcommand)]
pub enum KeyCommand {
    /// Register a public key: SPKI PEM or JWK, P-256, P-384, P-521 or Ed25519.
    Add {
        file: PathBuf,
        #[arg(long, value_parser = parse::uuid)]
        client: Uuid,
        /// An id that exists already; otherwise one is made.
        #[arg(long, value_parser = parse::uuid)]
        id: Option<Uuid>,
        #[command(flatten)]
        common: Common,
    },
    /// Keys of one client, or of all clients of a tenant.
    List {
        #[arg(long, required_unless_present = "tenant", value_parser = parse::uuid)]
        client: Option<Uuid>,
        #[arg(long, conflicts_with = "client")]
        tenant: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Revoke a key; it is refused within a second.
    Revoke {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[command(flatten)]
        common: Common,
    },
}

/// Formats the metadata of a public key.
fn key_json(key: &KeyRow) -> Result<Value, StoreError> {
    let public =
        PublicKey::from_spki_der(&key.spki).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(json!({
        "id": key.id,
        "client": key.client,
        "kind": public.algorithm().name(),
        "created_at": key.created_at.to_string(),
        "revoked_at": key.revoked_at.map(|at| at.to_string()),
    }))
}

impl KeyCommand {
    /// Runs the command and prints the keys.
    ///
    /// # Errors
    ///
    /// Fails if the file is no public key, or the client, tenant or key does not exist.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            KeyCommand::Add { file, client, id, common } => {
                let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                let key = PublicKey::from_text(&text).with_context(|| file.display().to_string())?;
                let kind = key.algorithm().name();
                let id = common.location.provisioner()?.add_key(client, id, key).await?;
                common.show(&json!({ "id": id, "client": client, "kind": kind }));
            }
            KeyCommand::List { client, tenant, common } => {
                let read = move |tx: &Tx<'_>| {
                    let clients = match (client, &tenant) {
                        (Some(client), _) => vec![client],
                        (None, name) => {
                            let tenant = provision::tenant(tx, name.as_deref().unwrap_or_default())?;
                            clients::of_tenant(tx, tenant.number)?.iter().map(|client| client.id).collect()
                        }
                    };
                    let mut shown = Vec::new();
                    for client in clients {
                        for key in clients::keys_of(tx, client)? {
                            shown.push(key_json(&key)?);
                        }
                    }
                    Ok::<_, anyhow::Error>(Value::Array(shown))
                };
                common.show(&common.location.store()?.read("client_keys.list", read).await?);
            }
            KeyCommand::Revoke { id, common } => {
                let (store, now) = (common.location.store()?, SystemClock::default().now());
                provision::revoke_key(&store, id, Arc::new(SystemIds), now).await?;
                common.show(&json!({ "id": id, "revoked": true }));
            }
        }
        Ok(())
    }
}

#[derive(Subcommand)]
pub enum MasterKeyCommand {
    /// Wrap every tenant's key with another master key. Users' rows are not touched. Stop the server first,
    /// and start it again with the new key.
    Rotate {
        /// File with the new key: 32 random bytes in base64.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        common: Common,
    },
}

impl MasterKeyCommand {
    /// Wraps the tenants' keys with another master key and prints the number of tenants.
    ///
    /// # Errors
    ///
    /// Fails if the new key is invalid, or a server uses the database.
    pub async fn run(self) -> anyhow::Result<()> {
        let MasterKeyCommand::Rotate { to, common } = self;
        let text = std::fs::read_to_string(&to).with_context(|| to.display().to_string())?;
        let next = parse_master_key(&Secret(text))?;
        let fingerprint = next.fingerprint().to_owned();
        // A running server keeps the old master key in memory, with which it could not open the rewrapped keys.
        super::lock::ensure_not_served(&common.location.config()?.database()?)?;
        let tenants = common.location.provisioner()?.rotate_master_key(next).await?;
        common.show(&json!({ "tenants": tenants, "master_key": fingerprint }));
        Ok(())
    }
}
