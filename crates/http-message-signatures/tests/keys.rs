//! Key files as OpenSSL and Python write them, and what is refused with which advice.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{DER, RAW_OR_DER, RFC};
use std::process::{Command, Stdio};

use http_message_signatures::{
    Algorithm, Hash, KeyError, PublicKey, SignatureEncoding, SigningKey, VerifyError,
};

const PASSPHRASE: &str = "geheim";
const NAMES: [(Algorithm, &str); 4] = [
    (Algorithm::P256, "p256"),
    (Algorithm::P384, "p384"),
    (Algorithm::P521, "p521"),
    (Algorithm::Ed25519, "ed25519"),
];

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(read(name)).unwrap()
}

#[test]
fn every_private_format_gives_the_same_key() {
    for (kind, name) in NAMES {
        let public = PublicKey::from_text(&text(&format!("{name}.pub.pem"))).unwrap();
        assert_eq!(public.algorithm(), kind);
        let mut forms = vec!["pkcs8", "pbkdf2", "scrypt"];
        if kind != Algorithm::Ed25519 {
            forms.push("sec1");
        }
        for form in forms {
            let file = text(&format!("{name}.{form}.pem"));
            let key = SigningKey::from_pem(&file, Some(PASSPHRASE)).unwrap();
            assert_eq!((key.algorithm(), key.public_key()), (kind, &public), "{name} {form}");
            // Windows line ends, text around.
            let windows = format!("Key of somebody\r\n{}\r\n", file.replace('\n', "\r\n"));
            assert_eq!(SigningKey::from_pem(&windows, Some(PASSPHRASE)).unwrap().public_key(), &public);
        }
        let again = SigningKey::from_pem(&text(&format!("{name}.pkcs8.pem")), None).unwrap();
        assert_eq!(SigningKey::from_pem(&again.to_pkcs8_pem().unwrap(), None).unwrap().public_key(), &public);
    }
    let old_prf = SigningKey::from_pem(&text("p521.pbkdf2-sha1.pem"), Some(PASSPHRASE)).unwrap();
    assert_eq!(*old_prf.public_key(), PublicKey::from_text(&text("p521.pub.pem")).unwrap());
    let without_public = SigningKey::from_pem(&text("p256.nopublic.pem"), None).unwrap();
    assert_eq!(*without_public.public_key(), PublicKey::from_text(&text("p256.pub.pem")).unwrap());
}

#[test]
fn every_public_format_gives_the_same_key() {
    for (kind, name) in NAMES {
        let pem = text(&format!("{name}.pub.pem"));
        let key = PublicKey::from_text(&pem).unwrap();
        assert_eq!(key.algorithm(), kind);
        assert_eq!(PublicKey::from_text(&text(&format!("{name}.jwk.json"))).unwrap(), key);
        assert_eq!(PublicKey::from_spki_der(key.spki_der()).unwrap(), key);
        assert_eq!(PublicKey::from_jwk(&key.to_jwk()).unwrap(), key);
        assert_eq!(key.to_spki_pem(), pem, "as OpenSSL writes it");
        assert!(!format!("{key:?}").contains(&key.to_jwk()[40..]));
    }
    let compressed = PublicKey::from_text(&text("p521.compressed.pub.pem")).unwrap();
    assert_eq!(compressed, PublicKey::from_text(&text("p521.pub.pem")).unwrap());
}

#[test]
fn openssl_reads_what_is_written() {
    for (_, name) in NAMES {
        let key = SigningKey::from_pem(&text(&format!("{name}.pkcs8.pem")), None).unwrap();
        let mut command = Command::new("openssl");
        command.args(["pkey", "-pubout"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else { return eprintln!("no openssl here: not checked") };
        let pem = key.to_pkcs8_pem().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), pem.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), key.public_key().to_spki_pem(), "{name}");
    }
}

