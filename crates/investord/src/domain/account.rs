//! Account groups and the accounts in them: where a user holds assets.
//!
//! Bodies, statuses and bounds follow the reference pages "Account Groups" and "Accounts"; what they leave open is in
//! `docs/choices.md`.

use std::str::FromStr;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::event::EventType;
use super::identifier::today;
use super::schema::{Fault, Member, Needed, Pattern, Rule, Shape, member, parse, read};
use super::tenant::Settings;
use super::user::{self, User};

static SECURITIES_ACCOUNT: Pattern = Pattern::new("^[0-9]{7,12}$", "7 to 12 digits");

const STATUSES: &[&str] = &[
    Status::PendingApproval.as_str(),
    Status::Active.as_str(),
    Status::Closing.as_str(),
    Status::Closed.as_str(),
    Status::Locked.as_str(),
];
const ID: Member = member("id", Needed::Always, Rule::Uuid, "Its id.");
const CREATED_AT: Member = member("created_at", Needed::Always, Rule::Instant, "When it was created.");
const UPDATED_AT: Member = member("updated_at", Needed::Always, Rule::Instant, "When it was last changed.");
const USER_ID: Member = member("user_id", Needed::Always, Rule::Uuid, "The user whose it is.");
const GROUP_ID: Member =
    member("account_group_id", Needed::Always, Rule::Uuid, "The account group that it belongs to.");
const GROUP_TYPE: Member = member(
    "type",
    Needed::Always,
    Rule::OneOf(&["PERSONAL", "LEGAL_ENTITY", "FRENCH_PEA", "ISA"]),
    "PERSONAL: of a person who holds assets on their own behalf. LEGAL_ENTITY: of a legal entity that holds assets \
     on behalf of its users. FRENCH_PEA, ISA: personal, with the tax treatment of that name.",
);
const SECURITIES_ACCOUNT_NUMBER: Member = member(
    "securities_account_number",
    Needed::Always,
    Rule::Pattern(&SECURITIES_ACCOUNT),
    "Number of the securities account; 9 digits where the register gives it.",
);
const ACCOUNT_TYPE: Member = member(
    "type",
    Needed::Always,
    Rule::OneOf(&["TRADING", "PORTFOLIO"]),
    "TRADING: orders are for an instrument. PORTFOLIO: orders are for a portfolio.",
);
const NAME: Member =
    member("name", Needed::Always, Rule::Text { min: 0, max: 100 }, "The name of the account.");
const STATUS: Member = member(
    "status",
    Needed::Always,
    Rule::OneOf(STATUSES),
    "PENDING_APPROVAL: waits for its user to become ACTIVE. ACTIVE: everything can be done. CLOSING: on the way out. \
     CLOSED: out, but kept. LOCKED: nothing can be done.",
);
static OWNER: Shape = Shape {
    name: "Owner",
    members: &[
        member("id", Needed::Always, Rule::Uuid, "Id of the user."),
        member("type", Needed::Always, Rule::OneOf(&["OWNER"]), "What the user is to it."),
    ],
};
static OWNER_RULE: Rule = Rule::Object(&OWNER);
const USERS: Member = member(
    "users",
    Needed::Always,
    Rule::List { item: &OWNER_RULE, min: 1, max: 1, unique: true },
    "Whose it is.",
);

/// The body of `POST /account_groups`.
pub static CREATE_GROUP: Shape = Shape {
    name: "CreateAccountGroup",
    members: &[USER_ID, GROUP_TYPE, SECURITIES_ACCOUNT_NUMBER.optional()],
};
/// The body of `POST /accounts`.
pub static CREATE_ACCOUNT: Shape =
    Shape { name: "CreateAccount", members: &[USER_ID, GROUP_ID, ACCOUNT_TYPE, NAME.optional()] };
/// The body of `PATCH /accounts/{account_id}`.
pub static UPDATE_ACCOUNT: Shape = Shape { name: "UpdateAccount", members: &[NAME.optional()] };
/// A group as it is answered.
pub static GROUP: [Member; 7] =
    [ID, CREATED_AT, UPDATED_AT, USERS, STATUS, GROUP_TYPE, SECURITIES_ACCOUNT_NUMBER];
