//! The event log of a tenant, read past the server: every event in order, the chain checked on the way.

use investord::domain::delivery::event::{ChainHash, Event, StoredObject};
use investord::domain::tenants::TenantNumber;
use investord::store::encryption::{Aad, UserKey};
use investord::store::plaintext::Plaintext;
use investord::store::{Stmt, StoreError, Tx, Value};
use jiff::Timestamp;
use uuid::Uuid;

const CHAIN: Stmt = Stmt {
    name: "test.chain",
    text: "SELECT e.number, e.id, e.created_at, e.type, coalesce(o.id, e.id), coalesce(o.sealed, e.sealed), e.subject,
                  e.same_as, e.chain_hash
           FROM events AS e LEFT JOIN events AS o ON o.tenant = e.tenant AND o.number = e.same_as
           WHERE e.tenant = $1 ORDER BY e.number",
};

/// An event of the log.
pub struct ChainedEvent {
    pub number: i64,
    pub created_at: Timestamp,
    pub kind: String,
    /// The user or the webhook.
    pub subject: Uuid,
    pub chain_hash: ChainHash,
    /// The event that stores the object.
    object_of: Uuid,
    sealed: Vec<u8>,
}

impl ChainedEvent {
    /// The object of the event, decrypted.
    pub fn open(&self, key: &UserKey) -> Result<Plaintext, StoreError> {
        key.open(Aad::event(&self.object_of), &self.sealed)
    }
}

/// Passes the events of a tenant to `see`, in order.
pub fn walk(
    tx: &Tx<'_>,
    tenant: TenantNumber,
    mut see: impl FnMut(ChainedEvent) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (mut number, mut chain_hash) = (0, ChainHash::default());
    tx.each(&CHAIN, &[Value::Int(tenant.0)], |row| {
        number += 1;
        let (id, created_at, kind, subject) = (row.id(1)?, row.at(2)?, row.text(3)?, row.id(6)?);
        let sealed = row.bytes(5)?;
        let object = row.int_or_null(7)?.map_or(StoredObject::Sealed(sealed), StoredObject::SameAs);
        chain_hash = Event { number, id, created_at, kind, subject, object }.next_chain_hash(&chain_hash);
        assert_eq!((row.int(0)?, row.array(8)?), (number, chain_hash), "the chain of tenant {tenant} breaks");
        let (kind, object_of, sealed) = (kind.to_owned(), row.id(4)?, sealed.to_vec());
        see(ChainedEvent { number, created_at, kind, subject, chain_hash, object_of, sealed })
    })
}
