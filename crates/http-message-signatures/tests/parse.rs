//! The two fields: what is read, what is refused and how the refusal is worded.

mod common;

use common::{BARE, DER, RFC, headers};
use http_message_signatures::{
    ComponentReader, Message, Parameters, ParamsText, ReceivedSignature, SignError, SigningKey, VerifyError,
};

fn parse(input: &[&str], signature: &[&str]) -> Result<ReceivedSignature, VerifyError> {
    let mut fields: Vec<(&str, &str)> = input.iter().map(|value| ("signature-input", *value)).collect();
    fields.extend(signature.iter().map(|value| ("signature", *value)));
    ReceivedSignature::parse(&headers(&fields))
}

fn one(input: &str) -> Result<ReceivedSignature, VerifyError> {
    parse(&[input], &["sig1=:AQI=:"])
}

fn refused(input: &str) -> VerifyError {
    one(input).expect_err(input)
}

fn component(list: &str) -> VerifyError {
    refused(&format!("sig1=({list});created=1"))
}

#[test]
fn everything_that_is_there_is_read() {
    let presented = one(
        r#"sig1=("@method" "content-digest";sf "x-y");keyid="a\"b";created=1700000000;nonce="n";expires=-5;alg="ed25519";tag="t";later=?1"#,
    )
    .unwrap();
    assert_eq!(presented.label(), "sig1");
    assert_eq!(presented.key_id(), Some("a\"b"));
    assert_eq!(presented.require_key_id(), Ok("a\"b"));
    assert_eq!((presented.created(), presented.expires()), (Some(1_700_000_000), Some(-5)));
    assert_eq!(
        (presented.nonce(), presented.alg(), presented.tag()),
        (Some("n"), Some("ed25519"), Some("t"))
    );
    assert_eq!(presented.components().collect::<Vec<_>>(), ["@method", "content-digest", "x-y"]);
    assert!(presented.covers("x-y") && presented.covers_whole("x-y"));
    assert!(!presented.covers("content-digest") && presented.covers_whole("content-digest"));
    assert!(!presented.covers("x") && !presented.covers("@path"));
    assert_eq!(presented.signature(), [1, 2]);
    let bare = one("sig1=()").unwrap();
    assert_eq!((bare.key_id(), bare.created(), bare.components().count()), (None, None, 0));
    assert_eq!(bare.require_key_id(), Err(VerifyError::MissingKeyId));
}

#[test]
fn missing_fields() {
    assert_eq!(parse(&[], &["sig1=:AA==:"]), Err(VerifyError::MissingSignatureInput));
    assert_eq!(parse(&["sig1=()"], &[]), Err(VerifyError::MissingSignature));
    assert_eq!(parse(&[], &[]), Err(VerifyError::MissingSignatureInput));
}

#[test]
fn labels() {
    let label =
        |input: &[&str], signature: &[&str]| parse(input, signature).map(|found| found.label().to_owned());
    assert_eq!(label(&["pyhms=()"], &["pyhms=:AA==:"]).as_deref(), Ok("pyhms"));
    assert_eq!(label(&["a=(), sig1=()"], &["a=:AA==:, sig1=:AA==:"]).as_deref(), Ok("sig1"));
    assert_eq!(label(&["sig1=()", "a=()"], &["sig1=:AA==:", "a=:AA==:"]).as_deref(), Ok("sig1"));
    assert_eq!(label(&["a=()"], &["b=:AA==:, a=:AA==:"]).as_deref(), Ok("a"));
    assert_eq!(label(&["a=(), b=()"], &["a=:AA==:"]).as_deref(), Ok("a"), "the one that is signed");
    assert_eq!(label(&["a=(), b=()"], &["b=:AA==:"]).as_deref(), Ok("b"));
    assert_eq!(label(&["a=()"], &["sig1=:AA==:"]), Err(VerifyError::LabelMissing { label: "a".to_owned() }));
    let twice = |header| Err(VerifyError::DuplicateLabel { header, label: "sig1".to_owned() });
    assert_eq!(label(&["sig1=(), sig1=()"], &["sig1=:AA==:"]), twice("signature-input"));
    assert_eq!(label(&["sig1=()", "sig1=()"], &["sig1=:AA==:"]), twice("signature-input"));
    assert_eq!(label(&["sig1=(), a=1, sig1;x"], &["sig1=:AA==:"]), twice("signature-input"));
    assert_eq!(label(&["sig1=()"], &["sig1=:AA==:, sig1=:AQ==:"]), twice("signature"));
    assert_eq!(label(&["sig1=()"], &["sig1=:AA==:", "sig1=:AQ==:"]), twice("signature"));
    // One that is not ours does not matter less: it could become ours somewhere else.
    assert!(matches!(
        label(&["sig1=(), a=(), a=()"], &["sig1=:AA==:"]),
        Err(VerifyError::DuplicateLabel { .. })
    ));
}

