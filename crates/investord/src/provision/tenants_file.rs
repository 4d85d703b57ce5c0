//! Applies a file of tenants, clients and keys.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use http_message_signatures::PublicKey;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ProvisionError, Provisioner, check_scopes, check_secret, refuse};
use crate::config::{Secret, parse_toml};
use crate::domain::register_event::{RegisterEventType, RegisterSubject};
use crate::store::Tx;
use crate::store::tenants::clients;
use crate::store::tenants::{self, TenantRow};

/// The contents of a tenants file: the tenants, clients and keys that have to exist.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantsFile {
    #[serde(default, rename = "tenant")]
    tenants: Vec<TenantEntry>,
}

/// A tenant in the file.
#[derive(Deserialize)]
struct TenantEntry {
    name: String,
    #[serde(default, rename = "client")]
    clients: Vec<ClientEntry>,
    /// Settings by name. [`TenantSettings::with`](crate::domain::tenants::TenantSettings::with) refuses unknown names.
    #[serde(flatten)]
    settings: toml::Table,
}

/// A client in the file, with either `secret` or `secret_file`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    id: Uuid,
    secret: Option<Secret>,
    secret_file: Option<PathBuf>,
    scopes: Vec<String>,
    #[serde(default, rename = "key")]
    keys: Vec<KeyEntry>,
}

/// A public key in the file, with either `public_key` or `public_key_file`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: Uuid,
    public_key: Option<String>,
    public_key_file: Option<PathBuf>,
}

/// A tenants file, with all the files that it names read and parsed.
#[derive(Clone)]
pub struct DeclaredTenants(Vec<(String, toml::Table, Vec<DeclaredClient>)>);

/// A client of the file, with its secret and its keys.
#[derive(Clone)]
struct DeclaredClient {
    id: Uuid,
    secret: Secret,
    scopes: Vec<String>,
    keys: Vec<(Uuid, PublicKey)>,
}

impl DeclaredTenants {
    /// Reads a tenants file. Paths in it are relative to the file.
    ///
    /// # Errors
    ///
    /// Fails if the file, or a file that it names, cannot be read or is invalid.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let what = || format!("tenants file {}", file.display());
        let text = std::fs::read_to_string(file).with_context(what)?;
        let parsed: TenantsFile = parse_toml(&text).with_context(what)?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut wanted = Vec::new();
        for TenantEntry { name, clients, settings } in parsed.tenants {
            let clients: anyhow::Result<Vec<_>> =
                clients.into_iter().map(|entry| entry.read(folder)).collect();
            wanted.push((name, settings, clients.with_context(what)?));
        }
        Ok(Self(wanted))
    }
}

impl ClientEntry {
    /// Reads the secret and the keys of a client.
    fn read(self, folder: &Path) -> anyhow::Result<DeclaredClient> {
        let Self { id, secret, secret_file, scopes, keys } = self;
        let secret = match (secret, secret_file) {
            (Some(secret), None) => secret,
            (None, Some(file)) => {
                let text = std::fs::read_to_string(folder.join(&file));
                Secret(text.with_context(|| format!("secret_file {}", file.display()))?.trim_end().to_owned())
            }
            _ => bail!("client {id} needs one of secret and secret_file"),
        };
        let keys: anyhow::Result<Vec<_>> = keys.into_iter().map(|key| key.read(folder)).collect();
        Ok(DeclaredClient { id, secret, scopes, keys: keys? })
    }
}

impl KeyEntry {
    /// Reads a public key.
    fn read(self, folder: &Path) -> anyhow::Result<(Uuid, PublicKey)> {
        let Self { id, public_key, public_key_file } = self;
        let text = match (public_key, public_key_file) {
            (Some(text), None) => text,
            (None, Some(file)) => std::fs::read_to_string(folder.join(&file))
                .with_context(|| format!("public_key_file {}", file.display()))?,
            _ => bail!("key {id} needs one of public_key and public_key_file"),
        };
        Ok((id, PublicKey::from_text(&text).with_context(|| format!("key {id}"))?))
    }
}

impl Provisioner {
    /// Creates and changes the tenants, clients and keys of the file in one commit. Settings and scopes in the file,
    /// and a secret that is new in the file, replace the stored ones; a revoked key stays revoked.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, if a value is invalid or an id belongs to another tenant, client or key.
    pub async fn apply(&self, wanted: DeclaredTenants) -> Result<(), ProvisionError> {
        let this = self.clone();
        self.store.write_serializable("tenants.apply", move |tx| this.apply_all(tx, &wanted)).await
    }

