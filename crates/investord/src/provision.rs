//! Creates and changes tenants, clients and keys.

pub mod administration;
mod master_key;
mod operators;
pub mod provider_accounts;
mod reach;
mod tenants_and_clients;
mod tenants_file;

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http_message_signatures::PublicKey;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;

use crate::clock::{Clock, Ids};
use crate::config::Secret;
use crate::domain::register_event::{RegisterActor, RegisterEvent, RegisterEventType, RegisterSubject};
use crate::domain::suggest::did_you_mean;
use crate::domain::tenants::{SCOPES, TenantNumber, TenantSettings};
use crate::store::encryption::{MasterKey, TenantKey};
use crate::store::log::register_events;
use crate::store::tenants::clients;
use crate::store::tenants::clients::{ClientRow, KeyRow};
use crate::store::tenants::tokens;
use crate::store::tenants::{self, TenantRow};
use crate::store::{Store, StoreError, Tx};

pub use tenants_file::DeclaredTenants;

/// The reason why a change was refused. Nothing has been changed.
#[derive(Debug, Error)]
pub enum ProvisionError {
    /// The change contradicts the rules or the stored rows; with a message for the administrator.
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value is invalid; with the name of its field and a message.
    #[error("{1}")]
    Field(&'static str, String),
    /// The change would have succeeded; the error only rolls it back.
    #[error("nothing was to be kept")]
    Rehearsed,
}

/// Refuses a change with a message.
fn refuse<T>(message: impl Into<String>) -> Result<T, ProvisionError> {
    Err(ProvisionError::Invalid(message.into()))
}

/// The parts that provisioning needs. It is cloned into units of work.
#[derive(Clone)]
pub struct Provisioner {
    pub store: Store,
    pub master_key: Arc<MasterKey>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

/// A client to create. An id or secret that is `None` is generated.
#[derive(Clone)]
pub struct NewClient {
    pub id: Option<Uuid>,
    pub secret: Option<Secret>,
    pub scopes: Vec<String>,
}

impl Provisioner {
    /// Creates a tenant.
    ///
    /// # Errors
    ///
    /// Fails if the name is invalid or exists, or the other tenants have another master key.
    pub async fn create_tenant(
        &self,
        name: String,
        settings: TenantSettings,
    ) -> Result<TenantRow, ProvisionError> {
        let this = self.clone();
        self.store
            .write_serializable("tenants.create", move |tx| {
                if tenants::by_name(tx, &name)?.is_some() {
                    return refuse(format!("there is a tenant '{name}' already"));
                }
                let new = this.insert_tenant(tx, &name, &settings)?;
                let (subject, settings) = (RegisterSubject::Tenant(name.clone()), json!(settings));
                this.record(tx, RegisterEventType::TenantCreated, subject, Value::Null, settings)?;
                Ok(new)
            })
            .await
    }

    /// Changes settings, all of them or none.
    ///
    /// # Errors
    ///
    /// Fails if the tenant does not exist or a setting is invalid.
    pub async fn set(
        &self,
        name: String,
        changes: Vec<(String, serde_json::Value)>,
    ) -> Result<TenantRow, ProvisionError> {
        let this = self.clone();
        self.store
            .write_serializable("tenants.set", move |tx| {
                let mut tenant = tenant(tx, &name)?;
                let old = json!(tenant.settings);
                for (key, value) in &changes {
                    tenant.settings =
                        tenant.settings.with(key, value.clone()).map_err(ProvisionError::Invalid)?;
                }
                tenants::set_settings(tx, tenant.number, &tenant.settings)?;
                let (subject, new) = (RegisterSubject::Tenant(name.clone()), json!(tenant.settings));
                this.record(tx, RegisterEventType::TenantSettingsChanged, subject, old, new)?;
                Ok(tenant)
            })
            .await
    }

    /// Creates a client and returns its id and secret. The database keeps only a MAC of the secret.
    ///
    /// # Errors
    ///
    /// Fails if the tenant does not exist, the client exists, or the secret or a scope is invalid.
    pub async fn create_client(
        &self,
        tenant_name: String,
        new: NewClient,
    ) -> Result<(Uuid, Secret), ProvisionError> {
        let this = self.clone();
        self.store
            .write_serializable("clients.create", move |tx| {
                let tenant = tenant(tx, &tenant_name)?;
                let id = new.id.unwrap_or_else(|| this.ids.uuid());
                let secret = new.secret.clone().unwrap_or_else(|| this.generate_secret());
                if clients::by_id(tx, id)?.is_some() {
                    return refuse(format!("there is a client '{id}' already"));
                }
                this.insert_client(tx, &tenant, id, &secret, &new.scopes, false)?;
                let created = json!({ "client": id, "scopes": new.scopes });
                let subject = RegisterSubject::Tenant(tenant_name.clone());
                this.record(tx, RegisterEventType::ClientCreated, subject, Value::Null, created)?;
                Ok((id, secret))
            })
            .await
    }

