//! Profiles: what each of their fields changes, and nothing else.

mod common;

use common::{BARE, DER, RAW_OR_DER, RFC, header, headers};
use http::HeaderMap;
use http_message_signatures::{
    Algorithm, ComponentReader, DigestField, EcdsaFormat, Message, Parameters, Policy, Profile,
    ReceivedSignature, SignatureEncoding, SigningKey, VerifyError, sign, verify,
};

const NOW: i64 = 1_700_000_000;

fn received(list: &str) -> ReceivedSignature {
    let input = format!("sig1=({list});created={NOW}");
    ReceivedSignature::parse(&headers(&[("signature-input", &input), ("signature", "sig1=:AA==:")])).unwrap()
}

/// The signature base without its last line.
fn lines(list: &str, message: &Message<'_>, profile: &Profile) -> Result<String, VerifyError> {
    let base = received(list).base(message, profile, &ComponentReader::standard(message))?;
    Ok(base.rsplit_once('\n').unwrap().0.to_owned())
}

#[test]
fn rfc_9421_is_the_default() {
    assert_eq!(Profile::default(), Profile::RFC_9421);
    assert_eq!(Profile::RFC_9421.digest_fields().collect::<Vec<_>>(), [DigestField::ContentDigest]);
}

/// Each builder changes one point and leaves the others as they are.
#[test]
fn builders_change_one_point() {
    let rfc = Profile::RFC_9421;
    let bare = rfc.with_unquoted_names();
    assert!(!bare.quoted_names && bare.encoded_query_params && bare.ecdsa == EcdsaFormat::Raw);
    let der = rfc.with_ecdsa(EcdsaFormat::Der);
    assert!(der.ecdsa == EcdsaFormat::Der && der.quoted_names && !der.query_params_name);
    let decoded = rfc.with_decoded_query_params();
    assert!(!decoded.encoded_query_params && decoded.quoted_names && !decoded.query_params_name);
    let named = rfc.with_query_params_name();
    assert!(named.query_params_name && named.encoded_query_params);
    let old = rfc.with_digest_fields(DigestField::Digest, &[DigestField::ContentDigest]);
    assert_eq!(old.digest_fields().map(DigestField::name).collect::<Vec<_>>(), ["digest", "content-digest"]);
    assert!(old.quoted_names && old.ecdsa == EcdsaFormat::Raw);
}

#[test]
fn names_stand_bare_only_on_the_left() {
    let fields = headers(&[("accept", "x"), ("keys", "a=1")]);
    let message = Message::request("GET", "/", Some("a=b"), &fields, b"");
    let list = r#""@method" "accept" "keys";key="a" "@query-param";name="a""#;
    let quoted = "\"@method\": GET\n\"accept\": x\n\"keys\";key=\"a\": 1\n\"@query-param\";name=\"a\": b";
    let bare = "@method: GET\naccept: x\nkeys;key=\"a\": 1\n@query-param;name=\"a\": b";
    assert_eq!(lines(list, &message, RFC).as_deref(), Ok(quoted));
    assert_eq!(lines(list, &message, BARE).as_deref(), Ok(bare));
    let whole = received(list).base(&message, BARE, &ComponentReader::standard(&message)).unwrap();
    assert!(whole.ends_with(&format!("\n@signature-params: ({list});created={NOW}")), "{whole}");
}