#[test]
fn what_is_not_the_wanted_key_is_refused_with_advice() {
    let public = |name: &str| PublicKey::from_text(&text(name)).unwrap_err();
    for name in ["p256.pkcs8.pem", "p521.sec1.pem", "p521.legacy.pem", "p384.pbkdf2.pem", "rsa.pkcs8.pem"] {
        assert_eq!(public(name), KeyError::PrivateInsteadOfPublic);
    }
    assert!(public("p256.pkcs8.pem").to_string().contains("openssl pkey -in private.pem -pubout"));
    assert_eq!(public("p256.certificate.pem"), KeyError::Certificate);
    assert!(public("p256.certificate.pem").to_string().contains("openssl x509"));
    assert_eq!(public("rsa.pub.pem"), KeyError::Unsupported("RSA".to_owned()));
    assert_eq!(public("secp256k1.pub.pem"), KeyError::Unsupported("EC 1.3.132.0.10".to_owned()));
    assert!(matches!(public("p256.explicit.pub.pem"), KeyError::Unsupported(_)));
    assert!(matches!(public("x25519.pub.pem"), KeyError::Unsupported(_)));
    assert_eq!(PublicKey::from_text("ssh-ed25519 AAAA").unwrap_err(), KeyError::NotAKey);
    assert_eq!(PublicKey::from_text("").unwrap_err(), KeyError::NotAKey);

    let private = |name: &str, passphrase| SigningKey::from_pem(&text(name), passphrase).unwrap_err();
    assert_eq!(private("p521.legacy.pem", Some(PASSPHRASE)), KeyError::LegacyEncryption);
    assert!(private("p521.legacy.pem", None).to_string().contains("openssl pkcs8 -topk8"));
    assert_eq!(private("p521.pbkdf2.pem", None), KeyError::PassphraseMissing);
    assert_eq!(private("p521.pbkdf2.pem", Some("wrong")), KeyError::PassphraseWrong);
    assert_eq!(private("p521.scrypt.pem", Some("")), KeyError::PassphraseWrong);
    assert_eq!(private("p521.pbe1.pem", Some(PASSPHRASE)), KeyError::EncryptionUnsupported);
    assert_eq!(private("p256.pub.pem", None), KeyError::PublicInsteadOfPrivate);
    assert_eq!(private("p256.certificate.pem", None), KeyError::PublicInsteadOfPrivate);
    assert_eq!(private("rsa.pkcs8.pem", None), KeyError::Unsupported("RSA".to_owned()));
    assert!(matches!(private("secp256k1.sec1.pem", None), KeyError::Malformed(_)));
    assert_eq!(SigningKey::from_pem("hello", None).unwrap_err(), KeyError::NotAKey);
}

#[test]
fn broken_keys() {
    let good = text("p521.pub.pem");
    let der = PublicKey::from_text(&good).unwrap().spki_der().to_vec();
    for at in 0..der.len() {
        for bit in [1, 0x80] {
            let mut broken = der.clone();
            broken[at] ^= bit;
            assert!(PublicKey::from_spki_der(&broken).is_err(), "byte {at}: not on the curve any more");
        }
        assert!(PublicKey::from_spki_der(&der[..at]).is_err());
    }
    assert!(PublicKey::from_spki_der(&[der, vec![0]].concat()).is_err());
    let jwk = text("p256.jwk.json");
    let key = PublicKey::from_jwk(&jwk).unwrap();
    for (from, to) in [
        ("\"EC\"", "\"OKP\""),
        ("\"EC\"", "\"RSA\""),
        ("\"EC\"", "1"),
        ("P-256", "P-384"),
        ("P-256", "secp256k1"),
        ("P-256", "Ed25519"),
        ("\"x\": \"", "\"x\": \"A"),
        ("\"x\": ", "\"z\": "),
        ("\"kid\"", "\"d\""),
        ("\"kid\"", "\"keys\""),
        ("}", ""),
    ] {
        let changed = jwk.replacen(from, to, 1);
        assert_ne!(changed, jwk);
        assert!(PublicKey::from_jwk(&changed).is_err(), "{changed}");
    }
    assert_eq!(
        PublicKey::from_jwk(&jwk.replacen("\"kid\"", "\"d\"", 1)),
        Err(KeyError::PrivateInsteadOfPublic)
    );
    let swapped = key.to_jwk().replace("\"x\"", "\"w\"").replace("\"y\"", "\"x\"").replace("\"w\"", "\"y\"");
    assert!(PublicKey::from_jwk(&swapped).is_err());
    // A byte of x moved to the front of y: together they would be the same point.
    let field = |name: &str| {
        jwk.split_once(&format!("\"{name}\": \"")).unwrap().1.split('"').next().unwrap().to_owned()
    };
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(field(name)).unwrap();
    let both = [coordinate("x"), coordinate("y")].concat();
    for split in [31, 33] {
        let (x, y) = both.split_at(split);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let moved = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#);
        assert!(PublicKey::from_jwk(&moved).is_err());
    }
    for json in ["", "[]", "{}", "null", "{\"kty\":\"EC\"}"] {
        assert!(PublicKey::from_jwk(json).is_err());
    }
}

