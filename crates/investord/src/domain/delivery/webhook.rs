//! Webhooks: filter, configuration and address.
//!
//! Fields and bounds are those of the vendor's pages about webhooks; the points that they leave
//! open are in `docs/choices.md`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::{Host, Url};
use uuid::Uuid;

use super::event::EventType;
use crate::domain::identification::identifier::today;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Pattern, Presence, field};
use crate::domain::json::validation::{parse, read};
use crate::domain::signatures::SignatureVersion;
use crate::domain::tenants::TenantSettings;

/// All categories in the described versions of the API. A filter may also name those of which the register has no
/// events.
pub const CATEGORIES: &[&str] = &[
    ALL,
    "USER",
    "USER_CHECK",
    "ORDER",
    "ORDER_CANCELLATION",
    "EXECUTION",
    "POSITION",
    "CASH_BALANCE",
    "ACCOUNT",
    "ACCOUNT_GROUP",
    "REPORT",
    "TREASURY_REPORT",
    "DIRECT_DEBIT",
    "WITHDRAWAL",
    "PORTFOLIO",
    "PORTFOLIO_ALLOCATION",
    "PORTFOLIO_ORDER",
    "CORPORATE_ACTION",
    "ACCOUNT_VALUATION",
    "INTRADAY_ACCOUNT_VALUATION",
    "CASH_TRANSACTION",
    "SECURITY_TRANSACTION",
    "ACCOUNT_LIQUIDATION",
    "ACCOUNT_RETURNS",
    "VIRTUAL_CASH_INCREASE",
    "VIRTUAL_CASH_DECREASE",
    "FEE_COLLECTION",
    "ACCOUNT_TRANSFER",
    "CREDIT_FUNDING",
    "INSTRUMENT",
    "TOPUP",
    "SAVINGS_PLAN",
    "SAVINGS_PLAN_EXECUTION",
    "SECURITIES_TRANSFER",
    "ROLE",
    "BUSINESS",
    "REBALANCING_EXECUTION_ORDER",
    "TAX_EXEMPTION",
    "TAX_COLLECTION",
    "ISA_WRAPPER",
    "ISA_WRAPPER_ALLOWANCE",
    "VIRTUAL_BANK_ACCOUNT",
    "ISA_TRANSFER",
];
/// The category that stands for all others.
const ALL: &str = "ALL";
/// The categories that a filter can exclude: every one, but not `ALL`.
const SINGLE_CATEGORIES: &[&str] = CATEGORIES.split_first().expect("there are categories").1;
/// Maximum length of a list of categories, repetitions included: far above the number of categories.
pub const MAX_CATEGORIES: usize = 1000;
/// The events that are recorded, but never delivered.
const FOR_THE_RECORD: [EventType; 2] = [EventType::OperatorAction, EventType::ClientAction];
/// Default delay, which is the time in which events are collected for one package (decision H2).
const DEFAULT_DELAY: &str = "1s";
/// Default maximum size of the body of a package, in bytes (decision H2).
const DEFAULT_PACKAGE: i64 = 10_240;
/// Maximum number of characters in a URL.
const URL: usize = 1000;

static DELAY: Pattern =
    Pattern::new("^[1-9][0-9]?[sm]$", "a number from 1 to 99 with s for seconds or m for minutes, as in 30s");
static CATEGORY: FieldRule = FieldRule::OneOf(CATEGORIES);
static SINGLE_CATEGORY: FieldRule = FieldRule::OneOf(SINGLE_CATEGORIES);
static CONFIG: ObjectSchema = ObjectSchema {
    name: "WebhookConfig",
    fields: &[
        field(
            "delay",
            Presence::No,
            FieldRule::Pattern(&DELAY),
            "How long events are collected before they are sent, in seconds or minutes.",
        ),
        field(
            "max_package_size",
            Presence::No,
            FieldRule::Int { min: 100, max: 1_048_576 },
            "Bytes of the body of a request at most. A single event that is larger is sent alone.",
        ),
        field(
            "signature",
            Presence::No,
            FieldRule::OneOf(&["draft-6", "draft-15", "rfc9421"]),
            "Beyond the vendor's API: the version of HTTP message signatures by which deliveries are signed. Answered \
             where it is not draft-6.",
        ),
    ],
};
/// A list of categories that may be empty and have repetitions: the vendor's schema has neither `minItems` nor
/// `uniqueItems`.
const CATEGORY_LIST: FieldRule =
    FieldRule::List { item: &CATEGORY, min: 0, max: MAX_CATEGORIES, unique: false };
