//! Checks of a user: what a regulated firm has to have seen before a user may trade.
//!
//! Bodies, bounds and validity follow the reference page "User checks"; the points that it leaves open are in
//! `docs/choices.md`.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};
use uuid::Uuid;

use super::proof::{DATA_DOWNLOAD_LINK, ISSUANCE_DATE, RESIDENCE_DOCUMENTS};
use super::review::{Review, Verdict};
use crate::domain::delivery::event::EventType;
use crate::domain::identification::identifier::today;
use crate::domain::json::Json;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Presence, field};
use crate::domain::json::validation::{parse, read};
use crate::domain::tenants::{ProofValidity, TenantSettings};

const CONFIRMED_AT: Field =
    field("check_confirmed_at", Presence::Always, FieldRule::Instant, "When the check was made.");
const CONFIRMED_ADDRESS: Field = field(
    "confirmed_address",
    Presence::Always,
    FieldRule::OpenObject(&super::person::ADDRESS),
    "The address that it confirms.",
);

/// Makes the member for the type from the allowed values.
const fn kind(name: &'static [&'static str]) -> Field {
    field("type", Presence::Always, FieldRule::OneOf(name), "What is checked.")
}

/// The document type of a proof that is no document of one country: it compares two sources with two others.
const TWO_PLUS_TWO: &str = "TWO_PLUS_TWO_VERIFICATION_PROOF";
/// The members that every other document must have.
const DOCUMENT_MEMBERS: [&str; 2] = ["document_expiration_date", "nationality"];
/// The same rule in JSON Schema.
pub const KYC_DOCUMENT: &str = r#"{ "anyOf": [
    { "required": ["document_expiration_date", "nationality"] },
    { "properties": { "document_type": { "const": "TWO_PLUS_TWO_VERIFICATION_PROOF" } } }
] }"#;

/// The body of a KYC check: proof of the identity of a user.
pub static KYC: ObjectSchema = ObjectSchema {
    name: "CreateKycCheck",
    fields: &[
        kind(&["KYC"]),
        CONFIRMED_AT,
        DATA_DOWNLOAD_LINK,
        field(
            "document_type",
            Presence::Always,
            FieldRule::OneOf(&["PASSPORT", "ID_CARD", "RESIDENCE_PERMIT", "DRIVING_LICENSE", TWO_PLUS_TWO]),
            "What kind of document was seen.",
        ),
        field("document_expiration_date", Presence::No, FieldRule::Date, "Last day of the document."),
        field("nationality", Presence::No, FieldRule::Country, "Country that has issued the document."),
        field("provider", Presence::Always, FieldRule::Text { min: 0, max: 100 }, "Who made the check."),
        field(
            "method",
            Presence::Always,
            FieldRule::OneOf(&[
                "VIDEO_ID",
                "IN_PERSON_ID",
                "ELECTRONIC_ID",
                "LIVENESS_PHOTO_ID",
                "QUALIFIED_ELECTRONIC_SIGNATURE_WITH_TX",
                "TWO_PLUS_TWO_VERIFICATION",
                "ID_COLLECTION",
            ]),
            "How it was made.",
        ),
        CONFIRMED_ADDRESS.optional(),
        field("kyc_update", Presence::No, FieldRule::Bool, "Whether it renews an earlier one."),
    ],
};
/// The body of a POR check: proof of the residence of a user.
pub static POR: ObjectSchema = ObjectSchema {
    name: "CreatePorCheck",
    fields: &[
        kind(&["POR"]),
        CONFIRMED_AT,
        ISSUANCE_DATE,
        DATA_DOWNLOAD_LINK,
        field(
            "document_type",
            Presence::Always,
            FieldRule::OneOf(RESIDENCE_DOCUMENTS),
            "What kind of document was seen.",
        ),
        CONFIRMED_ADDRESS,
    ],
};
static SUITABILITY: ObjectSchema = ObjectSchema {
    name: "InstrumentSuitability",
    fields: &[field(
        "suitability",
        Presence::Always,
        FieldRule::Bool,
        "Whether the instruments suit the user.",
    )],
};
/// The body of an `INSTRUMENT_FIT` check: the user's understanding of the instruments.
pub static INSTRUMENT_FIT: ObjectSchema = ObjectSchema {
    name: "CreateInstrumentFitCheck",
    fields: &[
        kind(&["INSTRUMENT_FIT"]),
        CONFIRMED_AT,
        field("instrument_suitability", Presence::Always, FieldRule::OpenObject(&SUITABILITY), "The result."),
    ],
};

