//! The alarm: tells an address of the administrator that one person has done an act alone, in an emergency.

use std::time::Duration;

use anyhow::Context;
use http::header;
use reqwest::Client;
use serde_json::Value;

use super::{RESPONSE_TIMEOUT, client, names};
use crate::config::{NameServer, Secret};
use crate::domain::delivery::webhook::AddressPolicy;

/// Pauses before the second, third and fourth attempt.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_mins(1)];

/// An address that is told of emergencies.
#[derive(Clone)]
pub struct Alarm {
    url: Secret,
    client: Client,
}

impl Alarm {
    /// Creates the client of an address. It may be a private one, because the administrator has named it.
    ///
    /// # Errors
    ///
    /// Fails if the address is none, or the name servers are unusable.
    pub fn new(url: &Secret, name_servers: &[NameServer]) -> anyhow::Result<Self> {
        let address = url::Url::parse(&url.0).context("operators.alarm_url")?;
        anyhow::ensure!(
            matches!(address.scheme(), "http" | "https"),
            "operators.alarm_url must be an http address"
        );
        let lookup = names::lookup(name_servers).context("webhooks.name_servers")?;
        let client = client(AddressPolicy::Any, lookup, None).context("operators.alarm_url")?;
        Ok(Self { url: url.clone(), client })
    }

    /// Posts a message in the background, up to four times. The record and the metric tell the same, so that nothing
    /// is lost if the process ends before.
    pub fn raise(&self, message: &Value) {
        let (this, body) = (self.clone(), message.to_string());
        tokio::spawn(async move {
            for pause in PAUSES.into_iter().map(Some).chain([None]) {
                let request = this.client.post(&this.url.0).header(header::CONTENT_TYPE, "application/json");
                match request.timeout(RESPONSE_TIMEOUT).body(body.clone()).send().await {
                    Ok(answer) if answer.status().is_success() => return,
                    Ok(answer) => {
                        tracing::error!(status = %answer.status(), "operators.alarm_url refuses an alarm");
                    }
                    // The address may have a secret in it.
                    Err(error) => {
                        tracing::error!(error = %error.without_url(), "cannot tell operators.alarm_url");
                    }
                }
                let Some(pause) = pause else { return };
                tokio::time::sleep(pause).await;
            }
        });
    }
}