const TITLE: Field =
    field("title", Presence::Always, FieldRule::Text { min: 0, max: 100 }, "A name, for people.");
/// A pattern for a URL with a scheme of HTTP and a host.
pub const HTTP_URL: &str = "^https?://[a-zA-Z0-9]";
static ANY_URL: FieldRule = FieldRule::Url { max: URL };
const ADDRESS: Field = field(
    "url",
    Presence::Always,
    FieldRule::Also(&ANY_URL, r#"{ "pattern": "^https?://[a-zA-Z0-9]" }"#),
    "Where events are sent: https, and a DNS name.",
);
const TYPE: Field = field(
    "type",
    Presence::Always,
    CATEGORY_LIST,
    "Categories of events that are sent; ALL for every one, an empty list for none.",
);
const EXCLUDE_TYPE: Field = field(
    "exclude_type",
    Presence::No,
    FieldRule::List { item: &SINGLE_CATEGORY, min: 0, max: MAX_CATEGORIES, unique: false },
    "Categories that are not sent, where `type` is ALL.",
);
const ENABLED: Field = field("enabled", Presence::Always, FieldRule::Bool, "Whether events are sent.");
const CONFIG_MEMBER: Field =
    field("config", Presence::Always, FieldRule::OpenObject(&CONFIG), "How events are sent.");
const ID: Field = field("id", Presence::Always, FieldRule::Uuid, "Its id.");
const CREATED_AT: Field = field("created_at", Presence::Always, FieldRule::Instant, "When it was created.");
const UPDATED_AT: Field =
    field("updated_at", Presence::Always, FieldRule::Instant, "When it was last changed.");

/// The body of `POST /webhooks`.
pub static CREATE: ObjectSchema = ObjectSchema {
    name: "CreateWebhook",
    fields: &[
        TITLE,
        ADDRESS,
        TYPE.or(r#"["ALL"]"#),
        EXCLUDE_TYPE,
        ENABLED.or("false"),
        CONFIG_MEMBER.or(r#"{ "delay": "1s", "max_package_size": 10240 }"#),
    ],
};
/// The body of `PATCH /webhooks/{webhook_id}`. A client may send back a response: `id` and the instants are ignored.
pub static UPDATE: ObjectSchema = ObjectSchema {
    name: "UpdateWebhook",
    fields: &[
        ID.optional(),
        CREATED_AT.optional(),
        UPDATED_AT.optional(),
        TITLE.optional(),
        ADDRESS.optional(),
        TYPE.optional(),
        EXCLUDE_TYPE,
        ENABLED.optional(),
        CONFIG_MEMBER.optional(),
    ],
};
/// A webhook in responses.
pub static WEBHOOK: [Field; 9] =
    [ID, CREATED_AT, UPDATED_AT, TITLE, ADDRESS, TYPE, EXCLUDE_TYPE, ENABLED, CONFIG_MEMBER];

/// The configuration of a webhook, as the client sets it and as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookContent {
    pub title: String,
    pub url: String,
    #[serde(flatten)]
    pub filter: EventFilter,
    pub config: DeliveryConfig,
}

/// The filter for the events of a webhook, by category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFilter {
    /// The categories to deliver.
    #[serde(rename = "type")]
    pub kinds: Vec<String>,
    /// The categories not to deliver; it counts only beside `ALL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_type: Option<Vec<String>>,
}

/// The settings of deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryConfig {
    /// The delay in seconds or minutes, as in `30s`.
    pub delay: String,
    /// Maximum size of the body of a package, in bytes.
    pub max_package_size: i64,
    #[serde(default, skip_serializing_if = "SignatureVersion::is_default")]
    pub signature: SignatureVersion,
    /// Members that the API does not describe, as received.
    #[serde(flatten)]
    pub further: Map<String, Value>,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        let (delay, max_package_size) = (DEFAULT_DELAY.to_owned(), DEFAULT_PACKAGE);
        Self { delay, max_package_size, signature: SignatureVersion::default(), further: Map::new() }
    }
}

