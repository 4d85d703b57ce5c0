//! Applies a file of tenants, clients and keys.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use httpsig::PublicKey;
use serde::Deserialize;
use uuid::Uuid;

use super::{ProvisionError, Provisioner, check_secret, checked_scopes, refuse};
use crate::config::{Secret, parse_toml};
use crate::store::Tx;
use crate::store::tenants::{self, TenantRow};

/// A file that says which tenants, clients and keys there are to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantsFile {
    #[serde(default, rename = "tenant")]
    tenants: Vec<TenantEntry>,
}

#[derive(Deserialize)]
struct TenantEntry {
    name: String,
    #[serde(default, rename = "client")]
    clients: Vec<ClientEntry>,
    /// Settings by their names; [`Settings::with`] refuses what is none.
    #[serde(flatten)]
    settings: toml::Table,
}

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: Uuid,
    public_key: Option<String>,
    public_key_file: Option<PathBuf>,
}

/// The file with everything that it names read in and parsed.
#[derive(Clone)]
pub struct DeclaredTenant(Vec<(String, toml::Table, Vec<DeclaredClient>)>);

#[derive(Clone)]
struct DeclaredClient {
    id: Uuid,
    secret: Secret,
    scopes: Vec<String>,
    keys: Vec<(Uuid, PublicKey)>,
}

impl DeclaredTenant {
    /// Reads a tenants file; paths in it are relative to the file.
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
    /// Brings into being what the file says, in one commit. Settings that it names, scopes, and a secret that
    /// is new in the file replace what is there; a key that was revoked stays revoked.
    pub async fn apply(&self, wanted: DeclaredTenant) -> Result<(), ProvisionError> {
        let this = self.clone();
        self.store.write_serializable("tenants.apply", move |tx| this.apply_all(tx, &wanted)).await
    }

    /// Does what [`Provisioner::apply`] does, and undoes it: what that would refuse is refused.
    pub async fn rehearse(&self, wanted: DeclaredTenant) -> Result<(), ProvisionError> {
        let this = self.clone();
        let rehearsal = move |tx: &Tx<'_>| {
            this.apply_all(tx, &wanted)?;
            Err::<(), _>(ProvisionError::Rehearsed)
        };
        match self.store.write_serializable("tenants.rehearse", rehearsal).await {
            Err(ProvisionError::Rehearsed) => Ok(()),
            other => other,
        }
    }

    fn apply_all(&self, tx: &Tx<'_>, wanted: &DeclaredTenant) -> Result<(), ProvisionError> {
        for (name, settings, clients) in &wanted.0 {
            let tenant = self.apply_tenant(tx, name, settings)?;
            for client in clients {
                self.apply_client(tx, &tenant, client)?;
            }
        }
        Ok(())
    }

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
        match found {
            None => self.insert_tenant(tx, name, &settings),
            Some(tenant) if tenant.settings == settings => Ok(tenant),
            Some(tenant) => {
                tenants::set_settings(tx, tenant.number, &settings)?;
                Ok(TenantRow { settings, ..tenant })
            }
        }
    }

    fn apply_client(
        &self,
        tx: &Tx<'_>,
        tenant: &TenantRow,
        wanted: &DeclaredClient,
    ) -> Result<(), ProvisionError> {
        let DeclaredClient { id, secret, scopes, keys } = wanted;
        match tenants::client_by_id(tx, *id)? {
            None => self.insert_client(tx, tenant, *id, secret, scopes, true)?,
            Some(client) if client.tenant != tenant.number => {
                return refuse(format!("client {id} belongs to another tenant than '{}'", tenant.name));
            }
            Some(client) => {
                let (scopes, key) = (checked_scopes(scopes)?, self.key_of(tx, tenant.number)?);
                check_secret(secret)?;
                let mac = key.secret_mac(id, &secret.0);
                let changed = client.declared.as_ref() != Some(&mac);
                // A file that says what it said before does not bring a rotated secret back.
                let current = if changed { &mac } else { &client.secret };
                if changed || client.scopes != scopes {
                    tenants::set_client(tx, *id, current, Some(&mac), &scopes)?;
                }
            }
        }
        for (key_id, key) in keys {
            match tenants::key_by_id(tx, *key_id)? {
                None => tenants::insert_key(tx, *key_id, *id, key.spki_der(), self.clock.now())?,
                Some(known) if known.client == *id && known.spki == key.spki_der() => {}
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
