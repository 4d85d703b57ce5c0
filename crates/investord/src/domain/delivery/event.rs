//! Events, chained by hash per tenant.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use strum::{IntoStaticStr, VariantArray};
use uuid::Uuid;

/// The type of an event, with its name in the API and in the event log. The name is part of the chain hash, so it must
/// never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str)]
pub enum EventType {
    #[strum(serialize = "USER.CREATED")]
    UserCreated,
    #[strum(serialize = "USER.ACTIVATED")]
    UserActivated,
    #[strum(serialize = "USER.DEACTIVATED")]
    UserDeactivated,
    #[strum(serialize = "USER.DATA_CHANGED")]
    UserDataChanged,
    #[strum(serialize = "USER.DATA_CHANGE_FAILED")]
    UserDataChangeFailed,
    #[strum(serialize = "USER.OFFBOARDING_INITIATED")]
    UserOffboardingInitiated,
    #[strum(serialize = "USER.OFFBOARDED")]
    UserOffboarded,
    #[strum(serialize = "USER_CHECK.CREATED")]
    UserCheckCreated,
    #[strum(serialize = "USER_CHECK.PASSED")]
    UserCheckPassed,
    #[strum(serialize = "USER_CHECK.FAILED")]
    UserCheckFailed,
    #[strum(serialize = "ACCOUNT_GROUP.CREATED")]
    AccountGroupCreated,
    #[strum(serialize = "ACCOUNT_GROUP.ACTIVATED")]
    AccountGroupActivated,
    #[strum(serialize = "ACCOUNT_GROUP.CLOSING_INITIATED")]
    AccountGroupClosingInitiated,
    #[strum(serialize = "ACCOUNT_GROUP.CLOSED")]
    AccountGroupClosed,
    #[strum(serialize = "ACCOUNT.CREATED")]
    AccountCreated,
    #[strum(serialize = "ACCOUNT.ACTIVATED")]
    AccountActivated,
    #[strum(serialize = "ACCOUNT.UPDATED")]
    AccountUpdated,
    #[strum(serialize = "ACCOUNT.CLOSING_INITIATED")]
    AccountClosingInitiated,
    #[strum(serialize = "ACCOUNT.CLOSED")]
    AccountClosed,
    /// An action of an operator: recorded in the event log, but not delivered.
    #[strum(serialize = "OPERATOR.ACTION")]
    OperatorAction,
    /// A change to a webhook by a client: recorded in the event log, but not delivered.
    #[strum(serialize = "CLIENT.ACTION")]
    ClientAction,
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
