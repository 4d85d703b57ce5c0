//! Events, chained by hash per tenant.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use uuid::Uuid;

/// Event types as they stand on the wire.
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
    /// What an operator has done: for the record, not for the wire.
    OperatorAction,
    /// What a client has done to a webhook: for the record, too.
    ClientAction,
}

impl EventType {
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

/// SHA-256 link of the chain. The first event of a tenant follows on 32 zero bytes.
pub type ChainHash = [u8; 32];

/// An event as it is written, its object sealed.
pub struct Event<'a> {
    /// Position in the tenant's history, from 1, without gaps.
    pub number: i64,
    pub id: Uuid,
    pub created_at: Timestamp,
    pub kind: &'a str,
    /// The user whom it concerns, or the webhook.
    pub subject: Uuid,
    pub sealed: &'a [u8],
}

impl Event<'_> {
    /// The link that follows on `previous`.
    ///
    /// It covers the sealed object, not the readable one: the chain stays verifiable after a person's key
    /// has been destroyed. Variable parts carry their length, so no two events share an encoding.
    pub fn next_chain_hash(&self, previous: &ChainHash) -> ChainHash {
        let mut hash = Context::new(&SHA256);
        hash.update(previous);
        hash.update(&self.number.to_be_bytes());
        hash.update(self.id.as_bytes());
        hash.update(&self.created_at.as_microsecond().to_be_bytes());
        hash.update(self.subject.as_bytes());
        for part in [self.kind.as_bytes(), self.sealed] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut link = ChainHash::default();
        link.copy_from_slice(hash.finish().as_ref());
        link
    }
}