#[test]
fn openssl_signatures() {
    let message = read("message.txt");
    for (kind, name) in &NAMES[..3] {
        let key = PublicKey::from_text(&text(&format!("{name}.pub.pem"))).unwrap();
        let sha512 = read(&format!("{name}.sha512.der"));
        let sha256 = read(&format!("{name}.sha256.der"));
        assert_eq!(key.verify(&message, &sha512, DER), Ok(SignatureEncoding::Der), "{name}");
        assert_eq!(key.verify(&message, &sha256, DER), Err(VerifyError::Mismatch));
        assert!(key.verify_as(&message, &sha256, SignatureEncoding::Der, Hash::Sha256));
        assert!(!key.verify_as(&message, &sha256, SignatureEncoding::Der, Hash::Sha384));
        assert!(!key.verify_as(&message, &sha256, SignatureEncoding::Raw, Hash::Sha256));
        assert!(!key.verify_as(&message, &sha256, SignatureEncoding::Ed25519, Hash::Sha256));
        let pair = SigningKey::from_pem(&text(&format!("{name}.pkcs8.pem")), None).unwrap();
        let raw = pair.sign(&message, SignatureEncoding::Raw).unwrap();
        assert_eq!(key.verify(&message, &raw, RFC), Ok(SignatureEncoding::Raw));
        assert!(key.verify_as(&message, &raw, SignatureEncoding::Raw, kind.hash()));
        assert!(!key.verify_as(&message, &raw, SignatureEncoding::Der, kind.hash()));
        let der = pair.sign(&message, SignatureEncoding::Der).unwrap();
        assert_eq!(key.verify(&message, &der, DER), Ok(SignatureEncoding::Der));
        assert_eq!(key.verify(&message, &raw, RAW_OR_DER), Ok(SignatureEncoding::Raw));
        assert_eq!(key.verify(&message, &der, RAW_OR_DER), Ok(SignatureEncoding::Der));
        let refused =
            VerifyError::SignatureShape { key: kind.name(), reason: "it is DER instead of raw r‖s" };
        assert_eq!(key.verify(&message, &der, RFC), Err(refused), "RFC 9421 has no DER");
        assert!(!format!("{pair:?}").contains("PRIVATE"));
    }
    let key = PublicKey::from_text(&text("ed25519.pub.pem")).unwrap();
    let signature = read("ed25519.sig");
    assert_eq!(key.verify(&message, &signature, DER), Ok(SignatureEncoding::Ed25519));
    assert!(!key.verify_as(&message, &signature, SignatureEncoding::Raw, Hash::Sha512));
    let pair = SigningKey::from_pem(&text("ed25519.pkcs8.pem"), None).unwrap();
    for encoding in [SignatureEncoding::Der, SignatureEncoding::Raw, SignatureEncoding::Ed25519] {
        assert_eq!(
            pair.sign(&message, encoding).unwrap(),
            signature,
            "Ed25519 signs as it does, always the same"
        );
    }
}