    /// Replaces the secret of a client. Tokens issued under the old secret stay valid unless `end_tokens` is set.
    ///
    /// # Errors
    ///
    /// Fails if the client does not exist or the secret is invalid.
    pub async fn rotate_secret(
        &self,
        id: Uuid,
        secret: Option<Secret>,
        end_tokens: bool,
        overlap: SignedDuration,
    ) -> Result<Secret, ProvisionError> {
        let this = self.clone();
        let until = overlap.is_positive().then(|| self.clock.now() + overlap);
        self.store
            .write_serializable("clients.rotate_secret", move |tx| {
                let secret = secret.clone().unwrap_or_else(|| this.generate_secret());
                let secret = this.replace_secret(tx, id, secret, end_tokens, until)?;
                let (subject, new) = (RegisterSubject::Client(id), json!({ "end_tokens": end_tokens }));
                this.record(tx, RegisterEventType::ClientSecretRotated, subject, Value::Null, new)?;
                Ok(secret)
            })
            .await
    }

    /// Replaces the secret of a client, and returns it. The old one is taken until an instant, too.
    fn replace_secret(
        &self,
        tx: &Tx<'_>,
        id: Uuid,
        secret: Secret,
        end_tokens: bool,
        overlap_until: Option<Timestamp>,
    ) -> Result<Secret, ProvisionError> {
        let client = client(tx, id)?;
        check_secret(&secret)?;
        let mac = self.open_tenant_key(tx, client.tenant)?.secret_mac(&id, &secret.0);
        clients::rotate_secret(tx, id, &mac, overlap_until.map(|until| (&*client.secret, until)))?;
        if end_tokens {
            tokens::delete_of_client(tx, id)?;
        }
        Ok(secret)
    }

    /// Registers a public key of a client and returns the id of the key.
    ///
    /// # Errors
    ///
    /// Fails if the client does not exist or the key id does.
    pub async fn add_key(
        &self,
        client_id: Uuid,
        id: Option<Uuid>,
        key: PublicKey,
        expires_at: Option<Timestamp>,
    ) -> Result<Uuid, ProvisionError> {
        let this = self.clone();
        self.store
            .write_serializable("client_keys.add", move |tx| {
                client(tx, client_id)?;
                let id = id.unwrap_or_else(|| this.ids.uuid());
                if clients::key_by_id(tx, id)?.is_some() {
                    return refuse(format!("there is a key '{id}' already"));
                }
                clients::insert_key(tx, id, client_id, key.spki_der(), this.clock.now(), expires_at)?;
                let (subject, new) = (RegisterSubject::Client(client_id), json!({ "key": id }));
                this.record(tx, RegisterEventType::ClientKeyAdded, subject, Value::Null, new)?;
                Ok(id)
            })
            .await
    }

    /// Records what a command on the machine has done, in the commit of what it tells.
    fn record(
        &self,
        tx: &Tx<'_>,
        kind: RegisterEventType,
        subject: RegisterSubject,
        old: Value,
        new: Value,
    ) -> Result<(), ProvisionError> {
        let event = RegisterEvent::new(kind, RegisterActor::Machine, subject).with_change(old, new);
        Ok(register_events::record(tx, &*self.ids, self.clock.now(), &event)?)
    }

    /// Inserts a tenant with a key of its own.
    fn insert_tenant(
        &self,
        tx: &Tx<'_>,
        name: &str,
        settings: &TenantSettings,
    ) -> Result<TenantRow, ProvisionError> {
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return refuse("the name of a tenant has 1 to 100 characters and no control characters");
        }
        let all = tenants::all(tx)?;
        self.check_master_key(&all)?;
        let number = all.last().map_or(1, |last| last.number.0 + 1);
        let number = TenantNumber(number);
        let tenant = TenantRow {
            number,
            name: name.to_owned(),
            settings: settings.clone(),
            sealed_key: self.master_key.new_tenant_key(number, &*self.ids),
            master_key: self.master_key.fingerprint().to_owned(),
            created_at: self.clock.now(),
            suspended_at: None,
        };
        tenants::insert(tx, &tenant)?;
        Ok(tenant)
    }

