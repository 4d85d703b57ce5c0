//! Account groups and the accounts in them.
//!
//! Bodies, statuses and bounds follow the reference pages "Account Groups" and "Accounts"; the points that they leave
//! open are in `docs/choices.md`.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use strum::{EnumString, IntoStaticStr, VariantNames};
use uuid::Uuid;

use super::tenants::TenantSettings;
use super::users;
use super::users::User;
use crate::domain::delivery::event::EventType;
use crate::domain::identification::identifier::today;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Pattern, Presence, field};
use crate::domain::json::validation::{parse, read};

static SECURITIES_ACCOUNT: Pattern = Pattern::new("^[0-9]{7,12}$", "7 to 12 digits");

const STATUSES: &[&str] = &[
    AccountStatus::PendingApproval.into_str(),
    AccountStatus::Active.into_str(),
    AccountStatus::Closing.into_str(),
    AccountStatus::Closed.into_str(),
    AccountStatus::Locked.into_str(),
];
const ID: Field = field("id", Presence::Always, FieldRule::Uuid, "Its id.");
const CREATED_AT: Field = field("created_at", Presence::Always, FieldRule::Instant, "When it was created.");
const UPDATED_AT: Field =
    field("updated_at", Presence::Always, FieldRule::Instant, "When it was last changed.");
const USER_ID: Field = field("user_id", Presence::Always, FieldRule::Uuid, "The user whose it is.");
const GROUP_ID: Field =
    field("account_group_id", Presence::Always, FieldRule::Uuid, "The account group that it belongs to.");
const GROUP_TYPE: Field = field(
    "type",
    Presence::Always,
    FieldRule::OneOf(&["PERSONAL", "LEGAL_ENTITY", "FRENCH_PEA", "ISA"]),
    "PERSONAL: of a person who holds assets on their own behalf. LEGAL_ENTITY: of a legal entity that holds assets \
     on behalf of its users. FRENCH_PEA, ISA: personal, with the tax treatment of that name.",
);
const SECURITIES_ACCOUNT_NUMBER: Field = field(
    "securities_account_number",
    Presence::Always,
    FieldRule::Pattern(&SECURITIES_ACCOUNT),
    "Number of the securities account; 9 digits where the register gives it.",
);
const ACCOUNT_TYPE: Field = field(
    "type",
    Presence::Always,
    FieldRule::OneOf(&["TRADING", "PORTFOLIO"]),
    "TRADING: orders are for an instrument. PORTFOLIO: orders are for a portfolio.",
);
const NAME: Field =
    field("name", Presence::Always, FieldRule::Text { min: 0, max: 100 }, "The name of the account.");
const STATUS: Field = field(
    "status",
    Presence::Always,
    FieldRule::OneOf(STATUSES),
    "PENDING_APPROVAL: waits for its user to become ACTIVE. ACTIVE: everything can be done. CLOSING: on the way out. \
     CLOSED: out, but kept. LOCKED: nothing can be done.",
);
static OWNER: ObjectSchema = ObjectSchema {
    name: "Owner",
    fields: &[
        field("id", Presence::Always, FieldRule::Uuid, "Id of the user."),
        field("type", Presence::Always, FieldRule::OneOf(&["OWNER"]), "What the user is to it."),
    ],
};
static OWNER_RULE: FieldRule = FieldRule::Object(&OWNER);
const USERS: Field = field(
    "users",
    Presence::Always,
    FieldRule::List { item: &OWNER_RULE, min: 1, max: 1, unique: true },
    "Whose it is.",
);

/// The body of `POST /account_groups`.
pub static CREATE_GROUP: ObjectSchema = ObjectSchema {
    name: "CreateAccountGroup",
    fields: &[USER_ID, GROUP_TYPE, SECURITIES_ACCOUNT_NUMBER.optional()],
};
/// The body of `POST /accounts`.
pub static CREATE_ACCOUNT: ObjectSchema =
    ObjectSchema { name: "CreateAccount", fields: &[USER_ID, GROUP_ID, ACCOUNT_TYPE, NAME.optional()] };