impl DeliveryConfig {
    /// Returns the delay as a duration.
    pub fn delay(&self) -> SignedDuration {
        let (number, unit) = self.delay.split_at(self.delay.len().saturating_sub(1));
        // The text was validated before it was stored, so the fallback is never used.
        let number = number.parse().unwrap_or(1);
        if unit == "m" { SignedDuration::from_mins(number) } else { SignedDuration::from_secs(number) }
    }
}

impl EventFilter {
    /// Returns whether an event of this type passes the filter.
    pub fn has(&self, kind: &str) -> bool {
        let category = kind.split('.').next().unwrap_or_default();
        let named = |list: &[String]| list.iter().any(|one| one == category);
        if FOR_THE_RECORD.iter().any(|one| one.into_str() == kind) {
            return false;
        }
        if self.kinds.iter().any(|one| one == ALL) {
            return !self.exclude_type.as_deref().is_some_and(named);
        }
        named(&self.kinds)
    }
}

/// The addresses that a receiver may have (decision H6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPolicy {
    /// `https`, DNS names, and public addresses behind them.
    Public,
    /// Any address, for laptops and closed networks.
    Any,
}

impl AddressPolicy {
    /// Checks the text of a URL, as the first part of the SSRF guard: the addresses of its name are checked again after
    /// DNS resolution.
    ///
    /// # Errors
    /// Fails with the broken rule, in words.
    pub fn check(self, url: &str) -> Result<(), String> {
        let url = Url::parse(url)
            .map_err(|_| "must be an absolute URL, as in https://example.com/events".to_owned())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not contain a user name or password".into());
        }
        // The parser leaves some characters as they are that RFC 3986 section 2 does not allow, and libraries that
        // verify signatures refuse such a URL.
        let known =
            |letter: &char| letter.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(*letter);
        if let Some(odd) = url.as_str().chars().find(|letter| !known(letter)) {
            return Err(format!("must not contain {odd:?}: escape it with %"));
        }
        match (self, url.scheme(), url.host()) {
            (_, "https", Some(Host::Domain(_))) => Ok(()),
            (AddressPolicy::Any, "http" | "https", Some(_)) => Ok(()),
            (AddressPolicy::Public, "https", _) => Err("must have a DNS name, not an address".into()),
            (AddressPolicy::Public, ..) => Err("must begin with https://".into()),
            (AddressPolicy::Any, ..) => Err("must begin with https:// or http://".into()),
        }
    }
}

/// The data of a webhook to be created.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub content: WebhookContent,
    pub enabled: bool,
}

impl NewWebhook {
    /// Parses the body of a create request.
    ///
    /// # Errors
    /// Fails with all field errors.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let sent = read(&CREATE, &parse(body)?, settings, today(now))?;
        let wants = EventFilter { kinds: vec![ALL.to_owned()], exclude_type: None };
        let empty = WebhookContent {
            title: String::new(),
            url: String::new(),
            filter: wants,
            config: DeliveryConfig::default(),
        };
        let (content, enabled) = WebhookUpdate(sent).with_update(&empty, false)?;
        Ok(Self { content, enabled })
    }
}

/// The changes that a client requests of a webhook.
#[derive(Clone, Debug)]
pub struct WebhookUpdate(Map<String, Value>);