/// An account as it is answered, but for the number.
pub static ACCOUNT: [Member; 8] = [ID, CREATED_AT, UPDATED_AT, GROUP_ID, ACCOUNT_TYPE, USERS, NAME, STATUS];

/// Why a group is closed, if the client says.
pub const CLOSURE_REASONS: &[&str] = &[
    "dunning",
    "power_of_attorney",
    "loss_of_legal_capacity",
    "aml",
    "risk_based",
    "contract_breach",
    "user_initiated",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    PendingApproval,
    Active,
    Closing,
    Closed,
    Locked,
}

impl Status {
    pub const ALL: [Status; 5] =
        [Status::PendingApproval, Status::Active, Status::Closing, Status::Closed, Status::Locked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Status::PendingApproval => "PENDING_APPROVAL",
            Status::Active => "ACTIVE",
            Status::Closing => "CLOSING",
            Status::Closed => "CLOSED",
            Status::Locked => "LOCKED",
        }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| format!("'{text}' is not the status of an account"))
    }
}

/// A group or an account: whatever has a life of this kind.
#[derive(Clone, Debug)]
pub struct Custody<T> {
    pub id: Uuid,
    pub user_id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub status: Status,
    pub content: T,
}

pub type AccountGroup = Custody<Group>;
pub type Account = Custody<Single>;

/// What is kept of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    #[serde(rename = "type")]
    pub kind: String,
    pub securities_account_number: String,
    pub closure_reason: Option<String>,
}

/// What is kept of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Single {
    pub account_group_id: Uuid,
    #[serde(rename = "type")]
    pub kind: String,
    /// Serial number in the group, from 1.
    pub account_number: i64,
    pub name: String,
}

/// What makes a group differ from an account.
pub trait Content: Clone + Serialize + DeserializeOwned + Send + 'static {
    const NOUN: &'static str;
    const EVENTS: Events;

    /// As it is answered.
    fn view(custody: &Custody<Self>) -> Value;
}

/// The events of a life.
pub struct Events {
    pub created: EventType,
    pub activated: EventType,
    pub closing_initiated: EventType,
    pub closed: EventType,
}

impl Content for Group {
    const NOUN: &'static str = "account group";
    const EVENTS: Events = Events {
        created: EventType::AccountGroupCreated,
        activated: EventType::AccountGroupActivated,
        closing_initiated: EventType::AccountGroupClosingInitiated,
        closed: EventType::AccountGroupClosed,
    };

    fn view(group: &AccountGroup) -> Value {
        let Custody { id, user_id, created_at, updated_at, status, content } = group;
        json!({
            "id": id,
            "created_at": created_at,
            "updated_at": updated_at,
            "users": [{ "id": user_id, "type": "OWNER" }],
            "status": status.as_str(),
            "type": content.kind,
            "securities_account_number": content.securities_account_number,
        })
    }
}

impl Content for Single {
    const NOUN: &'static str = "account";
    const EVENTS: Events = Events {
        created: EventType::AccountCreated,
        activated: EventType::AccountActivated,
        closing_initiated: EventType::AccountClosingInitiated,
        closed: EventType::AccountClosed,
    };

    fn view(account: &Account) -> Value {
        let Custody { id, user_id, created_at, updated_at, status, content } = account;
        json!({
            "id": id,
            "created_at": created_at,
            "updated_at": updated_at,
            "account_group_id": content.account_group_id,
            "type": content.kind,
            "users": [{ "id": user_id, "type": "OWNER" }],
            "account_number": content.account_number,
            "name": content.name,
            "status": status.as_str(),
        })
    }
}

impl<T: Content> Custody<T> {
    /// Opens one for a user; it can be used as soon as the user is active.
    pub fn open(id: Uuid, user: &User, now: Timestamp, content: T) -> (Self, Vec<EventType>) {
        let (user_id, status) = (user.id, Status::PendingApproval);
        let mut new = Self { id, user_id, created_at: now, updated_at: now, status, content };
        let activated = if user.status == user::Status::Active { new.activate(now) } else { None };
        (new, std::iter::once(T::EVENTS.created).chain(activated).collect())
    }