/// A COMPLIANCE check: the absence of legal obstacles to business with a user. The register makes it; it is never sent.
pub static COMPLIANCE: [Field; 2] = [kind(&["COMPLIANCE"]), CONFIRMED_AT];

/// The kind of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum CheckKind {
    Kyc,
    Por,
    InstrumentFit,
    /// Made by the register itself when the identity of the user is known.
    Compliance,
}

/// The status of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[derive(EnumString, IntoStaticStr, VariantNames)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum CheckStatus {
    InProgress,
    Passed,
    Failed,
}

/// A check of a user.
#[derive(Clone, Debug)]
pub struct Check {
    pub id: Uuid,
    pub user_id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub status: CheckStatus,
    pub content: CheckContent,
}

/// The part of a check that is personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckContent {
    pub kind: CheckKind,
    /// The members of the body except for the type.
    pub members: Map<String, Value>,
    /// The operator who decided, or [`SYSTEM`](crate::domain::SYSTEM).
    pub decided_by: Option<String>,
    /// The reason for a failure.
    pub reason: Option<String>,
    /// The verdicts of operators.
    #[serde(default)]
    pub review: Review,
}

impl CheckContent {
    /// Parses the body of a create request. Dates are compared with `now`.
    ///
    /// # Errors
    /// Fails with all field errors.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let tree = parse(body)?;
        let (kind, shape) = variant(&tree)?;
        let mut faults = if kind == CheckKind::Kyc { missing_of_document(&tree) } else { Vec::new() };
        let members = read(shape, &tree, settings, today(now));
        faults.extend(members.as_ref().err().into_iter().flatten().cloned());
        let mut members = members.ok().filter(|_| faults.is_empty()).ok_or(faults)?;
        members.shift_remove("type");
        Ok(Self { kind, members, decided_by: None, reason: None, review: Review::default() })
    }

    /// Returns the check that the register makes by itself: for legal obstacles to business with a user.
    pub fn compliance(now: Timestamp) -> Self {
        let members = Map::from_iter([("check_confirmed_at".to_owned(), json!(now))]);
        Self {
            kind: CheckKind::Compliance,
            members,
            decided_by: None,
            reason: None,
            review: Review::default(),
        }
    }

    /// Returns a member that is a string.
    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// Returns a member that is a date.
    fn date(&self, name: &str) -> Option<Date> {
        self.text(name)?.parse().ok()
    }

    /// Returns whether an operator has to review the check before it is decided.
    pub fn is_for_review(&self, settings: &TenantSettings) -> bool {
        settings.requires_review() && self.kind != CheckKind::InstrumentFit
    }

    /// Returns the reason for an automatic refusal, or `None` if the check passes.
    fn refusal(&self, settings: &TenantSettings, now: Timestamp) -> Option<&'static str> {
        let suits =
            self.members.get("instrument_suitability").and_then(|result| result["suitability"].as_bool());
        if settings.simulates_bad_proof(self.text("data_download_link")) {
            Some("proof document is not accepted")
        } else if suits == Some(false) {
            Some("the instruments do not suit the user")
        } else if settings.proof_validity == ProofValidity::Enforce {
            self.outdated_reason(now)
        } else {
            None
        }
    }

    /// Returns the reason if a proof is too old: a check of identity after 24 months, a bill or statement after 12, a
    /// certificate of registration after 5 years, a document after its last day.
    fn outdated_reason(&self, now: Timestamp) -> Option<&'static str> {
        let today = today(now);
        let before = |months: i64| today.checked_sub(months.months()).ok();
        let older =
            |day: Option<Date>, months: i64| day.zip(before(months)).is_some_and(|(day, first)| day < first);
        // A permit or identity card has no age limit of its own: its last day counts.
        let most = match (self.kind, self.text("document_type")) {
            (CheckKind::Por, Some("REGISTRATION_CERT")) => Some(60),
            (CheckKind::Por, Some("RESIDENCE_PERMIT" | "ID_CARD")) => None,
            (CheckKind::Por, _) => Some(12),
            (CheckKind::Kyc | CheckKind::InstrumentFit | CheckKind::Compliance, _) => None,
        };
        let confirmed = self.text("check_confirmed_at").and_then(|text| text.parse().ok());
        if self.date("document_expiration_date").is_some_and(|last| last < today) {
            Some("document has expired")
        } else if most.is_some_and(|months| older(self.date("issuance_date"), months)) {
            Some("document is too old")
        } else if self.kind == CheckKind::Kyc && older(confirmed.map(self::today), 24) {
            Some("check is too old")
        } else {
            None
        }
    }
}