    /// Verifies that the configured master key is the one that seals the keys of all tenants.
    ///
    /// # Errors
    ///
    /// Fails with the name of a tenant whose key is sealed by another master key.
    pub fn check_master_key(&self, tenants: &[TenantRow]) -> Result<(), ProvisionError> {
        let own = self.master_key.fingerprint();
        match tenants.iter().find(|tenant| tenant.master_key != own) {
            None => Ok(()),
            Some(TenantRow { name, master_key, .. }) => refuse(format!(
                "the configured master key ({own}) is not the one that seals tenant '{name}' ({master_key})"
            )),
        }
    }

    /// Inserts a client. `declared` means that the secret is from a tenants file.
    fn insert_client(
        &self,
        tx: &Tx<'_>,
        tenant: &TenantRow,
        id: Uuid,
        secret: &Secret,
        scopes: &[String],
        declared: bool,
    ) -> Result<(), ProvisionError> {
        let scopes = check_scopes(scopes)?;
        check_secret(secret)?;
        let secret = self.open_tenant_key(tx, tenant.number)?.secret_mac(&id, &secret.0);
        let (tenant, declared, created_at) =
            (tenant.number, declared.then(|| secret.clone()), self.clock.now());
        let (disabled_at, old_secret) = (None, None);
        let new = ClientRow { id, tenant, secret, declared, scopes, created_at, disabled_at, old_secret };
        Ok(clients::insert(tx, &new)?)
    }

    /// Opens the key of a tenant.
    fn open_tenant_key(&self, tx: &Tx<'_>, tenant: TenantNumber) -> Result<TenantKey, ProvisionError> {
        match tenants::by_number(tx, tenant)? {
            Some(tenant) => Ok(self.master_key.open_tenant_key(tenant.number, &tenant.sealed_key)?),
            None => refuse(format!("there is no tenant {tenant}")),
        }
    }

    /// Generates a secret of 256 bits: of a client, or an invitation.
    fn generate_secret(&self) -> Secret {
        let mut bytes = [0; 32];
        self.ids.secret(&mut bytes);
        Secret(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Revokes a key. It needs no master key, so that it can be done in an emergency.
///
/// # Errors
///
/// Fails if the key does not exist or is revoked already.
pub async fn revoke_key(
    store: &Store,
    id: Uuid,
    ids: Arc<dyn Ids>,
    now: Timestamp,
) -> Result<(), ProvisionError> {
    store
        .write_serializable("client_keys.revoke", move |tx| match clients::key_by_id(tx, id)? {
            None => refuse(format!("there is no key '{id}'")),
            Some(KeyRow { revoked_at: Some(at), .. }) => {
                refuse(format!("the key '{id}' was revoked at {at}"))
            }
            Some(_) => {
                clients::revoke_key(tx, id, now)?;
                let (kind, subject) = (RegisterEventType::ClientKeyRevoked, RegisterSubject::ClientKey(id));
                let event = RegisterEvent::new(kind, RegisterActor::Machine, subject);
                Ok(register_events::record(tx, &*ids, now, &event)?)
            }
        })
        .await
}

/// Returns the tenant of this name.
///
/// # Errors
///
/// Fails with the name that was probably meant if there is no such tenant.
pub fn tenant(tx: &Tx<'_>, name: &str) -> Result<TenantRow, ProvisionError> {
    if let Some(found) = tenants::by_name(tx, name)? {
        return Ok(found);
    }
    let all = tenants::all(tx)?;
    let meant = did_you_mean(name, all.iter().map(|one| &*one.name));
    refuse(format!("there is no tenant '{name}'{meant}"))
}

/// Returns the client of this id.
fn client(tx: &Tx<'_>, id: Uuid) -> Result<ClientRow, ProvisionError> {
    clients::by_id(tx, id)?.map_or_else(|| refuse(format!("there is no client '{id}'")), Ok)
}

/// Verifies scopes and joins them with spaces (RFC 6749 section 3.3).
fn check_scopes(scopes: &[String]) -> Result<String, ProvisionError> {
    match scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        Some(scope) => {
            let meant = did_you_mean(scope, SCOPES.iter().copied());
            refuse(format!("'{scope}' is not a scope of this API{meant}; there are {}", SCOPES.join(", ")))
        }
        None if scopes.is_empty() => refuse("a client needs at least one scope"),
        None => Ok(scopes.join(" ")),
    }
}

/// Minimum number of characters of a secret: 128 bits in base64, which cannot be guessed.
const LEAST_SECRET: usize = 22;
/// Maximum number of characters of a secret.
const MAX_SECRET: usize = 1000;

/// Verifies the length of a secret.
fn check_secret(secret: &Secret) -> Result<(), ProvisionError> {
    match secret.0.chars().count() {
        LEAST_SECRET..=MAX_SECRET => Ok(()),
        _ => refuse(format!(
            "a secret has {LEAST_SECRET} to {MAX_SECRET} characters, as `openssl rand -base64 32` makes it"
        )),
    }
}