impl WebhookUpdate {
    /// Parses the body of an update.
    ///
    /// # Errors
    /// Fails with all field errors.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        read(&UPDATE, &parse(body)?, settings, today(now)).map(Self)
    }

    /// Returns the new URL, if the request has one.
    pub fn url(&self) -> Option<&str> {
        self.0.get("url").and_then(Value::as_str)
    }

    /// Returns content and `enabled` after the change. Members that were not sent stay, those of `config` too.
    ///
    /// # Errors
    /// Fails if the result is not a valid content, which means that the stored one is damaged.
    pub fn with_update(
        &self,
        content: &WebhookContent,
        enabled: bool,
    ) -> Result<(WebhookContent, bool), Vec<FieldError>> {
        let damaged = |error: serde_json::Error| vec![FieldError::new("(root)", error.to_string())];
        let mut all = serde_json::to_value(content).map_err(damaged)?;
        for (name, value) in &self.0 {
            match (name.as_str(), value) {
                ("id" | "created_at" | "updated_at" | "enabled", _) => {}
                ("config", Value::Object(sent)) => {
                    sent.iter().for_each(|(name, value)| all["config"][name] = value.clone());
                }
                _ => all[name] = value.clone(),
            }
        }
        let changed = serde_json::from_value(all).map_err(damaged)?;
        Ok((changed, self.0.get("enabled").and_then(Value::as_bool).unwrap_or(enabled)))
    }
}

/// Returns a webhook for a response.
pub fn view(
    id: Uuid,
    created_at: Timestamp,
    updated_at: Timestamp,
    content: &WebhookContent,
    enabled: bool,
) -> Value {
    let mut view = json!({
        "id": id,
        "created_at": created_at,
        "updated_at": updated_at,
        "title": content.title,
        "url": content.url,
        "type": content.filter.kinds,
        "enabled": enabled,
        "config": content.config,
    });
    if let Some(exclude) = &content.filter.exclude_type {
        view["exclude_type"] = json!(exclude);
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_told_apart() {
        let wants = |kinds: &[&str], exclude: Option<&[&str]>| EventFilter {
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            exclude_type: exclude.map(|kinds| kinds.iter().map(|kind| (*kind).to_owned()).collect()),
        };
        assert!(wants(&["ALL"], None).has("USER.CREATED"));
        assert!(!wants(&["ALL"], None).has("OPERATOR.ACTION") && !wants(&["ALL"], None).has("CLIENT.ACTION"));
        assert!(!wants(&["ALL"], Some(&["USER"])).has("USER.CREATED"));
        assert!(wants(&["ALL"], Some(&["USER"])).has("USER_CHECK.CREATED"));
        assert!(wants(&["ACCOUNT"], None).has("ACCOUNT.CLOSED"));
        assert!(!wants(&["ACCOUNT"], None).has("ACCOUNT_GROUP.CLOSED"));
        // A category can be excluded only beside `ALL` (the vendor's update of version 1.95).
        assert!(wants(&["USER"], Some(&["USER"])).has("USER.CREATED"));
    }

    #[test]
    fn addresses_are_judged_by_their_text() {
        let public = ["https://example.com/hooks?a=b", "https://xn--bcher-kva.example:8443"];
        for url in public {
            assert_eq!(AddressPolicy::Public.check(url), Ok(()), "{url}");
        }
        let refused = [
            "http://example.com/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://user:word@example.com/",
            "ftp://example.com/",
            "https://",
            "https://example.com/a|b",
            "https://example.com/?q=^",
        ];
        for url in refused {
            assert!(AddressPolicy::Public.check(url).is_err(), "{url}");
        }
        for url in ["http://localhost:3000/hooks", "https://127.0.0.1/", "http://[::1]/"] {
            assert_eq!(AddressPolicy::Any.check(url), Ok(()), "{url}");
        }
        assert!(AddressPolicy::Any.check("ftp://example.com/").is_err());
    }
}
