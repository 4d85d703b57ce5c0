//! Applies acts of administration to tenants and clients.

use http_message_signatures::PublicKey;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{ProvisionError, Provisioner, check_scopes, client, refuse, tenant};
use crate::domain::administration::Act;
use crate::domain::tenants::TenantSettings;
use crate::store::Tx;
use crate::store::tenants;
use crate::store::tenants::{clients, tokens};

impl Provisioner {
    /// Applies an act to a tenant.
    pub(super) fn change_tenant(&self, tx: &Tx<'_>, act: &Act, name: &str) -> Result<(), ProvisionError> {
        if let Act::CreateTenant { settings, .. } = act {
            let wanted = changed(&TenantSettings::default(), settings)?;
            if tenants::by_name(tx, name)?.is_some() {
                return Err(ProvisionError::Field("name", format!("there is a tenant '{name}' already")));
            }
            return self.insert_tenant(tx, name, &wanted).map(drop);
        }
        let found = tenant(tx, name)?;
        match act {
            Act::ChangeTenantSettings { settings, .. } => {
                tenants::set_settings(tx, found.number, &changed(&found.settings, settings)?)?;
            }
            Act::SuspendTenant { .. } => {
                let since = found.suspended_at.unwrap_or_else(|| self.clock.now());
                tenants::set_suspended(tx, found.number, Some(since))?;
            }
            _ => tenants::set_suspended(tx, found.number, None)?,
        }
        Ok(())
    }

    /// Applies an act to a client. Returns what is shown once.
    pub(super) fn change_client(&self, tx: &Tx<'_>, act: &Act) -> Result<Option<Value>, ProvisionError> {
        let now = self.clock.now();
        match act {
            Act::CreateClient { tenant: name, scopes } => {
                let (id, secret) = (self.ids.uuid(), self.generate_secret());
                self.insert_client(tx, &tenant(tx, name)?, id, &secret, scopes, false)?;
                Ok(Some(json!({ "client": id, "secret": secret.0 })))
            }
            Act::SetClientScopes { client: id, scopes } => {
                let found = client(tx, *id)?;
                let scopes = check_scopes(scopes)?;
                clients::update(tx, *id, &found.secret, found.declared.as_deref(), &scopes)?;
                // Tokens of before would keep the scopes that were taken away.
                tokens::delete_of_client(tx, *id)?;
                Ok(None)
            }
            Act::DisableClient { client: id } => {
                let found = client(tx, *id)?;
                clients::set_disabled(tx, *id, Some(found.disabled_at.unwrap_or(now)))?;
                tokens::delete_of_client(tx, *id)?;
                Ok(None)
            }
            Act::EnableClient { client: id } => {
                clients::set_disabled(tx, *id, None)?;
                Ok(None)
            }
            Act::RotateClientSecret { client: id, end_tokens, overlap_hours } => {
                let until = (*overlap_hours > 0).then(|| now + SignedDuration::from_hours(*overlap_hours));
                let secret = self.replace_secret(tx, *id, self.generate_secret(), *end_tokens, until)?;
                Ok(Some(json!({ "client": id, "secret": secret.0 })))
            }
            Act::AddClientKey { client: id, public_key, expires_at } => {
                client(tx, *id)?;
                if expires_at.is_some_and(|end| end <= now) {
                    return Err(ProvisionError::Field("expires_at", "must be in the future".into()));
                }
                let key = PublicKey::from_text(public_key);
                let key = key.map_err(|error| ProvisionError::Field("public_key", error.to_string()))?;
                let key_id = self.ids.uuid();
                clients::insert_key(tx, key_id, *id, key.spki_der(), now, *expires_at)?;
                Ok(Some(json!({ "key": key_id })))
            }
            Act::RevokeClientKey { key } if !clients::revoke_key(tx, *key, now)? => {
                refuse(format!("the key '{key}' is revoked already"))
            }
            _ => Ok(None),
        }
    }
}

/// Applies changes to settings.
fn changed(
    settings: &TenantSettings,
    changes: &Map<String, Value>,
) -> Result<TenantSettings, ProvisionError> {
    let mut settings = settings.clone();
    for (key, value) in changes {
        let next = settings.with(key, value.clone());
        settings = next.map_err(|reason| ProvisionError::Field("settings", reason))?;
    }
    Ok(settings)
}
