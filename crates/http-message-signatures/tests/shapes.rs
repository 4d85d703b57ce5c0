//! Signatures that cannot be any: refused by their shape, before the curve is asked.

mod common;

use common::DER;
use http_message_signatures::{Algorithm, PublicKey, SignatureEncoding, SigningKey, VerifyError};

const P256_ORDER: &str = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    [&[2, u8::try_from(magnitude.len()).unwrap()], magnitude].concat()
}

fn sequence(inside: &[u8]) -> Vec<u8> {
    [&[0x30, u8::try_from(inside.len()).unwrap()], inside].concat()
}

fn pair(r: &[u8], s: &[u8]) -> Vec<u8> {
    sequence(&[integer(r), integer(s)].concat())
}

fn shape(key: &PublicKey, signature: &[u8], reason: &str) {
    match key.verify(b"text", signature, DER) {
        Err(VerifyError::SignatureShape { key: name, reason: found }) => {
            assert_eq!(name, key.algorithm().name());
            assert!(found.contains(reason), "{found} instead of {reason}: {signature:02x?}");
        }
        other => panic!("{other:?} instead of {reason}: {signature:02x?}"),
    }
}

#[test]
fn der_oddities() {
    let key = SigningKey::generate(Algorithm::P256).unwrap().public_key().clone();
    let one: &[u8] = &[1];
    shape(&key, &[], "neither DER nor raw");
    shape(&key, &[0x30], "neither DER nor raw");
    shape(&key, &[0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0], "neither DER nor raw");
    shape(&key, &sequence(&[]), "r is not a DER integer");
    shape(&key, &sequence(&integer(one)), "s is not a DER integer");
    shape(&key, &[pair(one, one), vec![0]].concat(), "behind");
    shape(&key, &sequence(&[integer(one), integer(one), integer(one)].concat()), "behind");
    shape(&key, &pair(&[0], one), "zero");
    shape(&key, &pair(one, &[0]), "zero");
    shape(&key, &pair(&[], one), "empty");
    shape(&key, &pair(&[0x80], one), "negative");
    shape(&key, &pair(one, &[0xff; 32]), "negative");
    shape(&key, &pair(&[0, 1], one), "leading zeros");
    shape(&key, &pair(one, &[0, 0, 0x80]), "leading zeros");
    shape(&key, &pair(&[1; 33], one), "too long");
    shape(&key, &pair(one, &[&[0], [0x80; 33].as_slice()].concat()), "too long");
    // The long form of a length where the short one would do.
    shape(&key, &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 1], "neither DER nor raw");
    shape(&key, &[0x31, 6, 2, 1, 1, 2, 1, 1], "neither DER nor raw");
    shape(&key, &[0x30, 7, 2, 1, 1, 2, 1, 1], "neither DER nor raw");
    shape(&key, &[0x30, 6, 2, 5, 1, 2, 1, 1], "r is not a DER integer");
    shape(&key, &[0x30, 6, 2, 1, 1, 3, 1, 1], "s is not a DER integer");
}

#[test]
fn numbers_that_no_signature_has() {
    let key = SigningKey::generate(Algorithm::P256).unwrap().public_key().clone();
    let order = hex(P256_ORDER);
    let signed = [&[0][..], &order].concat();
    for (r, s) in [(&signed[..], &[1][..]), (&[1], &signed), (&signed, &signed), (&[1], &[1])] {
        assert_eq!(key.verify(b"text", &pair(r, s), DER), Err(VerifyError::Mismatch));
    }
    let mut one = vec![0; 32];
    one[31] = 1;
    for (r, s) in [(&order, &one), (&one, &order), (&order, &order), (&vec![0xff; 32], &one)] {
        assert_eq!(key.verify(b"text", &[r.clone(), s.clone()].concat(), DER), Err(VerifyError::Mismatch));
    }
    let zero = vec![0; 32];
    for (r, s) in [(&zero, &one), (&one, &zero), (&zero, &zero)] {
        shape(&key, &[r.clone(), s.clone()].concat(), "zero");
    }
}

#[test]
fn lengths() {
    for (kind, right) in
        [(Algorithm::P256, 64), (Algorithm::P384, 96), (Algorithm::P521, 132), (Algorithm::Ed25519, 64)]
    {
        let key = SigningKey::generate(kind).unwrap().public_key().clone();
        for length in 0..200 {
            let verdict = key.verify(b"text", &vec![1; length], DER);
            let expected = length == right;
            assert_eq!(verdict == Err(VerifyError::Mismatch), expected, "{kind:?} {length}");
            assert_eq!(
                matches!(verdict, Err(VerifyError::SignatureShape { .. })),
                !expected,
                "{kind:?} {length}"
            );
        }
    }
}

/// Small numbers get shorter DER and zeros in front of the raw form; both directions must still be right.
#[test]
fn many_signatures_of_both_encodings() {
    for (kind, count) in [(Algorithm::P256, 1500), (Algorithm::P384, 100), (Algorithm::P521, 100)] {
        let key = SigningKey::generate(kind).unwrap();
        let public = key.public_key().clone();
        let mut lengths = std::collections::BTreeSet::new();
        for number in 0..count {
            let text = format!("text {number}");
            let der = key.sign(text.as_bytes(), SignatureEncoding::Der).unwrap();
            let raw = key.sign(text.as_bytes(), SignatureEncoding::Raw).unwrap();
            assert_eq!(public.verify(text.as_bytes(), &der, DER), Ok(SignatureEncoding::Der));
            assert_eq!(public.verify(text.as_bytes(), &raw, DER), Ok(SignatureEncoding::Raw));
            assert_eq!(public.verify(b"text", &der, DER), Err(VerifyError::Mismatch));
            lengths.insert(der.len());
        }
        assert!(lengths.len() > 1, "{lengths:?}");
    }
}