#[test]
fn the_old_name_of_query_parameters() {
    let none = HeaderMap::new();
    let message = Message::request("GET", "/", Some("a=%C3%BC"), &none, b"");
    let old = r#""@query-params";name="a""#;
    assert_eq!(lines(old, &message, DER).as_deref(), Ok("\"@query-params\";name=\"a\": ü"));
    let encoded = Profile::RFC_9421.with_query_params_name();
    assert_eq!(lines(old, &message, &encoded).as_deref(), Ok("\"@query-params\";name=\"a\": %C3%BC"));
    let refused = lines(old, &message, RFC).unwrap_err();
    assert!(matches!(refused, VerifyError::UnsupportedComponent { .. }), "{refused}");
    assert!(refused.to_string().contains("`@query-param`"), "{refused}");
    // The name of the RFC is known to every profile.
    for (profile, value) in [(RFC, "%C3%BC"), (DER, "ü")] {
        let line = format!("\"@query-param\";name=\"a\": {value}");
        assert_eq!(lines(r#""@query-param";name="a""#, &message, profile), Ok(line));
    }
}

#[test]
fn a_profile_decides_on_the_form_of_ecdsa() {
    let none = HeaderMap::new();
    let message = Message::request("GET", "/", None, &none, b"");
    for kind in [Algorithm::P256, Algorithm::P384, Algorithm::P521] {
        let key = SigningKey::generate(kind).unwrap();
        let made = |profile| {
            let signed =
                sign(&message, &["@method", "@path"], &Parameters::new("k", NOW), &key, profile).unwrap();
            let mut sent = HeaderMap::new();
            signed.insert_into(&mut sent).unwrap();
            sent
        };
        let verdict = |sent: &HeaderMap, profile| {
            let presented = ReceivedSignature::parse(sent).unwrap();
            let message = message.with_headers(sent);
            verify(&message, &presented, key.public_key(), profile, &Policy::default(), NOW)
        };
        let (raw, also_raw, der) = (made(RFC), made(RAW_OR_DER), made(DER));
        for sent in [&raw, &also_raw] {
            for profile in [RFC, RAW_OR_DER, DER] {
                assert_eq!(verdict(sent, profile), Ok(()), "{kind:?} {profile:?}");
            }
        }
        assert_eq!(verdict(&der, RAW_OR_DER), Ok(()));
        assert_eq!(verdict(&der, DER), Ok(()));
        assert!(matches!(verdict(&der, RFC), Err(VerifyError::SignatureShape { .. })), "{kind:?}");
        let presented = ReceivedSignature::parse(&der).unwrap();
        let base = presented.base(&message, DER, &ComponentReader::standard(&message)).unwrap();
        let hash = http_message_signatures::Hash::Sha512;
        let (key, signature) = (key.public_key(), presented.signature());
        assert!(key.verify_as(base.as_bytes(), signature, SignatureEncoding::Der, hash));
    }
}

/// A profile of one's own: content digests, bare names, and Ed25519.
#[test]
fn a_profile_of_ones_own_signs_and_verifies() {
    const OWN: Profile = Profile::RFC_9421.with_unquoted_names().with_decoded_query_params();
    let fields = headers(&[("accept", "application/json")]);
    let message = Message::request("GET", "/orders", Some("q=a%20b"), &fields, b"");
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let components = ["@method", "@path", "@query", r#""@query-param";name="q""#, "accept"];
    let parameters = Parameters::new("k", NOW).with_tag("orders");
    let signed = sign(&message, &components, &parameters, &key, &OWN).unwrap();
    let list = r#"("@method" "@path" "@query" "@query-param";name="q" "accept")"#;
    assert_eq!(
        signed.base,
        format!(
            "@method: GET\n@path: /orders\n@query: ?q=a%20b\n@query-param;name=\"q\": a b\naccept: application/json\n\
             @signature-params: {list};keyid=\"k\";created={NOW};tag=\"orders\""
        )
    );
    let mut sent = fields.clone();
    signed.insert_into(&mut sent).unwrap();
    let presented = ReceivedSignature::parse(&sent).unwrap();
    let message = message.with_headers(&sent);
    let verdict = |profile| verify(&message, &presented, key.public_key(), profile, &Policy::default(), NOW);
    assert_eq!(verdict(&OWN), Ok(()));
    assert_eq!(verdict(RFC), Err(VerifyError::Mismatch));
    assert_eq!(verdict(&Profile::RFC_9421.with_unquoted_names()), Err(VerifyError::Mismatch));
}

#[test]
fn the_fields_of_a_signature_replace_earlier_ones() {
    let mut sent = headers(&[("signature", "sig1=:AA==:"), ("accept", "x")]);
    header(&mut sent, "signature", "sig2=:AA==:");
    let message = Message::request("GET", "/", None, &sent, b"");
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let signed = sign(&message, &["accept"], &Parameters::new("k", NOW), &key, RFC).unwrap();
    let mut headers = sent.clone();
    signed.insert_into(&mut headers).unwrap();
    assert_eq!(headers.get_all("signature").iter().collect::<Vec<_>>(), [signed.signature.as_str()]);
    assert_eq!(headers["signature-input"], signed.signature_input);
    assert_eq!(headers.len(), 3);
}
