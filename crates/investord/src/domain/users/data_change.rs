//! Data changes: request, proof, outcome.
//!
//! Bodies and bounds follow the reference pages "Users" (BYOL and TOL), "Change user data".

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

use super::person::{
    BIRTH_CITY, BIRTH_COUNTRY, BIRTH_DATE, BIRTH_NAME, BRANCH_ID, DECEASE_DATE, EMAIL, FIRST_NAME, GENDER,
    LAST_NAME, NATIONALITIES, PHONE_NUMBER, POSTAL_ADDRESS, RESIDENCE, SALUTATION, SOCIAL_SECURITY_NUMBER,
    TAGS, TITLE,
};
use super::proof::{DATA_DOWNLOAD_LINK, ISSUANCE_DATE, RESIDENCE_DOCUMENTS};
use super::review::{Review, Verdict};
use super::{User, UserStatus};
use crate::domain::identification::identifier::today;
use crate::domain::json::Json;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Presence, field};
use crate::domain::json::validation::{parse, read};
use crate::domain::tenants::{OperatingModel, TenantSettings};

const IDENTITY_DOCUMENT: Field = document(&["PASSPORT", "ID_CARD"]);
const RESIDENCE_DOCUMENT: Field = document(RESIDENCE_DOCUMENTS);
/// Makes the member for the document type from the allowed types.
const fn document(kinds: &'static [&'static str]) -> Field {
    field("document_type", Presence::Always, FieldRule::OneOf(kinds), "What kind of document proves it.")
}

/// The document type of any change: all types of documents are allowed, because the tenant has examined them.
const ANY_DOCUMENT: Field = field(
    "document_type",
    Presence::No,
    FieldRule::OneOf(&[
        "PASSPORT", "ID_CARD", "UTILITY_BILL", "TELEPHONE_BILL", "INTERNET_BILL", "BANK_STATEMENT",
        "REGISTRATION_CERT", "RESIDENCE_PERMIT",
    ]),
    "Kept, but not looked at: the tenant has examined it.",
);

/// The members of a body that are proof and not data.
const PROOF: [&str; 3] = ["issuance_date", "data_download_link", "document_type"];

/// The body for a tenant that is itself the regulated firm (BYOL): any mixture of members, with or without a proof.
pub static ANY: ObjectSchema = ObjectSchema {
    name: "ChangeData",
    fields: &[
        FIRST_NAME.optional(),
        LAST_NAME.optional(),
        SALUTATION,
        TITLE,
        GENDER,
        BIRTH_DATE.optional(),
        BIRTH_CITY.optional(),
        BIRTH_COUNTRY.optional(),
        BIRTH_NAME,
        NATIONALITIES.optional(),
        POSTAL_ADDRESS,
        RESIDENCE.optional(),
        EMAIL.optional(),
        PHONE_NUMBER,
        SOCIAL_SECURITY_NUMBER,
        BRANCH_ID,
        TAGS,
        DECEASE_DATE,
        ISSUANCE_DATE.optional(),
        DATA_DOWNLOAD_LINK.optional(),
        ANY_DOCUMENT,
    ],
};

/// A change of names with its proof, for a tenant that works under the register's licence (TOL). Such a tenant requests
/// one proved kind of change at a time.
pub static NAME: ObjectSchema = ObjectSchema {
    name: "ChangeName",
    fields: &[FIRST_NAME, LAST_NAME, ISSUANCE_DATE, DATA_DOWNLOAD_LINK, IDENTITY_DOCUMENT],
};
/// A change of nationalities with its proof (TOL).
pub static NATIONALITY: ObjectSchema = ObjectSchema {
    name: "ChangeNationality",
    fields: &[NATIONALITIES, ISSUANCE_DATE, DATA_DOWNLOAD_LINK, IDENTITY_DOCUMENT],
};
/// A change of the address with its proof (TOL).
pub static ADDRESS: ObjectSchema = ObjectSchema {
    name: "ChangeAddress",
    fields: &[RESIDENCE, ISSUANCE_DATE, DATA_DOWNLOAD_LINK, RESIDENCE_DOCUMENT],
};
/// A change of members that need no proof (TOL).
pub static OTHER: ObjectSchema = ObjectSchema {
    name: "ChangeOther",
    fields: &[
        EMAIL.optional(),
        SALUTATION,
        TITLE,
        GENDER,
        PHONE_NUMBER,
        BIRTH_NAME,
        POSTAL_ADDRESS,
        SOCIAL_SECURITY_NUMBER,
        BRANCH_ID,
        TAGS,
        DECEASE_DATE,
    ],
};

/// A requested change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedChange {
    /// The members to be changed, in the form in which they are stored.
    pub data: Map<String, Value>,
    /// The proof that was sent with them.
    pub proof: Map<String, Value>,
}

impl RequestedChange {
    /// Parses the body of a data change request. Dates are compared with `now`.
    ///
    /// # Errors
    /// Fails with all field errors, or if the body has no member to be changed.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let tree = parse(body)?;
        let members = read(variant(&tree, settings.model)?, &tree, settings, today(now))?;
        let (proof, data): (Map<_, _>, Map<_, _>) =
            members.into_iter().partition(|(name, _)| PROOF.contains(&name.as_str()));
        if data.is_empty() {
            return Err(vec![FieldError::new("(root)", "names nothing that is to be changed")]);
        }
        Ok(Self { data, proof })
    }

    /// Returns whether an operator has to review the proof before the change is applied.
    pub fn is_for_review(&self, settings: &TenantSettings) -> bool {
        settings.requires_review() && !self.proof.is_empty()
    }

    /// Returns whether the simulated outcome is a failure: for a test tenant, a link whose path ends with `/fail.zip`
    /// is a bad proof.
    fn simulates_failure(&self, settings: &TenantSettings) -> bool {
        settings.simulates_bad_proof(self.proof.get("data_download_link").and_then(Value::as_str))
    }
}