/// The label that is chosen by a verifier who knows the keys `mine` and `also`.
fn chosen(input: &str, signature: &str) -> Result<String, VerifyError> {
    let fields = headers(&[("signature-input", input), ("signature", signature)]);
    let known = |presented: &ReceivedSignature| matches!(presented.key_id(), Some("mine" | "also"));
    ReceivedSignature::choose(&fields, known).map(|found| found.label().to_owned())
}

#[test]
fn the_signature_by_a_known_key_counts() {
    let all = "sig1=:AA==:, a=:AA==:, b=:AA==:";
    for (input, label) in [
        (r#"sig1=();keyid="theirs", a=();keyid="mine""#, "a"),
        (r#"a=();keyid="theirs", b=();keyid="mine", sig1=()"#, "b"),
        (r#"a=();keyid="mine", b=();keyid="also""#, "a"),
        (r#"a=();keyid="mine", sig1=();keyid="also""#, "sig1"),
        // What is wrong with the others does not matter.
        (r#"sig1=("Upper");keyid="mine", a=();keyid="mine""#, "a"),
        (r#"sig1=1, a=();keyid="mine""#, "a"),
        (r#"sig1=();keyid=1, a=();keyid="mine""#, "a"),
        (r#"sig1=();created="x", a=();keyid="mine", b=("@foo")"#, "a"),
        (r#"none=();keyid="mine", a=();keyid="mine""#, "a"),
        // No key is known: the first that can be read, to say so.
        (r#"sig1=();keyid="theirs", a=();keyid="others""#, "sig1"),
        (r#"b=1, a=();keyid="others""#, "a"),
    ] {
        assert_eq!(chosen(input, all).as_deref(), Ok(label), "{input}");
    }
    let of_another_type = chosen(r#"sig1=();keyid="mine", a=();keyid="also""#, "sig1=1, a=:AA==:");
    assert_eq!(of_another_type.as_deref(), Ok("a"));
    let unlisted = chosen(r#"sig1=();keyid="mine", a=();keyid="also""#, "a=:AA==:, b=:AA==:");
    assert_eq!(unlisted.as_deref(), Ok("a"));
    // If none can be read, what is wrong with `sig1`, or else with the first.
    assert_eq!(
        chosen(r#"a=1, sig1=();keyid="mine""#, "a=:AA==:"),
        Err(VerifyError::LabelMissing { label: "sig1".into() })
    );
    assert_eq!(chosen("a=(), b=()", "c=:AA==:"), Err(VerifyError::LabelMissing { label: "a".into() }));
    // A field that is no dictionary is refused as a whole (RFC 8941 section 4.2), and so is a label twice.
    assert!(matches!(chosen(r#"sig1=();keyid="mine", a=("#, all), Err(VerifyError::Unparsable { .. })));
    let broken = chosen(r#"sig1=();keyid="mine""#, "sig1=:AA==:, a=:*:");
    assert!(matches!(broken, Err(VerifyError::Unparsable { .. })));
    let twice = chosen(r#"sig1=();keyid="mine", a=(), a=()"#, all);
    assert!(matches!(twice, Err(VerifyError::DuplicateLabel { .. })));
    let list = |count: usize, value: &str| {
        (0..count).map(|at| format!("a{at}={value}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(chosen(&list(16, "()"), &list(16, ":AA==:")).as_deref(), Ok("a0"));
    let many = Err(VerifyError::TooManySignatures { count: 17, most: 16 });
    assert_eq!(chosen(&list(17, "()"), &list(17, ":AA==:")), many);
}

#[test]
fn the_parameters_have_one_canonical_spacing() {
    let canonical = r#"("@method" "x-y";bs);created=1;keyid="a; b";n=1.5;t;b=:AA==:"#;
    for received in [
        canonical,
        r#"( "@method"  "x-y";bs );created=1;keyid="a; b";n=1.5;t;b=:AA==:"#,
        r#"("@method" "x-y"; bs); created=1;  keyid="a; b"; n=1.5;t; b=:AA==:"#,
        r#"("@method" "x-y" ;bs)   ;created=1 ; keyid="a; b";n=1.5; t;b=:AA==:"#,
        "(\"@method\"\t\"x-y\"\t;\tbs)\t;\tcreated=1;keyid=\"a; b\";n=1.5;t;b=:AA==:",
    ] {
        let presented =
            one(&format!("sig1={received} , a=( )")).unwrap_or_else(|error| panic!("{received}: {error}"));
        assert_eq!(presented.is_canonical(), received == canonical, "{received}");
        assert_eq!((presented.created(), presented.key_id()), (Some(1), Some("a; b")));
        let fields = headers(&[("x-y", "1")]);
        let message = Message::request("GET", "/", None, &fields, b"").with_origin("https", "a");
        for (params, text) in [(ParamsText::Received, received), (ParamsText::Canonical, canonical)] {
            let reading = ComponentReader::standard(&message).with_params(params);
            let base = presented.base(&message, DER, &reading).unwrap();
            let expected = format!("\"@method\": GET\n\"x-y\";bs: :MQ==:\n\"@signature-params\": {text}");
            assert_eq!(base, expected, "{params:?}");
        }
    }
    // What is no blank is never changed: a number or a flag in another spelling is signed as it is sent.
    for received in
        [r#"("@method");created=01"#, r#"("@method");created=1;t=?1"#, r#"("@method");created=1;n=1.50"#]
    {
        assert!(one(&format!("sig1={received}")).unwrap().is_canonical(), "{received}");
    }
    // Blanks elsewhere are no structured field.
    for odd in ["sig1 =()", "sig1= ()", "sig1=();created =1", "sig1=();created= 1", "sig1=(\"a\" \"b\" ;sf;)"]
    {
        assert!(matches!(refused(odd), VerifyError::Unparsable { .. }), "{odd}");
    }
}

#[test]
fn the_member_is_taken_verbatim() {
    let none = headers(&[]);
    let message = Message::request("GET", "/", None, &none, b"").with_origin("https", "a");
    for member in [
        r#"("@method");created=1;keyid="a""#,
        r#"( "@method"   "@path" );  created=01;keyid="a, b";x=(;"#,
        r#"("@method");keyid="\"),=\\ %";nonce="sig1=(""#,
        r#"("@method");x=%"\";nonce="n""#,
        r#"("@method" );a=:AA==:;b=t/o:k%en;c=1.50;d"#,
        "()",
    ] {
        let text = member.strip_suffix("x=(;").map_or(member, |start| &member[..start.len() - 1]);
        for field in [
            format!("sig1={text}"),
            format!("a=(\"x\");b=\",\", sig1={text}"),
            format!("sig1={text} ,\t b=\"),sig1=(\""),
            format!("z=%\"\\\", sig1={text}, y;k=\"\\\"\""),
        ] {
            let presented = one(&field).unwrap_or_else(|error| panic!("{field}: {error}"));
            let base = presented.base(&message, DER, &ComponentReader::standard(&message)).unwrap();
            assert_eq!(base.lines().last().unwrap(), format!("\"@signature-params\": {text}"), "{field}");
            let unquoted = presented.base(&message, BARE, &ComponentReader::standard(&message)).unwrap();
            assert_eq!(unquoted.lines().last().unwrap(), format!("@signature-params: {text}"));
        }
    }
}

#[test]
fn unreadable_fields() {
    for input in [
        "", ",", "sig1", "sig1=", "sig1=(", "sig1=()x", "sig1=\"()\"", "sig1=1", "Sig1=()", "sig1=();A=1",
        "sig1=(),",
    ] {
        assert!(
            matches!(refused(input), VerifyError::Unparsable { header, .. } if header == "signature-input"),
            "{input}"
        );
    }
    for signature in [
        "", "sig1", "sig1=", "sig1=AA==", "sig1=\"AA==\"", "sig1=(:AA==:)", "sig1=:A:", "sig1=:*:",
        "sig1=:AA==:,", "é",
    ] {
        let refusal = parse(&["sig1=()"], &[signature]).expect_err(signature);
        assert!(
            matches!(refusal, VerifyError::Unparsable { .. } | VerifyError::LabelMissing { .. }),
            "{signature}: {refusal}"
        );
    }
}

#[test]
fn parameters_of_the_wrong_type() {
    for (parameter, values) in [
        ("created", &["\"1\"", "@1", "1.0", "?1", "a", ":AA==:"][..]),
        ("expires", &["\"1\"", "@1", "1.5", "?0", "*", ":AA==:"]),
        ("keyid", &["1", "abc", "?1", ":AA==:"]),
        ("nonce", &["1", "n0nce", ":AA==:"]),
        ("alg", &["ed25519", "1"]),
        ("tag", &["t", "1"]),
    ] {
        for value in values {
            let refusal = refused(&format!("sig1=();{parameter}={value}"));
            assert!(
                matches!(refusal, VerifyError::ParameterType { parameter: p, .. } if p == parameter),
                "{refusal}"
            );
        }
        assert!(matches!(refused(&format!("sig1=();{parameter}")), VerifyError::ParameterType { .. }));
    }
    assert!(
        matches!(refused("sig1=();created=9999999999999999"), VerifyError::Unparsable { .. }),
        "sixteen digits"
    );
    let twice = VerifyError::DuplicateParameter { parameter: "nonce".to_owned() };
    assert_eq!(refused(r#"sig1=();nonce="a";created=1;nonce="a""#), twice);
}

#[test]
fn components_that_are_refused() {
    let name = |text: &str| VerifyError::ComponentName { component: text.to_owned() };
    assert_eq!(component(r#""Content-Type""#), name(r#""Content-Type""#));
    for odd in [r#""""#, r#""a b""#, r#""a\"b""#, r#""a;b""#, r#""a,b""#, r#""é""#] {
        let refusal = component(odd);
        assert!(
            matches!(refusal, VerifyError::ComponentName { .. } | VerifyError::Unparsable { .. }),
            "{refusal}"
        );
    }
    for odd in ["a", "1", "?1", ":AA==:"] {
        assert!(matches!(component(odd), VerifyError::Unparsable { .. }));
    }
    for unknown in ["@foo", "@", "@Method", "@signature-params", "@request-response", "@method "] {
        assert!(
            matches!(component(&format!("\"{unknown}\"")), VerifyError::UnsupportedComponent { .. }),
            "{unknown}"
        );
    }
    for parameter in [
        r#""@method";req"#,
        r#""a";req"#,
        r#""a";tr"#,
        r#""a";x"#,
        r#""a";sf=?0"#,
        r#""a";bs=1"#,
        r#""a";key"#,
        r#""a";key=b"#,
        r#""a";bs;sf"#,
        r#""a";key="b";bs"#,
        r#""a";sf;sf"#,
        r#""a";name="x""#,
        r#""@path";sf"#,
        r#""@query-param""#,
        r#""@query-param";name=a"#,
        r#""@query-param";name="a";req"#,
        r#""@query-param";key="a""#,
    ] {
        let refusal = component(parameter);
        assert!(
            matches!(refusal, VerifyError::UnsupportedComponentParameter { .. }),
            "{parameter}: {refusal}"
        );
    }
    for (list, twice) in [
        (r#""a" "b" "a""#, r#""a""#),
        (r#""@path" "@path""#, r#""@path""#),
        (r#""a";sf;key="b" "a";key="b";sf"#, r#""a";key="b";sf"#),
        (r#""@query-param";name="a" "@query-param";name="a""#, r#""@query-param";name="a""#),
    ] {
        assert_eq!(component(list), VerifyError::DuplicateComponent { component: twice.to_owned() });
    }
    assert!(one(r#"sig1=("a" "a";sf "a";bs "a";key="a" "a";key="b" "@query-param";name="a" "@query-param";name="b")"#).is_ok());
    let many = (0..101).map(|number| format!("\"x{number}\"")).collect::<Vec<_>>().join(" ");
    assert_eq!(
        component(&many),
        VerifyError::TooManyComponents { count: 101, most: 100, what: "components" }
    );
    let many = (0..17).map(|number| format!("\"a\";key=\"{number}\"")).collect::<Vec<_>>().join(" ");
    assert!(matches!(component(&many), VerifyError::TooManyComponents { count: 17, most: 16, .. }));
}

#[test]
fn refusals_help() {
    for (refusal, words) in [
        (refused("sig1=();created=\"1\""), vec!["`created`", "whole number"]),
        (component(r#""@method";req"#), vec!["\"@method\"", "`req`"]),
        (component(r#""x";tr"#), vec!["`tr`", "trailers"]),
        (component(r#""x";req"#), vec!["`req`", "response"]),
        (component(r#""Accept""#), vec!["\"Accept\"", "lower-case"]),
        (VerifyError::TooManySignatures { count: 17, most: 16 }, vec!["`signature-input`", "17", "16"]),
        (refused("sig1=(\"a\""), vec!["`signature-input`"]),
    ] {
        let text = refusal.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(!text.ends_with('.') && !text.starts_with(char::is_uppercase), "{text}");
    }
}

#[test]
fn what_cannot_be_signed() {
    let fields = headers(&[("accept", "x")]);
    let message = Message::request("GET", "/", None, &fields, b"").with_origin("https", "a");
    let key = SigningKey::generate(http_message_signatures::Algorithm::Ed25519).unwrap();
    let good = Parameters::new("k", 1);
    let sign = |components: &[&str], parameters: &Parameters<'_>| {
        http_message_signatures::sign(&message, components, parameters, &key, RFC)
            .map(|signed| signed.signature_input)
    };
    assert_eq!(
        sign(&["@method", "accept"], &good).unwrap(),
        r#"sig1=("@method" "accept");keyid="k";created=1"#
    );
    let all = Parameters::new("a\"\\", 1).with_expires(-2).with_nonce("n").with_alg("ed25519").with_tag("t");
    let input = sign(&[r#""accept";bs"#], &all).unwrap();
    assert_eq!(
        input,
        r#"sig1=("accept";bs);keyid="a\"\\";created=1;expires=-2;nonce="n";alg="ed25519";tag="t""#
    );
    assert_eq!(sign(&[], &Parameters::new("é", 1)), Err(SignError::Text("keyid")));
    assert_eq!(sign(&[], &good.with_nonce("a\nb")), Err(SignError::Text("nonce")));
    assert_eq!(sign(&[], &Parameters::new("k", i64::MIN)), Err(SignError::Number("created")));
    assert_eq!(sign(&[], &good.with_expires(i64::MAX)), Err(SignError::Number("expires")));
    assert!(matches!(
        sign(&["x-missing"], &good),
        Err(SignError::Component(VerifyError::MissingComponent { .. }))
    ));
    assert!(matches!(
        sign(&["accept", "accept"], &good),
        Err(SignError::Component(VerifyError::DuplicateComponent { .. }))
    ));
    assert!(matches!(sign(&["Accept"], &good), Err(SignError::Component(VerifyError::ComponentName { .. }))));
    for injected in ["accept\" \"date", "a);created=5", "a\"), sig2=(\"b", "\"accept\");x=(\"a\""] {
        assert!(matches!(sign(&[injected], &good), Err(SignError::Component(_))), "{injected}");
    }
}

/// What a stranger can send in one field must not cost more than its length.
#[test]
fn long_fields_are_cheap() {
    const TIMES: usize = 16;
    for kind in 0..4 {
        // A field that is sixteen times as long takes sixteen times as long, and two hundred times if the work is
        // quadratic. The shortest of several tries is what the machine does when nothing interrupts it.
        let shortest = |pieces| (0..5).map(|_| cost(kind, pieces)).min().unwrap().as_secs_f64();
        let (short, long) = (shortest(20_000 / TIMES), shortest(20_000));
        let most = 5.0 * 16.0 * short + 0.002;
        assert!(long < most, "kind {kind}: {short} s, and {long} s for {TIMES} times the length");
    }
}

/// The time that this thread has run.
fn processor_time() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().unwrap()
}

/// How much time of a processor it takes to read a field of so many pieces: what else runs on the machine does not count.
fn cost(kind: usize, pieces: usize) -> std::time::Duration {
    let long = |piece: &dyn Fn(usize) -> String| (0..pieces).map(piece).collect::<Vec<_>>();
    let input = match kind {
        0 => long(&|n| format!("a{n}=()")).join(", "),
        1 => format!("sig1=(){}", long(&|n| format!(";a{n}")).concat()),
        2 => format!("sig1=(\"a\"{})", long(&|n| format!(";a{n}")).concat()),
        _ => format!("sig1=({})", long(&|n| format!("\"a{n}\"")).join(" ")),
    };
    let signature = input.replace("()", ":AA==:");
    let started = processor_time();
    let _ = parse(&[&input], &["sig1=:AA==:"]);
    let _ = parse(&["sig1=()"], &[&signature]);
    processor_time().saturating_sub(started)
}
