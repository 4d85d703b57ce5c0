//! `[oidc]`: the identity provider at which operators sign in, and what its claims allow them.

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::{Host, Url};

use super::Secret;

/// The settings of the identity provider (`OpenID` Connect Core 1.0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Address of the provider, exactly as it names itself.
    pub issuer: String,
    /// The id under which the provider knows this register.
    pub client_id: String,
    /// The secret of the client. Either this or `client_secret_file` is set.
    pub client_secret: Option<Secret>,
    pub client_secret_file: Option<PathBuf>,
    /// PEM file of certificates to trust beside those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Addresses to which the provider may send a browser back, beside those of the caller's own machine.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Allows the device flow (RFC 8628). An attacker who gets an operator to confirm the code of the attacker has a
    /// session of that operator.
    #[serde(default)]
    pub device_sign_in: bool,
    /// Scopes to ask for beside `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The claim that names a new operator.
    #[serde(default = "default_name_claim")]
    pub name_claim: String,
    /// Values of the claim `amr` (RFC 8176) that say that a second factor was used.
    #[serde(default = "default_second_factor_amr")]
    pub second_factor_amr: Vec<String>,
    /// Which claims give which roles.
    #[serde(default)]
    pub grants: Vec<ClaimGrant>,
}

fn default_scopes() -> Vec<String> {
    vec!["profile".to_owned()]
}

fn default_name_claim() -> String {
    "preferred_username".to_owned()
}

fn default_second_factor_amr() -> Vec<String> {
    vec!["mfa".to_owned()]
}

/// A role that operators have whose claim has a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimGrant {
    /// Name of the claim, as in groups. Its value is a text or a list of texts.
    pub claim: String,
    pub value: String,
    pub role: String,
    /// Name of the tenant; without one the role counts for all.
    pub tenant: Option<String>,
}

impl ClaimGrant {
    /// Returns whether the claims of a person give the role.
    fn is_given_by(&self, claims: &Map<String, Value>) -> bool {
        match claims.get(&self.claim) {
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Array(texts)) => texts.iter().any(|text| text.as_str() == Some(&self.value)),
            _ => false,
        }
    }
}

impl Oidc {
    /// Returns the roles that somebody with these claims has.
    pub fn grants_of<'a>(&'a self, claims: &'a Map<String, Value>) -> impl Iterator<Item = &'a ClaimGrant> {
        self.grants.iter().filter(|grant| grant.is_given_by(claims))
    }

    /// Returns whether the provider may send a browser back to an address: one of the configured ones, or a server on
    /// the caller's own machine, as commands start one (RFC 8252 section 7.3).
    pub fn may_return_to(&self, address: &str) -> bool {
        let is_own = |url: &Url| url.scheme() == "http" && url.fragment().is_none() && is_loopback(url);
        self.redirect_uris.iter().any(|one| one == address)
            || Url::parse(address).is_ok_and(|url| is_own(&url))
    }

    /// Reads the secret of the client.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn read_client_secret(&self) -> anyhow::Result<Secret> {
        match (&self.client_secret, &self.client_secret_file) {
            (Some(secret), None) => Ok(secret.clone()),
            (None, Some(file)) => {
                let read = std::fs::read_to_string(file);
                let text = read.with_context(|| format!("oidc.client_secret_file {}", file.display()))?;
                Ok(Secret(text.trim_end().to_owned()))
            }
            _ => bail!("oidc takes either client_secret or client_secret_file"),
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Fails with the name of the setting that is invalid, and why.
    pub fn check(&self) -> anyhow::Result<()> {
        let issuer = Url::parse(&self.issuer).with_context(|| format!("oidc.issuer '{}'", self.issuer))?;
        if issuer.scheme() != "https" && !(issuer.scheme() == "http" && is_loopback(&issuer)) {
            bail!("oidc.issuer must be an https address, is '{}'", self.issuer);
        }
        if self.client_id.is_empty() {
            bail!("oidc.client_id is empty");
        }
        if self.client_secret.is_some() == self.client_secret_file.is_some() {
            bail!("oidc takes either client_secret or client_secret_file");
        }
        for address in &self.redirect_uris {
            let url = Url::parse(address).with_context(|| format!("oidc.redirect_uris '{address}'"))?;
            if url.scheme() != "https" || url.fragment().is_some() {
                bail!("oidc.redirect_uris must be https addresses without a fragment, has '{address}'");
            }
        }
        if self.grants.is_empty() {
            bail!("oidc.grants is empty: nobody who signs in could do anything");
        }
        Ok(())
    }
}

/// Returns whether an address is one of the machine itself.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> Oidc {
        let text = r#"
            issuer = "https://login.example"
            client_id = "investord"
            client_secret = "s"
            redirect_uris = ["https://register.example/back"]
            grants = [
                { claim = "groups", value = "chiefs", role = "administrator" },
                { claim = "department", value = "desk", role = "support", tenant = "main" },
            ]
        "#;
        toml::from_str(text).unwrap()
    }

    #[test]
    fn claims_give_roles() {
        let roles = |claims: Value| -> Vec<String> {
            let claims = claims.as_object().unwrap();
            settings().grants_of(claims).map(|grant| grant.role.clone()).collect()
        };
        assert_eq!(roles(json!({ "groups": ["staff", "chiefs"] })), ["administrator"]);
        assert_eq!(roles(json!({ "groups": "chiefs", "department": "desk" })), ["administrator", "support"]);
        assert_eq!(roles(json!({ "groups": ["chief"], "department": { "desk": 1 } })), [""; 0]);
    }

    #[test]
    fn a_browser_returns_to_the_own_machine_or_a_configured_address() {
        for (address, may) in [
            ("https://register.example/back", true),
            ("http://127.0.0.1:4711/", true),
            ("http://[::1]:4711/", true),
            ("http://localhost:1/x", true),
            ("https://register.example/back/", false),
            ("http://127.0.0.1.example/", false),
            ("https://127.0.0.1:4711/", false),
            ("http://127.0.0.1:4711/#x", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(settings().may_return_to(address), may, "{address}");
        }
    }

    #[test]
    fn settings_are_checked() {
        type Breakage = fn(&mut Oidc);
        settings().check().unwrap();
        let wrong: [(&str, Breakage); 5] = [
            ("oidc.issuer", |all| all.issuer = "http://login.example".into()),
            ("oidc.client_id", |all| all.client_id.clear()),
            ("client_secret", |all| all.client_secret = None),
            ("oidc.redirect_uris", |all| all.redirect_uris.push("http://register.example/".into())),
            ("oidc.grants", |all| all.grants.clear()),
        ];
        for (name, break_it) in wrong {
            let mut all = settings();
            break_it(&mut all);
            let error = all.check().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
