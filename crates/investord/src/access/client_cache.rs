//! The client cache: clients, their keys and access tokens, kept in memory for half a second.
//!
//! A revocation by any process takes effect everywhere within a second, and a busy client costs two queries a second
//! instead of thousands.

use std::sync::Arc;

use http_message_signatures::PublicKey;
use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use uuid::Uuid;

use crate::problem::Problem;
use crate::store::encryption::MasterKey;
use crate::store::tenants;
use crate::store::tenants::Tenant;
use crate::store::tenants::clients;
use crate::store::tenants::tokens;
use crate::store::tenants::tokens::TokenRow;
use crate::store::{Store, StoreError, Tx};

/// Lifetime of a cache entry. Together with the commit of the revocation it stays below the second that the header
/// promises.
const TTL: SignedDuration = SignedDuration::from_millis(500);
/// Maximum number of clients in memory; beyond it the least used ones are evicted and loaded again on demand.
const MAX_CLIENTS: u64 = 10_000;
/// Maximum number of tokens in memory. A client can have several tokens at a time, in several processes.
const MAX_TOKENS: u64 = 100_000;

/// An API client: its scopes, the MAC of its secret and its public keys in force.
pub struct Client {
    /// Id of the client, as in the header `upvest-client-id`.
    pub id: Uuid,
    pub tenant: Tenant,
    scopes: Vec<String>,
    secret_mac: Vec<u8>,
    /// MAC of the secret before the last rotation, and until when it is taken, too.
    old_secret: Option<(Vec<u8>, Timestamp)>,
    keys: Vec<(Uuid, PublicKey)>,
}

impl Client {
    /// Returns whether this is the secret of the client, or the one before as long as both are taken. The comparisons
    /// take constant time.
    pub fn secret_matches(&self, secret: &str, now: Timestamp) -> bool {
        let is = |mac: &[u8]| self.tenant.key.secret_matches(&self.id, secret, mac);
        is(&self.secret_mac) || self.old_secret.as_ref().is_some_and(|(old, until)| now < *until && is(old))
    }

    /// Checks that the tenant of the client is not suspended.
    ///
    /// # Errors
    ///
    /// Fails with 403 if it is.
    pub fn check_not_suspended(&self) -> Result<(), Problem> {
        if self.tenant.is_suspended { Err(Problem::Closed("the tenant is suspended")) } else { Ok(()) }
    }

    /// Returns whether the client is authorized for this scope.
    pub fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }

    /// Returns the key with this id if it belongs to the client and is not revoked.
    pub fn key(&self, id: &str) -> Option<(Uuid, &PublicKey)> {
        let id = Uuid::try_parse(id).ok()?;
        self.keys.iter().find(|(own, _)| *own == id).map(|(id, key)| (*id, key))
    }

    /// Returns the keys of the client that are not revoked, with their ids.
    pub fn keys(&self) -> impl Iterator<Item = &(Uuid, PublicKey)> {
        self.keys.iter()
    }
}

/// An access token: its client, key, expiry and scopes.
pub struct Token {
    client: Uuid,
    /// The key that signed the request for it.
    pub key: Uuid,
    expires: Timestamp,
    scopes: Vec<String>,
}

impl Token {
    /// Returns whether the token grants this scope.
    pub fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }
}

/// A cache entry: the value and the time at which it was read.
struct CacheEntry<T> {
    at: Timestamp,
    value: Option<T>,
}

impl<T> CacheEntry<T> {
    /// Returns whether the entry may still be used. The absolute difference counts: after a clock has gone back every
    /// entry is stale, instead of fresh until the clock has caught up.
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).abs() < TTL
    }
}

/// Cache of clients and tokens in front of the store.
pub struct ClientCache {
    store: Store,
    master_key: Arc<MasterKey>,
    clients: Cache<Uuid, Arc<CacheEntry<Arc<Client>>>>,
    tokens: Cache<[u8; 32], Arc<CacheEntry<Arc<Token>>>>,
}

impl ClientCache {
    /// Creates an empty cache.
    pub fn new(store: Store, master_key: Arc<MasterKey>) -> Self {
        Self { store, master_key, clients: Cache::new(MAX_CLIENTS), tokens: Cache::new(MAX_TOKENS) }
    }

    /// Returns the client with this id.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn client(&self, id: Uuid, now: Timestamp) -> Result<Option<Arc<Client>>, Problem> {
        if let Some(seen) = self.clients.get(&id).filter(|seen| seen.is_fresh(now)) {
            return Ok(seen.value.clone());
        }
        let master_key = Arc::clone(&self.master_key);
        let loaded = self.store.read("clients.load", move |tx| load(tx, &master_key, id, now)).await?;
        // Unknown ids are not cached: an unauthenticated sender could evict the known clients with them.
        if loaded.is_some() {
            self.clients.insert(id, Arc::new(CacheEntry { at: now, value: loaded.clone() }));
        } else {
            self.clients.invalidate(&id);
        }
        Ok(loaded)
    }

    /// Returns the token with this hash if it belongs to the client and has not expired.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn token(
        &self,
        hash: [u8; 32],
        client: Uuid,
        now: Timestamp,
    ) -> Result<Option<Arc<Token>>, Problem> {
        let fresh = self.tokens.get(&hash).filter(|seen| seen.is_fresh(now));
        let token = match fresh {
            Some(seen) => seen.value.clone(),
            None => {
                let row = self.store.read("tokens.load", move |tx| tokens::by_hash(tx, &hash)).await?;
                let token = row.map(|TokenRow { client, key, scopes, expires }| {
                    let scopes = scopes.split(' ').map(str::to_owned).collect();
                    Arc::new(Token { client, key, expires, scopes })
                });
                match token {
                    Some(_) => {
                        self.tokens.insert(hash, Arc::new(CacheEntry { at: now, value: token.clone() }));
                    }
                    None => self.tokens.invalidate(&hash),
                }
                token
            }
        };
        Ok(token.filter(|token| token.client == client && token.expires > now))
    }
}

/// Loads an enabled client with its tenant and its keys in force.
fn load(
    tx: &Tx<'_>,
    master_key: &MasterKey,
    id: Uuid,
    now: Timestamp,
) -> Result<Option<Arc<Client>>, StoreError> {
    let found = clients::by_id(tx, id)?.filter(|client| client.disabled_at.is_none());
    let Some(client) = found else { return Ok(None) };
    let tenant = tenants::open(tx, client.tenant, master_key)?;
    let mut keys = Vec::new();
    for row in clients::keys_of(tx, id)?.into_iter().filter(|row| row.is_in_force(now)) {
        let key =
            PublicKey::from_spki_der(&row.spki).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        keys.push((row.id, key));
    }
    Ok(Some(Arc::new(Client {
        id,
        tenant,
        scopes: client.scopes.split_whitespace().map(str::to_owned).collect(),
        secret_mac: client.secret,
        old_secret: client.old_secret,
        keys,
    })))
}