/// The body of `PATCH /accounts/{account_id}`.
pub static UPDATE_ACCOUNT: ObjectSchema = ObjectSchema { name: "UpdateAccount", fields: &[NAME.optional()] };
/// A group in responses.
pub static GROUP: [Field; 7] =
    [ID, CREATED_AT, UPDATED_AT, USERS, STATUS, GROUP_TYPE, SECURITIES_ACCOUNT_NUMBER];
/// An account in responses, without the number.
pub static ACCOUNT: [Field; 8] = [ID, CREATED_AT, UPDATED_AT, GROUP_ID, ACCOUNT_TYPE, USERS, NAME, STATUS];

/// The reasons that a client may give for the closure of a group.
pub const CLOSURE_REASONS: &[&str] = &[
    "dunning", "power_of_attorney", "loss_of_legal_capacity", "aml", "risk_based", "contract_breach",
    "user_initiated",
];

/// The status of an account resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum AccountStatus {
    PendingApproval,
    Active,
    Closing,
    Closed,
    Locked,
}

/// An account resource: a group or an account, which have the same life cycle.
#[derive(Clone, Debug)]
pub struct AccountResource<T> {
    pub id: Uuid,
    pub user_id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub status: AccountStatus,
    pub content: T,
}

/// An account group of a user.
pub type AccountGroup = AccountResource<GroupDetails>;
/// An account in a group.
pub type Account = AccountResource<SingleAccountDetails>;

/// The stored details of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDetails {
    #[serde(rename = "type")]
    pub kind: String,
    pub securities_account_number: String,
    pub closure_reason: Option<String>,
}

/// The stored details of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SingleAccountDetails {
    pub account_group_id: Uuid,
    #[serde(rename = "type")]
    pub kind: String,
    /// Serial number in the group, from 1.
    pub account_number: i64,
    pub name: String,
}

/// The differences between groups and accounts.
pub trait AccountDetails: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// The name in messages.
    const NOUN: &'static str;
    /// The events of the life cycle.
    const EVENTS: LifecycleEvents;

    /// Returns the resource for a response.
    fn view(resource: &AccountResource<Self>) -> Value;
}

/// The events of a life cycle.
pub struct LifecycleEvents {
    pub created: EventType,
    pub activated: EventType,
    pub closing_initiated: EventType,
    pub closed: EventType,
}

impl AccountDetails for GroupDetails {
    const NOUN: &'static str = "account group";
    const EVENTS: LifecycleEvents = LifecycleEvents {
        created: EventType::AccountGroupCreated,
        activated: EventType::AccountGroupActivated,
        closing_initiated: EventType::AccountGroupClosingInitiated,
        closed: EventType::AccountGroupClosed,
    };

    fn view(group: &AccountGroup) -> Value {
        let AccountResource { id, user_id, created_at, updated_at, status, content } = group;
        json!({
            "id": id,
            "created_at": created_at,
            "updated_at": updated_at,
            "users": [{ "id": user_id, "type": "OWNER" }],
            "status": status.into_str(),
            "type": content.kind,
            "securities_account_number": content.securities_account_number,
        })
    }
}

impl AccountDetails for SingleAccountDetails {
    const NOUN: &'static str = "account";
    const EVENTS: LifecycleEvents = LifecycleEvents {
        created: EventType::AccountCreated,
        activated: EventType::AccountActivated,
        closing_initiated: EventType::AccountClosingInitiated,
        closed: EventType::AccountClosed,
    };

    fn view(account: &Account) -> Value {
        let AccountResource { id, user_id, created_at, updated_at, status, content } = account;
        json!({
            "id": id,
            "created_at": created_at,
            "updated_at": updated_at,
            "account_group_id": content.account_group_id,
            "type": content.kind,
            "users": [{ "id": user_id, "type": "OWNER" }],
            "account_number": content.account_number,
            "name": content.name,
            "status": status.into_str(),
        })
    }
}

impl<T: AccountDetails> AccountResource<T> {
    /// Opens a resource for a user and returns it with the events. It can be used as soon as the user is active.
    pub fn open(id: Uuid, user: &User, now: Timestamp, content: T) -> (Self, Vec<EventType>) {
        let (user_id, status) = (user.id, AccountStatus::PendingApproval);
        let mut new = Self { id, user_id, created_at: now, updated_at: now, status, content };
        let activated = if user.status == users::UserStatus::Active { new.activate(now) } else { None };
        (new, std::iter::once(T::EVENTS.created).chain(activated).collect())
    }