/// Chooses the schema of a body; under TOL the changed members decide. Fails if two of them need proofs of their own.
fn variant(tree: &Json, model: OperatingModel) -> Result<&'static ObjectSchema, Vec<FieldError>> {
    let (Json::Object(members), OperatingModel::Tol) = (tree, model) else { return Ok(&ANY) };
    let has = |wanted: &str| members.iter().any(|(name, _)| name == wanted);
    let proved: [(&str, bool, &'static ObjectSchema); 3] = [
        ("nationalities", has("nationalities"), &NATIONALITY),
        ("address", has("address"), &ADDRESS),
        ("first_name", has("first_name") || has("last_name"), &NAME),
    ];
    let mut wanted = proved.into_iter().filter(|(_, wanted, _)| *wanted);
    let first = wanted.next();
    let more: Vec<FieldError> = wanted
        .map(|(name, ..)| FieldError::new(name, "has a proof of its own: ask for it in a request of its own"))
        .collect();
    match first {
        _ if !more.is_empty() => Err(more),
        Some((.., shape)) => Ok(shape),
        None => Ok(&OTHER),
    }
}

/// The state of a data change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, EnumString, IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum DataChangeState {
    /// The change is to be applied, or waits for the review of its proof.
    Pending,
    Done,
    Failed,
}

/// A data change in responses.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DataChange")]
pub struct DataChangeView {
    id: Uuid,
    created_at: Timestamp,
    updated_at: Timestamp,
    user_id: Uuid,
    state: DataChangeState,
    /// The members of the user that are to be changed.
    asked: Map<String, Value>,
    /// Kind, day and address of the document.
    proof: Map<String, Value>,
    /// The same members before the change.
    before: Option<Map<String, Value>>,
    /// Who decided.
    decided_by: Option<String>,
    /// Why it failed.
    reason: Option<String>,
}

/// A request that a user's data be changed: a record from the moment it is accepted.
#[derive(Clone, Debug)]
pub struct DataChange {
    pub id: Uuid,
    pub user_id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub state: DataChangeState,
    pub content: DataChangeContent,
}

/// The part of a data change that is personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataChangeContent {
    pub requested: RequestedChange,
    /// The changed members with their former values; members that did not exist are missing.
    pub before: Option<Map<String, Value>>,
    /// The operator who decided, or [`SYSTEM`](crate::domain::SYSTEM).
    pub decided_by: Option<String>,
    /// The reason for a failure.
    pub reason: Option<String>,
    /// The verdicts of operators.
    #[serde(default)]
    pub review: Review,
}

/// Maximum number of characters of a reason in an event.
const MAX_REASON: usize = 100;

impl DataChange {
    /// Makes a pending data change.
    pub fn new(id: Uuid, user_id: Uuid, now: Timestamp, requested: RequestedChange) -> Self {
        let content = DataChangeContent {
            requested,
            before: None,
            decided_by: None,
            reason: None,
            review: Review::default(),
        };
        Self { id, user_id, created_at: now, updated_at: now, state: DataChangeState::Pending, content }
    }

    /// Applies the change to the user, or records the reason for its failure; then the user stays as they were.
    pub fn apply(&mut self, user: &mut User, settings: &TenantSettings, now: Timestamp) {
        // A user who has left comes first, then the verdict of an operator: a simulated outcome must not override
        // either.
        let decided = self.content.review.decided.as_ref();
        let refusal = if user.status == UserStatus::Offboarded {
            Some("user status does not allow data changes".to_owned())
        } else if let Some(Verdict { refusal, .. }) = decided {
            refusal.clone()
        } else if self.content.requested.simulates_failure(settings) {
            Some("proof document is not accepted".to_owned())
        } else {
            None
        };
        self.updated_at = now;
        self.content.decided_by =
            Some(decided.map_or(crate::domain::SYSTEM, |verdict| &verdict.by).to_owned());
        let person =
            refusal.is_none().then(|| user.person.with_changes(&self.content.requested.data)).flatten();
        let Some(person) = person else {
            self.state = DataChangeState::Failed;
            self.content.reason = Some(refusal.unwrap_or_else(|| "the data do not fit together".to_owned()));
            return;
        };
        let kept: Map<String, Value> = serde_json::from_str(&user.person.json).unwrap_or_default();
        let names = self.content.requested.data.keys();
        self.content.before =
            Some(names.filter_map(|name| Some((name.clone(), kept.get(name)?.clone()))).collect());
        self.state = DataChangeState::Done;
        (user.person, user.updated_at) = (person, now);
    }

    /// Returns the object of the event about a failure.
    pub fn failure(&self) -> Value {
        let reason = self.content.reason.as_deref().unwrap_or_default();
        json!({ "user_id": self.user_id, "reason": reason.chars().take(MAX_REASON).collect::<String>() })
    }

    /// Returns the data change for a response.
    pub fn view(&self) -> DataChangeView {
        let Self { id, user_id, created_at, updated_at, state, content } = self;
        DataChangeView {
            id: *id,
            created_at: *created_at,
            updated_at: *updated_at,
            user_id: *user_id,
            state: *state,
            asked: content.requested.data.clone(),
            proof: content.requested.proof.clone(),
            before: content.before.clone(),
            decided_by: content.decided_by.clone(),
            reason: content.reason.clone(),
        }
    }
}