    /// Opens what has waited for its user.
    pub fn activate(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            Status::PendingApproval => Some(self.becomes(Status::Active, now, T::EVENTS.activated)),
            Status::Active | Status::Closing | Status::Closed | Status::Locked => None,
        }
    }

    /// Begins to close it; none if its status does not allow that.
    pub fn close(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            Status::PendingApproval | Status::Active => {
                Some(self.becomes(Status::Closing, now, T::EVENTS.closing_initiated))
            }
            Status::Closing | Status::Closed | Status::Locked => None,
        }
    }

    /// Ends the closing of what nothing is left in.
    pub fn finish_closing(&mut self, now: Timestamp) -> Option<EventType> {
        match self.status {
            Status::Closing => Some(self.becomes(Status::Closed, now, T::EVENTS.closed)),
            Status::PendingApproval | Status::Active | Status::Closed | Status::Locked => None,
        }
    }

    /// Whether anything of it is left.
    pub fn is_open(&self) -> bool {
        self.status != Status::Closed
    }

    fn becomes(&mut self, status: Status, now: Timestamp, event: EventType) -> EventType {
        (self.status, self.updated_at) = (status, now);
        event
    }
}

impl Account {
    /// Gives it another name, if that is one.
    pub fn rename(&mut self, name: Option<&str>, now: Timestamp) -> Option<EventType> {
        let name = name.filter(|name| *name != self.content.name)?;
        (self.content.name, self.updated_at) = (name.to_owned(), now);
        Some(EventType::AccountUpdated)
    }
}

/// A group that is asked for.
#[derive(Clone, Debug)]
pub struct NewGroup {
    pub user_id: Uuid,
    pub kind: String,
    /// Where the client brings its own.
    pub securities_account_number: Option<String>,
}

impl NewGroup {
    /// Reads the body of a create request.
    pub fn parse(body: &[u8], settings: &Settings, now: Timestamp) -> Result<Self, Vec<Fault>> {
        let sent = read(&CREATE_GROUP, &parse(body)?, settings, today(now))?;
        Ok(Self {
            user_id: id(&sent, "user_id"),
            kind: text(&sent, "type").unwrap_or_default(),
            securities_account_number: text(&sent, "securities_account_number"),
        })
    }
}

/// An account that is asked for.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub user_id: Uuid,
    pub account_group_id: Uuid,
    pub kind: String,
    pub name: String,
}

impl NewAccount {
    /// Reads the body of a create request.
    pub fn parse(body: &[u8], settings: &Settings, now: Timestamp) -> Result<Self, Vec<Fault>> {
        let sent = read(&CREATE_ACCOUNT, &parse(body)?, settings, today(now))?;
        Ok(Self {
            user_id: id(&sent, "user_id"),
            account_group_id: id(&sent, "account_group_id"),
            kind: text(&sent, "type").unwrap_or_default(),
            name: text(&sent, "name").unwrap_or_default(),
        })
    }

    /// The account as it will be kept, beside the other ones of its user.
    pub fn beside(&self, others: &[Account]) -> Single {
        let Self { account_group_id, kind, name, .. } = self.clone();
        let numbers = others.iter().filter(|other| other.content.account_group_id == account_group_id);
        let last = numbers.map(|other| other.content.account_number).max();
        Single { account_group_id, kind, account_number: last.unwrap_or(0) + 1, name }
    }
}

/// Reads the body of an update: the new name, if there is one.
pub fn parse_update(body: &[u8], settings: &Settings, now: Timestamp) -> Result<Option<String>, Vec<Fault>> {
    Ok(text(&read(&UPDATE_ACCOUNT, &parse(body)?, settings, today(now))?, "name"))
}

fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// Of a member that its rule has checked.
fn id(members: &Map<String, Value>, name: &str) -> Uuid {
    members.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or_default()
}
