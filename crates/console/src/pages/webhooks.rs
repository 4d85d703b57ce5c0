//! Webhooks: their list, one of them, and a package with its attempts.

use askama::Template;

use crate::answers::{Package, Webhook, WholePackage};
use crate::frame::{Frame, Part, Theme};
use crate::text::Language;

/// Lists the webhooks of a tenant.
#[derive(Template)]
#[template(path = "webhooks.html")]
pub struct Webhooks {
    pub frame: Frame,
    pub webhooks: Vec<Webhook>,
}

/// Shows a webhook: whether it works, why not, and what mends it.
#[derive(Template)]
#[template(path = "webhook.html")]
pub struct WebhookPage {
    pub frame: Frame,
    pub webhook: Webhook,
    /// Why the last attempt has failed, in words; empty if it has not.
    pub cause: String,
    pub packages: Vec<Package>,
}

impl WebhookPage {
    /// Returns what can be done with the webhook now.
    fn actions(&self) -> Vec<&'static str> {
        let delivery = &self.webhook.delivery;
        let mut actions = if delivery.paused { vec!["resume"] } else { vec!["retry", "pause"] };
        if delivery.open_packages > 0 {
            actions.push("skip");
        }
        actions.extend(["resend", "replay"]);
        actions
    }
}

/// Shows a package, with its body and its attempts.
#[derive(Template)]
#[template(path = "package.html")]
pub struct PackagePage {
    pub frame: Frame,
    pub webhook: Webhook,
    pub whole: WholePackage,
}

impl PackagePage {
    /// Returns the body with line breaks.
    fn body(&self) -> String {
        serde_json::to_string_pretty(&self.whole.body).unwrap_or_default()
    }
}
