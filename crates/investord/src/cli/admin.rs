//! `tenant` and `master-key`: administration of the register.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use super::administration::{Common, Why};
use super::clients::client_json;
use super::parse_master_key;
use crate::config::Secret;
use crate::domain::administration::Act;
use crate::domain::tenants::TenantSettings;
use crate::provision;
use crate::store::Tx;
use crate::store::tenants::clients;
use crate::store::tenants::signature_counts;
use crate::store::tenants::{self, TenantRow};

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
    /// Refuse the clients of a tenant from now on, and let its operators read alone.
    Suspend {
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// End the suspension of a tenant.
    Resume {
        name: String,
        #[command(flatten)]
        why: Why,
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
    let suspended_at = tenant.suspended_at.map(|at| at.to_string());
    let created_at = tenant.created_at.to_string();
    let mut shown = json!({ "name": tenant.name, "created_at": created_at, "suspended_at": suspended_at });
    if let (Some(shown), Ok(Value::Object(settings))) =
        (shown.as_object_mut(), serde_json::to_value(&tenant.settings))
    {
        shown.extend(settings);
    }
    shown
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
            TenantCommand::Suspend { name, why } => {
                why.administer(Act::SuspendTenant { tenant: name }).await?;
            }
            TenantCommand::Resume { name, why } => {
                why.administer(Act::ResumeTenant { tenant: name }).await?;
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