    /// Activates a resource that waits for its user, and returns the event.
    pub fn activate(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            AccountStatus::PendingApproval => {
                Some(self.set_status(AccountStatus::Active, now, T::EVENTS.activated))
            }
            AccountStatus::Active
            | AccountStatus::Closing
            | AccountStatus::Closed
            | AccountStatus::Locked => None,
        }
    }

    /// Begins to close the resource and returns the event, or `None` if its status does not allow that.
    pub fn close(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            AccountStatus::PendingApproval | AccountStatus::Active => {
                Some(self.set_status(AccountStatus::Closing, now, T::EVENTS.closing_initiated))
            }
            AccountStatus::Closing | AccountStatus::Closed | AccountStatus::Locked => None,
        }
    }

    /// Ends the closing of an empty resource and returns the event.
    pub fn finish_closing(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            AccountStatus::Closing => Some(self.set_status(AccountStatus::Closed, now, T::EVENTS.closed)),
            AccountStatus::PendingApproval
            | AccountStatus::Active
            | AccountStatus::Closed
            | AccountStatus::Locked => None,
        }
    }

    /// Returns whether the resource is not closed.
    pub fn is_open(&self) -> bool {
        self.status != AccountStatus::Closed
    }

    fn set_status(&mut self, status: AccountStatus, now: Timestamp, event: EventType) -> EventType {
        (self.status, self.updated_at) = (status, now);
        event
    }
}

impl Account {
    /// Changes the name and returns the event, or `None` if the name stays.
    pub fn rename(&mut self, name: Option<&str>, now: Timestamp) -> Option<EventType> {
        let name = name.filter(|name| *name != self.content.name)?;
        (self.content.name, self.updated_at) = (name.to_owned(), now);
        Some(EventType::AccountUpdated)
    }
}

/// A requested group.
#[derive(Clone, Debug)]
pub struct NewGroup {
    pub user_id: Uuid,
    pub kind: String,
    /// The client's own number, if it has one.
    pub securities_account_number: Option<String>,
}

impl NewGroup {
    /// Parses the body of a create request.
    ///
    /// # Errors
    /// Fails with all field errors.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let sent = read(&CREATE_GROUP, &parse(body)?, settings, today(now))?;
        Ok(Self {
            user_id: id(&sent, "user_id"),
            kind: text(&sent, "type").unwrap_or_default(),
            securities_account_number: text(&sent, "securities_account_number"),
        })
    }
}

/// A requested account.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub user_id: Uuid,
    pub account_group_id: Uuid,
    pub kind: String,
    pub name: String,
}

impl NewAccount {
    /// Parses the body of a create request.
    ///
    /// # Errors
    /// Fails with all field errors.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let sent = read(&CREATE_ACCOUNT, &parse(body)?, settings, today(now))?;
        Ok(Self {
            user_id: id(&sent, "user_id"),
            account_group_id: id(&sent, "account_group_id"),
            kind: text(&sent, "type").unwrap_or_default(),
            name: text(&sent, "name").unwrap_or_default(),
        })
    }

    /// Returns the account as it will be stored, with its serial number in its group.
    pub fn with_number(&self, account_number: i64) -> SingleAccountDetails {
        let Self { account_group_id, kind, name, .. } = self.clone();
        SingleAccountDetails { account_group_id, kind, account_number, name }
    }
}

/// Parses the body of an update and returns the new name, if there is one.
///
/// # Errors
/// Fails with all field errors.
pub fn parse_update(
    body: &[u8],
    settings: &TenantSettings,
    now: Timestamp,
) -> Result<Option<String>, Vec<FieldError>> {
    Ok(text(&read(&UPDATE_ACCOUNT, &parse(body)?, settings, today(now))?, "name"))
}

/// Returns a member that is a string.
fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// Returns a member that its rule has validated as a UUID.
fn id(members: &Map<String, Value>, name: &str) -> Uuid {
    members.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or_default()
}
