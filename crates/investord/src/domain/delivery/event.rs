//! Events, chained by hash per tenant.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use uuid::Uuid;

/// The type of an event, with its name in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    UserCreated,
    UserActivated,
    UserDeactivated,
    UserDataChanged,
    UserDataChangeFailed,
    UserOffboardingInitiated,
    UserOffboarded,
    UserCheckCreated,
    UserCheckPassed,
    UserCheckFailed,
    AccountGroupCreated,
    AccountGroupActivated,
    AccountGroupClosingInitiated,
    AccountGroupClosed,
    AccountCreated,
    AccountActivated,
    AccountUpdated,
    AccountClosingInitiated,
    AccountClosed,
    /// An action of an operator: recorded in the event log, but not delivered.
    OperatorAction,
    /// A change to a webhook by a client: recorded in the event log, but not delivered.
    ClientAction,
}

impl EventType {
    /// All types, for the OpenAPI document.
    pub const ALL: [EventType; 21] = [
        EventType::UserCreated,
        EventType::UserActivated,
        EventType::UserDeactivated,
        EventType::UserDataChanged,
        EventType::UserDataChangeFailed,
        EventType::UserOffboardingInitiated,
        EventType::UserOffboarded,
        EventType::UserCheckCreated,
        EventType::UserCheckPassed,
        EventType::UserCheckFailed,
        EventType::AccountGroupCreated,
        EventType::AccountGroupActivated,
        EventType::AccountGroupClosingInitiated,
        EventType::AccountGroupClosed,
        EventType::AccountCreated,
        EventType::AccountActivated,
        EventType::AccountUpdated,
        EventType::AccountClosingInitiated,
        EventType::AccountClosed,
        EventType::OperatorAction,
        EventType::ClientAction,
    ];

    /// Returns the name in the API and in the event log. It is part of the chain hash, so it must never change.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventType::UserCreated => "USER.CREATED",
            EventType::UserActivated => "USER.ACTIVATED",
            EventType::UserDeactivated => "USER.DEACTIVATED",
            EventType::UserDataChanged => "USER.DATA_CHANGED",
            EventType::UserDataChangeFailed => "USER.DATA_CHANGE_FAILED",
            EventType::UserOffboardingInitiated => "USER.OFFBOARDING_INITIATED",
            EventType::UserOffboarded => "USER.OFFBOARDED",
            EventType::UserCheckCreated => "USER_CHECK.CREATED",
            EventType::UserCheckPassed => "USER_CHECK.PASSED",
            EventType::UserCheckFailed => "USER_CHECK.FAILED",
            EventType::AccountGroupCreated => "ACCOUNT_GROUP.CREATED",
            EventType::AccountGroupActivated => "ACCOUNT_GROUP.ACTIVATED",
            EventType::AccountGroupClosingInitiated => "ACCOUNT_GROUP.CLOSING_INITIATED",
            EventType::AccountGroupClosed => "ACCOUNT_GROUP.CLOSED",
            EventType::AccountCreated => "ACCOUNT.CREATED",
            EventType::AccountActivated => "ACCOUNT.ACTIVATED",
            EventType::AccountUpdated => "ACCOUNT.UPDATED",
            EventType::AccountClosingInitiated => "ACCOUNT.CLOSING_INITIATED",
            EventType::AccountClosed => "ACCOUNT.CLOSED",
            EventType::OperatorAction => "OPERATOR.ACTION",
            EventType::ClientAction => "CLIENT.ACTION",
        }
    }
}

/// A SHA-256 hash of the hash chain. The first event of a tenant follows on 32 zero bytes.
pub type ChainHash = [u8; 32];

/// The object of an event, as it is stored.
#[derive(Clone, Copy)]
pub enum StoredObject<'a> {
    /// The encrypted object.
    Sealed(&'a [u8]),
    /// The number of the earlier event that has the same object.
    SameAs(i64),
}

/// An event as it is stored, with its object encrypted.
pub struct Event<'a> {
    /// Position in the event log of the tenant, from 1, without gaps.
    pub number: i64,
    pub id: Uuid,
    pub created_at: Timestamp,
    /// The name of its [`EventType`].
    pub kind: &'a str,
    /// The user or the webhook that it is about.
    pub subject: Uuid,
    pub object: StoredObject<'a>,
}

impl Event<'_> {
    /// Returns the chain hash that follows on `previous`.
    ///
    /// It covers the encrypted object, not the readable one, so that the chain stays verifiable after the key of a
    /// person has been destroyed. Variable parts carry their length, so that no two events share an encoding.
    pub fn next_chain_hash(&self, previous: &ChainHash) -> ChainHash {
        let mut hash = Context::new(&SHA256);
        hash.update(previous);
        hash.update(&self.number.to_be_bytes());
        hash.update(self.id.as_bytes());
        hash.update(&self.created_at.as_microsecond().to_be_bytes());
        hash.update(self.subject.as_bytes());
        let same_as;
        let object = match self.object {
            StoredObject::Sealed(sealed) => sealed,
            // Shorter than every ciphertext, so that the two forms cannot be mistaken for each other.
            StoredObject::SameAs(number) => {
                same_as = number.to_be_bytes();
                &same_as
            }
        };
        for part in [self.kind.as_bytes(), object] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut link = ChainHash::default();
        link.copy_from_slice(hash.finish().as_ref());
        link
    }
}
