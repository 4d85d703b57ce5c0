//! Valid requests, changed in every way that could matter: none may be accepted, unless it still means the
//! same.

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod same;
mod wire;

use std::collections::BTreeMap;

use changes::mutants;
use common::{BARE, DER, RAW_OR_DER, attach, encode, usual};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_message_signatures::{
    Algorithm, Message, Profile, PublicKey, SignatureEncoding, SigningKey, body_digest,
};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use same::{same, signature, twin};
use wire::{NOW, Wire};

struct Case {
    profile: &'static Profile,
    kind: Algorithm,
    encoding: SignatureEncoding,
    /// Of so many mutants, one is tried.
    one_in: usize,
}

#[derive(Default)]
struct Tally {
    tried: usize,
    kinds: BTreeMap<KeyName, usize>,
    equal: BTreeMap<&'static str, usize>,
}

type KeyName = &'static str;

impl Tally {
    fn add(&mut self, other: Self) {
        self.tried += other.tried;
        other.kinds.into_iter().for_each(|(kind, count)| *self.kinds.entry(kind).or_default() += count);
        other.equal.into_iter().for_each(|(reason, count)| *self.equal.entry(reason).or_default() += count);
    }

    fn judge(
        &mut self,
        what: &str,
        original: &Wire,
        mutant: &Wire,
        keys: (&PublicKey, &PublicKey),
        profile: &Profile,
    ) {
        let (own, used) = keys;
        let Some(accepted) = mutant.accepted(used, profile) else { return };
        self.tried += 1;
        *self.kinds.entry(used.algorithm().name()).or_default() += 1;
        let equal = if own == used { same(original, mutant, own.algorithm()) } else { None };
        match (accepted, equal) {
            (false, _) => {}
            (true, Some(reason)) => *self.equal.entry(reason).or_default() += 1,
            (true, None) => panic!(
                "accepted after {what}: {profile:?} {own:?}\n{} {}{:?}\n{:#?}",
                mutant.method,
                mutant.path,
                mutant.query,
                mutant.fields.iter().map(|(n, v)| format!("{n}: {}", v.escape_ascii())).collect::<Vec<_>>()
            ),
        }
    }
}

fn requests(profile: &Profile) -> [Wire; 4] {
    let wire = |method: &str, path: &str, query: Option<&str>, body: &str, fields: &[(&str, &str)]| {
        let mut fields: Vec<(String, Vec<u8>)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        if !body.is_empty() {
            let (name, value) = body_digest(profile, body.as_bytes()).unwrap();
            fields.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
            fields.push(("content-type".to_owned(), b"application/json".to_vec()));
            fields.push((name.to_string(), value.as_bytes().to_vec()));
        }
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.map(str::to_owned));
        Wire { method, path, query, fields, body: body.as_bytes().to_vec() }
    };
    let common = [
        ("accept", "application/json"),
        ("authorization", "Bearer 3MrsoCN4"),
        ("x-client-id", "6c1f3f0a-9d57"),
        ("user-agent", "test/1"),
    ];
    let more = [("idempotency-key", "a3a780b6"), ("date", "Sat, 21 Nov 2026 17:55:24 GMT")];
    [
        wire("POST", "/users", None, r#"{"first_name":"Zoë"}"#, &[&common[..], &more[..]].concat()),
        wire("GET", "/users/a%20b", Some("limit=2&sort=x"), "", &common),
        wire("DELETE", "/users/91ba", None, "", &common),
        // Without a token, which nobody may add either.
        wire("POST", "/auth/token", None, "grant_type=x&client_secret=y", &[("accept", "*/*")]),
    ]
}

fn sign(wire: &Wire, case: &Case, key: &SigningKey) -> Wire {
    let mut headers = HeaderMap::new();
    for (name, value) in &wire.fields {
        headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    let message = Message::request(&wire.method, &wire.path, wire.query.as_deref(), &headers, &wire.body)
        .with_origin("https", "api.example.com");
    let components = usual(&message, case.profile);
    let list = components.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" ");
    let input =
        format!("({list});keyid=\"0b8f-7e21\";created={};expires={};nonce=\"n0nce1\"", NOW - 2, NOW + 8);
    let sent = attach(&message, "sig1", &input, key, case.profile, case.encoding);
    let mut signed = wire.clone();
    for name in ["signature-input", "signature"] {
        signed.fields.push((name.to_owned(), sent[name].as_bytes().to_vec()));
    }
    signed
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for profile in [BARE, DER, RAW_OR_DER] {
        for (kind, encoding, one_in) in [
            (Algorithm::Ed25519, SignatureEncoding::Ed25519, 1),
            (Algorithm::P256, SignatureEncoding::Der, 2),
            (Algorithm::P256, SignatureEncoding::Raw, 2),
            (Algorithm::P384, SignatureEncoding::Der, 40),
            (Algorithm::P384, SignatureEncoding::Raw, 40),
            (Algorithm::P521, SignatureEncoding::Der, 15),
            (Algorithm::P521, SignatureEncoding::Raw, 15),
        ] {
            cases.push(Case { profile, kind, encoding, one_in });
        }
    }
    cases
}

/// Tries the mutants of one case, those that `seed` chooses.
fn tried(case: &Case, seed: u64) -> Tally {
    let (mut chance, mut tally) = (SmallRng::seed_from_u64(seed), Tally::default());
    let key = SigningKey::generate(case.kind).unwrap();
    let own = key.public_key();
    for (number, request) in requests(case.profile).iter().enumerate() {
        let original = sign(request, case, &key);
        assert_eq!(original.accepted(own, case.profile), Some(true), "{:?} {number}", case.kind);
        mutants(&original, |what, mutant| {
            if chance.random_range(..case.one_in) == 0 {
                tally.judge(what, &original, &mutant, (own, own), case.profile);
            }
        });
        let bytes = signature(original.text("signature").as_bytes()).unwrap();
        if let Some(twin) = twin(&bytes, case.kind) {
            let mutant = original.with("signature", &format!("sig1=:{}:", encode(&twin)));
            assert_eq!(
                mutant.accepted(own, case.profile),
                Some(true),
                "the curve cannot tell them apart {:?} {:?} {bytes:02x?} {twin:02x?}",
                case.kind,
                case.encoding
            );
            tally.judge("the twin", &original, &mutant, (own, own), case.profile);
        }
        for kind in Algorithm::ALL {
            let other = SigningKey::generate(*kind).unwrap().public_key().clone();
            tally.judge("another key", &original, &original, (own, &other), case.profile);
        }
        let other = if case.profile == BARE { DER } else { BARE };
        assert_eq!(original.accepted(own, other), Some(false), "another profile");
    }
    tally
}

#[test]
fn no_mutant_is_accepted() {
    let (cases, mut tally) = (cases(), Tally::default());
    std::thread::scope(|scope| {
        let tried = (9421..).zip(&cases).map(|(seed, case)| scope.spawn(move || tried(case, seed)));
        tried.collect::<Vec<_>>().into_iter().for_each(|one| tally.add(one.join().unwrap()));
    });
    println!("{} mutants tried, by key {:?}", tally.tried, tally.kinds);
    println!("accepted because they mean the same: {:#?}", tally.equal);
    assert!(tally.tried >= 100_000, "{}", tally.tried);
    assert!(tally.kinds.values().all(|&count| count >= 5_000), "{:?}", tally.kinds);
    assert_eq!(tally.equal.len(), 9, "each of the nine reasons occurs: {:?}", tally.equal);
}