#[test]
fn openssl_accepts_der_over_sha512_of_the_small_curves() {
    // The library signs a given hash; that it is the right one, only another implementation can tell.
    for (_, name) in &NAMES[..3] {
        let pair = SigningKey::from_pem(&text(&format!("{name}.pkcs8.pem")), None).unwrap();
        let path =
            std::env::temp_dir().join(format!("http_message_signatures-{name}-{}.der", std::process::id()));
        std::fs::write(&path, pair.sign(&read("message.txt"), SignatureEncoding::Der).unwrap()).unwrap();
        let fixture = |name: &str| format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        let status = Command::new("openssl")
            .args(["dgst", "-sha512", "-verify", &fixture(&format!("{name}.pub.pem")), "-signature"])
            .arg(&path)
            .arg(fixture("message.txt"))
            .stdout(Stdio::null())
            .status();
        std::fs::remove_file(&path).unwrap();
        match status {
            Ok(status) => assert!(status.success(), "{name}"),
            Err(_) => eprintln!("no openssl here: not checked"),
        }
    }
}

#[test]
fn alg_must_fit_the_key() {
    let names = [
        ("ecdsa-p256-sha256", Some(Algorithm::P256)),
        ("ecdsa-p256-sha512", Some(Algorithm::P256)),
        ("ecdsa-p384-sha384", Some(Algorithm::P384)),
        ("ecdsa-p384-sha512", Some(Algorithm::P384)),
        ("ecdsa-p521-sha512", Some(Algorithm::P521)),
        ("ed25519", Some(Algorithm::Ed25519)),
        ("hmac-sha256", None),
        ("rsa-pss-sha512", None),
        ("rsa-v1_5-sha256", None),
        ("none", None),
        ("", None),
        ("Ed25519", None),
    ];
    for kind in Algorithm::ALL {
        let key = SigningKey::generate(*kind).unwrap().public_key().clone();
        for profile in [RFC, RAW_OR_DER, DER] {
            assert_eq!(key.check_alg(None, profile), Ok(()));
            for (alg, fits) in names {
                // The names of DER over SHA-512 belong to profiles that accept it.
                let of_der = ["ecdsa-p256-sha512", "ecdsa-p384-sha512"].contains(&alg);
                let fits = fits == Some(*kind) && (profile != RFC || !of_der);
                let refused = VerifyError::AlgorithmMismatch { alg: alg.to_owned(), key: kind.name() };
                assert_eq!(key.check_alg(Some(alg), profile), if fits { Ok(()) } else { Err(refused) });
            }
        }
    }
}

/// The source decides the key, and a key of every kind made so signs like any other.
#[test]
fn keys_from_a_given_source_repeat_and_sign() {
    for &kind in Algorithm::ALL {
        let made = |seed: u8| {
            let mut next = seed;
            SigningKey::generate_from(kind, |bytes| {
                for byte in bytes {
                    next = next.wrapping_mul(29).wrapping_add(17);
                    *byte = next;
                }
            })
            .unwrap()
        };
        let key = made(1);
        assert_eq!(key.algorithm(), kind);
        assert_eq!(key.public_key().clone(), made(1).public_key().clone());
        assert_ne!(key.public_key().clone(), made(2).public_key().clone());
        let signature = key.sign(b"base", http_message_signatures::SignatureEncoding::Der).unwrap();
        assert!(key.public_key().verify(b"base", &signature, DER).is_ok());
        let again = SigningKey::from_pem(&key.to_pkcs8_pem().unwrap(), None).unwrap();
        assert_eq!(again.public_key().clone(), key.public_key().clone());
    }
    let dead = SigningKey::generate_from(Algorithm::P256, |bytes| bytes.fill(0));
    assert!(dead.is_err(), "a scalar of zero is no key");
}

#[test]
fn the_p521_key_of_rfc_6979_is_read_as_such() {
    let spki = "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBiUVQ0HhZMuAOqiO2lPIT+MMSH4bcl6BOWnFn205bzTcRI9RuRdtrXVNwp/IPtjMV\
                XTj/oW0r12HcrEdLmi9QI6QASTEByWLNTS/d94IoXmRYQTnC+RtH+H/4I1TWYw90aiig2yV0G1s0qCgAiyKswj+ST6r71NM/gepml\
                W3+qiv9/PU=";
    let key = PublicKey::from_spki_der(&common::decode(spki)).unwrap();
    assert_eq!(key.algorithm(), Algorithm::P521);
    assert_eq!(PublicKey::from_jwk(&key.to_jwk()).unwrap(), key);
    assert_eq!(PublicKey::from_text(&key.to_spki_pem()).unwrap(), key);
}