/// Returns a field error for each member that the document of a KYC check lacks.
fn missing_of_document(tree: &Json) -> Vec<FieldError> {
    let Json::Object(members) = tree else { return Vec::new() };
    let field = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    if matches!(field("document_type"), Some(Json::Text(kind)) if kind == TWO_PLUS_TWO) {
        return Vec::new();
    }
    let missing = DOCUMENT_MEMBERS.into_iter().filter(|name| field(name).is_none());
    missing.map(|name| FieldError::new(name, format!("field '{name}' was not filled"))).collect()
}

/// Chooses the kind and the schema by the member `type`.
fn variant(tree: &Json) -> Result<(CheckKind, &'static ObjectSchema), Vec<FieldError>> {
    let Json::Object(members) = tree else {
        return Err(vec![FieldError::new("(root)", format!("must be an object, not {}", tree.kind()))]);
    };
    let kind = members.iter().find(|(name, _)| name == "type").map(|(_, value)| value);
    match kind {
        Some(Json::Text(kind)) if kind == "KYC" => Ok((CheckKind::Kyc, &KYC)),
        Some(Json::Text(kind)) if kind == "POR" => Ok((CheckKind::Por, &POR)),
        Some(Json::Text(kind)) if kind == "INSTRUMENT_FIT" => Ok((CheckKind::InstrumentFit, &INSTRUMENT_FIT)),
        Some(_) => Err(vec![FieldError::new("type", "must be one of \"KYC\", \"POR\", \"INSTRUMENT_FIT\"")]),
        None => Err(vec![FieldError::new("type", "field 'type' was not filled")]),
    }
}

impl Check {
    /// Makes a check in progress.
    pub fn new(id: Uuid, user_id: Uuid, now: Timestamp, content: CheckContent) -> Self {
        Self { id, user_id, created_at: now, updated_at: now, status: CheckStatus::InProgress, content }
    }

    /// Returns the final verdict of the operators, or the automatic one if no operator has decided.
    pub fn verdict(&self, settings: &TenantSettings, now: Timestamp) -> Verdict {
        if let Some(verdict) = &self.content.review.decided {
            return verdict.clone();
        }
        let refusal = self.content.refusal(settings, now).map(str::to_owned);
        Verdict { refusal, by: crate::domain::SYSTEM.to_owned() }
    }

    /// Records the final verdict and returns the event, or `None` if the check had ended before.
    pub fn decide(&mut self, verdict: Verdict, now: Timestamp) -> Option<EventType> {
        match self.status {
            CheckStatus::InProgress => {}
            CheckStatus::Passed | CheckStatus::Failed => return None,
        }
        let Verdict { refusal, by } = verdict;
        let (status, event) = match refusal {
            None => (CheckStatus::Passed, EventType::UserCheckPassed),
            Some(_) => (CheckStatus::Failed, EventType::UserCheckFailed),
        };
        (self.status, self.updated_at) = (status, now);
        (self.content.reason, self.content.decided_by) = (refusal, Some(by));
        Some(event)
    }

    /// Returns whether the register makes its own check after this one: the identity of the user is known, and there is
    /// no compliance check that is in progress or has passed.
    pub fn needs_compliance_check(&self, all: &[Check]) -> bool {
        let done = all
            .iter()
            .any(|one| one.content.kind == CheckKind::Compliance && one.status != CheckStatus::Failed);
        self.content.kind == CheckKind::Kyc && self.status == CheckStatus::Passed && !done
    }

    /// Returns the check for a response.
    pub fn view(&self) -> Value {
        let Self { id, user_id, status, content, .. } = self;
        let mut view = Map::from_iter([
            ("id".to_owned(), json!(id)),
            ("user_id".to_owned(), json!(user_id)),
            ("type".to_owned(), json!(content.kind.into_str())),
        ]);
        view.extend(content.members.clone());
        view.insert("status".to_owned(), json!(status.into_str()));
        Value::Object(view)
    }
}
