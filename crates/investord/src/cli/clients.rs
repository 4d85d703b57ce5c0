//! `client` and `key`: clients of the API and their public keys.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use http_message_signatures::PublicKey;
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::administration::{Common, Why};
use super::parse;
use crate::clock::{Clock, SystemClock, SystemIds};
use crate::config::Secret;
use crate::domain::administration::Act;
use crate::provision::{self, NewClient};
use crate::store::tenants::clients;
use crate::store::tenants::clients::{ClientRow, KeyRow};
use crate::store::tenants::signature_counts::SignatureCount;
use crate::store::{StoreError, Tx};

/// Formats a client, without its secret. `if_strict` is `null` until a signature of the client has been counted
/// (decision W21).
pub fn client_json(client: &ClientRow, count: Option<&SignatureCount>) -> Value {
    let scopes: Vec<&str> = client.scopes.split(' ').collect();
    json!({
        "id": client.id,
        "created_at": client.created_at.to_string(),
        "disabled_at": client.disabled_at.map(|at| at.to_string()),
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
    /// Refuse a client from now on, and end its access tokens.
    Disable {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[command(flatten)]
        why: Why,
    },
    /// Let a disabled client in again.
    Enable {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[command(flatten)]
        why: Why,
    },
    /// Replace the scopes of a client, and end its access tokens.
    SetScopes {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        /// Scopes it may ask for; repeatable.
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Replace the secret of a client; the old one is refused within a second, or after --overlap-hours.
    RotateSecret {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[command(flatten)]
        secret: GivenSecret,
        /// End the access tokens that were given under the old secret.
        #[arg(long)]
        end_tokens: bool,
        /// Hours for which the old secret is taken, too.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=744))]
        overlap_hours: u16,
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
            ClientCommand::Disable { id, why } => why.administer(Act::DisableClient { client: id }).await?,
            ClientCommand::Enable { id, why } => why.administer(Act::EnableClient { client: id }).await?,
            ClientCommand::SetScopes { id, scopes, why } => {
                why.administer(Act::SetClientScopes { client: id, scopes }).await?;
            }
            ClientCommand::RotateSecret { id, secret, end_tokens, overlap_hours, common } => {
                let (provisioner, overlap) =
                    (common.location.provisioner()?, SignedDuration::from_hours(overlap_hours.into()));
                let rotated = provisioner.rotate_secret(id, secret.read()?, end_tokens, overlap).await?;
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
        /// Days until signatures with it are refused; never without the option.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3660))]
        days: Option<u16>,
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
        "expires_at": key.expires_at.map(|at| at.to_string()),
        "last_used_at": key.used_at.map(|at| at.to_string()),
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
            KeyCommand::Add { file, client, id, days, common } => {
                let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                let key = PublicKey::from_text(&text).with_context(|| file.display().to_string())?;
                let kind = key.algorithm().name();
                let provisioner = common.location.provisioner()?;
                let lifetime = days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
                let expires_at = lifetime.map(|lifetime| provisioner.clock.now() + lifetime);
                let id = provisioner.add_key(client, id, key, expires_at).await?;
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