    /// Applies the file in a transaction that is rolled back.
    ///
    /// # Errors
    ///
    /// Fails if [`Provisioner::apply`] would fail.
    pub async fn dry_run(&self, wanted: DeclaredTenants) -> Result<(), ProvisionError> {
        let this = self.clone();
        let rehearsal = move |tx: &Tx<'_>| {
            this.apply_all(tx, &wanted)?;
            // The error makes the store roll the transaction back.
            Err::<(), _>(ProvisionError::Rehearsed)
        };
        match self.store.write_serializable("tenants.rehearse", rehearsal).await {
            Err(ProvisionError::Rehearsed) => Ok(()),
            other => other,
        }
    }

    /// Applies the file within a transaction.
    fn apply_all(&self, tx: &Tx<'_>, wanted: &DeclaredTenants) -> Result<(), ProvisionError> {
        for (name, settings, clients) in &wanted.0 {
            let tenant = self.apply_tenant(tx, name, settings)?;
            for client in clients {
                self.apply_client(tx, &tenant, client)?;
            }
        }
        Ok(())
    }

    /// Creates a tenant, or changes the settings that the file names.
    fn apply_tenant(
        &self,
        tx: &Tx<'_>,
        name: &str,
        changes: &toml::Table,
    ) -> Result<TenantRow, ProvisionError> {
        let found = tenants::by_name(tx, name)?;
        let mut settings = found.as_ref().map(|tenant| tenant.settings.clone()).unwrap_or_default();
        for (key, value) in changes {
            let value =
                serde_json::to_value(value).map_err(|error| ProvisionError::Invalid(error.to_string()))?;
            let next = settings.with(key, value);
            settings =
                next.map_err(|reason| ProvisionError::Invalid(format!("tenant '{name}': {reason}")))?;
        }
        let subject = RegisterSubject::Tenant(name.to_owned());
        match found {
            None => {
                let new = self.insert_tenant(tx, name, &settings)?;
                self.record(tx, RegisterEventType::TenantCreated, subject, Value::Null, json!(settings))?;
                Ok(new)
            }
            Some(tenant) if tenant.settings == settings => Ok(tenant),
            Some(tenant) => {
                tenants::set_settings(tx, tenant.number, &settings)?;
                let (old, new) = (json!(tenant.settings), json!(settings));
                self.record(tx, RegisterEventType::TenantSettingsChanged, subject, old, new)?;
                Ok(TenantRow { settings, ..tenant })
            }
        }
    }

    /// Creates a client, or changes its scopes and its secret; then adds its missing keys.
    fn apply_client(
        &self,
        tx: &Tx<'_>,
        tenant: &TenantRow,
        wanted: &DeclaredClient,
    ) -> Result<(), ProvisionError> {
        let DeclaredClient { id, secret, scopes, keys } = wanted;
        let subject = || RegisterSubject::Client(*id);
        match clients::by_id(tx, *id)? {
            None => {
                self.insert_client(tx, tenant, *id, secret, scopes, true)?;
                let created = json!({ "tenant": tenant.name, "scopes": scopes });
                self.record(tx, RegisterEventType::ClientCreated, subject(), Value::Null, created)?;
            }
            Some(client) if client.tenant != tenant.number => {
                return refuse(format!("client {id} belongs to another tenant than '{}'", tenant.name));
            }
            Some(client) => {
                let (scopes, key) = (check_scopes(scopes)?, self.open_tenant_key(tx, tenant.number)?);
                check_secret(secret)?;
                let mac = key.secret_mac(id, &secret.0);
                let changed = client.declared.as_ref() != Some(&mac);
                // An unchanged file does not restore a secret that was rotated meanwhile.
                let current = if changed { &mac } else { &client.secret };
                if changed {
                    let event = RegisterEventType::ClientSecretRotated;
                    self.record(tx, event, subject(), Value::Null, Value::Null)?;
                }
                if client.scopes != scopes {
                    let (old, new) = (json!(client.scopes), json!(scopes));
                    self.record(tx, RegisterEventType::ClientScopesChanged, subject(), old, new)?;
                }
                if changed {
                    clients::rotate_secret(tx, *id, &mac, None)?;
                }
                if changed || client.scopes != scopes {
                    clients::update(tx, *id, current, Some(&mac), &scopes)?;
                }
            }
        }
        self.apply_keys(tx, *id, keys)
    }

    /// Adds the missing keys of a client.
    fn apply_keys(&self, tx: &Tx<'_>, id: Uuid, keys: &[(Uuid, PublicKey)]) -> Result<(), ProvisionError> {
        for (key_id, key) in keys {
            match clients::key_by_id(tx, *key_id)? {
                None => {
                    clients::insert_key(tx, *key_id, id, key.spki_der(), self.clock.now(), None)?;
                    let new = json!({ "key": key_id });
                    self.record(
                        tx,
                        RegisterEventType::ClientKeyAdded,
                        RegisterSubject::Client(id),
                        Value::Null,
                        new,
                    )?;
                }
                // This includes a revoked key, which stays revoked.
                Some(known) if known.client == id && known.spki == key.spki_der() => {}
                Some(_) => {
                    return refuse(format!(
                        "key {key_id} is there already, with another public key or client"
                    ));
                }
            }
        }
        Ok(())
    }
}
