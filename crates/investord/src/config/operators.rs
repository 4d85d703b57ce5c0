//! `[operators]`: sessions of operators, their proofs and second factors.

use anyhow::{Context, ensure};
use jiff::SignedDuration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use strum::VariantNames;
use url::Url;
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::Secret;
use crate::domain::permissions::{Permission, ROLE_NAMES};
use crate::domain::suggest::did_you_mean;

/// The settings of operators' sessions (decision S3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// Minutes without a request after which a session ends.
    pub session_idle_minutes: u32,
    /// Hours after which a session ends in any case.
    pub session_hours: u32,
    /// Minutes for which a proof of the person allows operations that need a fresh one.
    pub proof_minutes: u32,
    /// Minutes for which a session sees a person unmasked after a reveal.
    pub reveal_minutes: u32,
    /// Days after which what an operator may do has to be reviewed.
    pub access_review_days: u32,
    /// Address that is told of acts that one person does alone in an emergency; it may have a secret in it.
    pub alarm_url: Option<Secret>,
    /// Address of the pages on which operators use passkeys; without one there are none. Its host is the relying party.
    pub passkey_origin: Option<String>,
    /// Names of roles of a new register, or of permissions: sessions of operators who have one need a second factor.
    #[serde(deserialize_with = "roles_or_permissions")]
    pub second_factor_for: Vec<String>,
}

/// Reads names of roles, each of which a new register has, and of permissions.
fn roles_or_permissions<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let known = || ROLE_NAMES.into_iter().chain(<Permission as VariantNames>::VARIANTS.iter().copied());
    match names.iter().find(|name| !known().any(|known| known == *name)) {
        Some(name) => {
            let (meant, all) = (did_you_mean(name, known()), known().collect::<Vec<_>>().join(", "));
            Err(D::Error::custom(format!("must be some of {all}, not '{name}'{meant}")))
        }
        None => Ok(names),
    }
}

impl Default for Operators {
    fn default() -> Self {
        Self {
            session_idle_minutes: 15,
            session_hours: 12,
            proof_minutes: 10,
            reveal_minutes: 5,
            access_review_days: 365,
            alarm_url: None,
            passkey_origin: None,
            second_factor_for: Vec::new(),
        }
    }
}

impl Operators {
    /// Returns the time without a request after which a session ends.
    pub fn idle_time(&self) -> SignedDuration {
        SignedDuration::from_mins(self.session_idle_minutes.into())
    }

    /// Returns the time after which a session ends in any case.
    pub fn lifetime(&self) -> SignedDuration {
        SignedDuration::from_hours(self.session_hours.into())
    }

    /// Returns the time after which what an operator may do has to be reviewed.
    pub fn access_review_time(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.access_review_days))
    }

    /// Returns the relying party of passkeys, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the origin is no address with a name.
    pub fn webauthn(&self) -> anyhow::Result<Option<Webauthn>> {
        let Some(origin) = &self.passkey_origin else { return Ok(None) };
        let relying_party = || {
            let url = Url::parse(origin)?;
            let host = url.domain().context("has no name of a host")?;
            let is_safe = url.scheme() == "https" || host == "localhost";
            ensure!(is_safe && url.path() == "/", "must be https://NAME or https://NAME:PORT");
            Ok(WebauthnBuilder::new(host, &url)?.rp_name("Investord").build()?)
        };
        relying_party().map(Some).with_context(|| format!("operators.passkey_origin '{origin}'"))
    }

    /// Returns the time for which a session sees a revealed person.
    pub fn reveal_time(&self) -> SignedDuration {
        SignedDuration::from_mins(self.reveal_minutes.into())
    }

    /// Returns the age up to which a proof counts as fresh.
    pub fn proof_time(&self) -> SignedDuration {
        SignedDuration::from_mins(self.proof_minutes.into())
    }
}
