//! The profile of a client: address, client id, key; `dev` writes one, `call` reads it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use http_message_signatures::SigningKey;
use serde::{Deserialize, Serialize};

use crate::config::{Secret, parse_toml};

/// The profile of the client, and the passphrase of its key.
#[derive(Args)]
pub struct ProfileOptions {
    /// The profile of the client: address, client id and keys.
    #[arg(
        long = "profile",
        env = "INVESTORD_PROFILE",
        default_value = "investord-dev/profile.toml",
        value_name = "FILE"
    )]
    pub file: PathBuf,
    /// Passphrase of the private key. Prefer the variable: arguments can be seen.
    #[arg(long, env = "INVESTORD_KEY_PASSPHRASE", hide_env_values = true, value_name = "TEXT")]
    pub key_passphrase: Option<String>,
}

/// A profile file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Base address, without a final slash.
    pub url: String,
    pub client_id: String,
    pub client_secret: Secret,
    /// Scopes of the token request.
    pub scopes: Vec<String>,
    /// Signing keys. The first one is used unless another is named.
    #[serde(rename = "key")]
    pub keys: Vec<ProfileKey>,
}

/// A signing key of the client.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileKey {
    /// The key id under which the public key is registered.
    pub id: String,
    /// Path of the PEM file, relative to the profile.
    pub private_key_file: PathBuf,
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is invalid.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let what = || format!("profile {}", path.display());
        let text = std::fs::read_to_string(path).with_context(what)?;
        parse_toml(&text).with_context(what)
    }

    /// Returns the id and the private key of the first key whose id begins with `name` or whose file name contains it;
    /// without a name, of the first key.
    ///
    /// # Errors
    ///
    /// Fails if there is no such key, or its file cannot be read with the passphrase.
    pub fn key(&self, options: &ProfileOptions, name: Option<&str>) -> anyhow::Result<(&str, SigningKey)> {
        let named = |key: &&ProfileKey| {
            let file = key.private_key_file.to_string_lossy();
            name.is_none_or(|name| key.id.starts_with(name) || file.contains(name))
        };
        let Some(key) = self.keys.iter().find(named) else {
            let ids: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
            bail!("the profile has no key '{}'; it has {}", name.unwrap_or_default(), ids.join(", "));
        };
        let file = options.file.parent().unwrap_or(Path::new(".")).join(&key.private_key_file);
        let pem =
            std::fs::read_to_string(&file).with_context(|| format!("private key {}", file.display()))?;
        let parsed = SigningKey::from_pem(&pem, options.key_passphrase.as_deref());
        Ok((&key.id, parsed.with_context(|| format!("private key {}", file.display()))?))
    }
}
