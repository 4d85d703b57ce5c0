//! The fields `signature-input` and `signature` as other software writes them: labels, several signers, spacing.

use testing::app::{ED25519, P521, TestApp};
use testing::bodies;
use testing::client::Client;
use testing::signing::Sent;

const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";

/// The request with its signature under another label.
fn labelled(sent: &Sent, label: &str) -> Sent {
    let renamed = |name: &str| sent.get(name).replacen("sig1=", &format!("{label}="), 1);
    sent.clone().set("signature-input", &renamed("signature-input")).set("signature", &renamed("signature"))
}

/// One more signature, in front of the others or behind them.
fn beside(sent: &Sent, ahead: bool, input: &str, signature: &str) -> Sent {
    let with = |name: &str, other: &str| {
        let own = sent.get(name);
        if ahead { format!("{other}, {own}") } else { format!("{own}, {other}") }
    };
    let (input, signature) = (with("signature-input", input), with("signature", signature));
    sent.clone().set("signature-input", &input).set("signature", &signature)
}

fn get(client: &Client) -> Sent {
    client.get("/users").sign()
}

#[tokio::test]
async fn any_label_will_do() {
    let app = TestApp::start().await;
    for label in ["sig1", "sig", "pyhms", "a", "*x", "my-sig_1.0"] {
        labelled(&get(app.client()), label).send().await.ok();
        labelled(&app.client().create(&bodies::smallest()).sign(), label).send().await.ok();
        labelled(&app.client().token_request().sign(), label).send().await.ok();
    }
    for label in ["Sig", "1a", "s\u{e4}"] {
        labelled(&get(app.client()), label).send().await.refused("unauthorised");
    }
}

#[tokio::test]
async fn of_several_signatures_the_one_by_a_key_of_the_client_counts() {
    let app = TestApp::start().await;
    let other = app.new_client("main", "users:read").await;
    let theirs = format!("(\"@method\");keyid=\"{}\";created=1", other.keys[ED25519].id);
    for ahead in [true, false] {
        for own in ["sig1", "mine"] {
            for (input, signature) in [
                (format!("proxy=(\"@method\");keyid=\"{UNKNOWN}\";created=1"), "proxy=:AA==:"),
                (format!("proxy={theirs}"), "proxy=:AA==:"),
                // What is wrong with those that do not count does not matter.
                ("proxy=()".into(), "proxy=:AA==:"),
                ("proxy=(\"@nonsense\");keyid=1".into(), "proxy=:AA==:"),
                ("proxy=1".into(), "proxy=token"),
                ("proxy=?0".into(), "other=:AA==:"),
                (format!("a=();keyid=\"{UNKNOWN}\", b=(), c={theirs}"), "c=:AA==:, b=:AA==:"),
            ] {
                let sent = beside(&labelled(&get(app.client()), own), ahead, &input, signature);
                let answer = sent.send().await;
                assert_eq!(answer.status, 200, "{input} {ahead} {own}: {}", answer.text());
            }
        }
        // A stranger's `sig1` takes nothing from the client's own.
        let stranger = format!("sig1=(\"@method\");keyid=\"{UNKNOWN}\";created=1");
        beside(&labelled(&get(app.client()), "mine"), ahead, &stranger, "sig1=:AA==:").send().await.ok();
    }
}

#[tokio::test]
async fn one_signature_is_checked_and_no_other_helps() {
    let app = TestApp::start().await;
    let client = app.client();
    let good = labelled(&client.get("/users").key(&client.keys[P521]).sign(), "good");
    // `sig1` by a known key goes first, so it is the one that has to hold.
    let forged = format!("sig1=(\"@method\");keyid=\"{}\";created=1", client.keys[ED25519].id);
    beside(&good, false, &forged, "sig1=:AA==:").send().await.refused("unauthorised");
    // Without it the first by a known key.
    let forged = format!("bad=(\"@method\");keyid=\"{}\";created=1", client.keys[ED25519].id);
    beside(&good, true, &forged, "bad=:AA==:").send().await.refused("unauthorised");
    beside(&good, false, &forged, "bad=:AA==:").send().await.ok();
    // No key is known; nothing is readable; a label stands twice; too many.
    let strangers = format!("b=();keyid=\"{UNKNOWN}\"");
    let sent = labelled(&client.get("/users").key_id(UNKNOWN).sign(), "a");
    beside(&sent, false, &strangers, "b=:AA==:").send().await.refused("unauthorised");
    let sent = get(client).set("signature-input", "a=1, b=2");
    sent.send().await.refused("unauthorised");
    beside(&get(client), false, "sig1=()", "x=:AA==:").send().await.refused("unauthorised");
    beside(&get(client), false, "x=()", "sig1=:AA==:").send().await.refused("unauthorised");
    let list = |value: &str| (0..16).map(|at| format!("x{at}={value}")).collect::<Vec<_>>().join(", ");
    let answer = beside(&get(client), false, &list("()"), &list(":AA==:")).send().await;
    answer.refused("unauthorised");
    // Fields that are no dictionaries are refused as a whole (RFC 8941 section 4.2).
    beside(&get(client), false, "x=(", "x=:AA==:").send().await.refused("unauthorised");
    beside(&get(client), false, "x=()", "x=:*:").send().await.refused("unauthorised");
}

#[tokio::test]
async fn another_label_does_not_let_a_message_in_twice() {
    let app = TestApp::start().await;
    let sent = app.client().create(&bodies::smallest()).sign();
    sent.send().await.ok();
    labelled(&sent, "again").send().await.refused("unauthorised");
    let stranger = format!("x=();keyid=\"{UNKNOWN}\"");
    beside(&sent, true, &stranger, "x=:AA==:").send().await.refused("unauthorised");
    let spaced = sent.get("signature-input").replace(";created", "; created");
    sent.clone().set("signature-input", &spaced).send().await.refused("unauthorised");
    assert_eq!(app.rows().users, 1);
}

/// What a client can make of `);keyid=` in the field, and of the same in the text that it signs.
type Spacing = fn(String) -> String;

#[tokio::test]
async fn the_parameters_may_be_spaced_otherwise_and_signed_in_either_spacing() {
    const SPACINGS: [Spacing; 5] = [
        |text| text.replace(");keyid", "); keyid"),
        |text| text.replace(");keyid", ") ;keyid"),
        |text| text.replace(";created", " ; created").replace(";nonce", ";\tnonce"),
        |text| text.replace("(\"@method\" ", "( \"@method\"  "),
        |text| text.replace(");keyid", " );keyid"),
    ];
    let app = TestApp::start().await;
    let client = app.client();
    for space in SPACINGS {
        for draft15 in [true, false] {
            for own in [false, true] {
                let draft =
                    |request| if draft15 { request } else { testing::signing::Request::draft6(request) };
                let requests = [client.get("/users?limit=1"), client.create(&bodies::smallest())];
                for request in requests.map(draft).map(|request| request.key(&client.keys[P521])) {
                    // As it is sent, or in the canonical form.
                    let sent = if own { request.spoilt(space).sign() } else { request.sign() };
                    let spaced = space(sent.get("signature-input").to_owned());
                    assert_ne!(spaced, sent.get("signature-input"));
                    let answer = sent.set("signature-input", &spaced).send().await;
                    assert_eq!(answer.status, 200, "{spaced} signed as sent: {own}: {}", answer.text());
                }
            }
        }
        // A third spacing is neither.
        let other = client.get("/users").spoilt(|base| base.replace(");keyid", ");  keyid")).sign();
        let spaced = space(other.get("signature-input").to_owned());
        other.set("signature-input", &spaced).send().await.refused("unauthorised");
    }
}

#[tokio::test]
async fn the_target_uri_is_normalised_like_the_authority() {
    let mut app = TestApp::start().await;
    let slug = async |app: &TestApp, host: &str, signed: &str| {
        let covered = ["@method", "@target-uri", "authorization"];
        let request = app.client().get("/users?limit=1").covering(&covered).signed_as("@target-uri", signed);
        let text = String::from_utf8(request.sign().wire_bytes()).unwrap();
        let text = text.replace(&format!("host: {}", app.wire().address()), &format!("host: {host}"));
        app.wire().raw(text.as_bytes(), false).await.unwrap().sound("GET").slug()
    };
    for (host, signed, good) in [
        ("api.example", "http://api.example/users?limit=1", true),
        ("API.Example", "http://api.example/users?limit=1", true),
        ("api.example:80", "http://api.example/users?limit=1", true),
        ("api.example:", "http://api.example/users?limit=1", true),
        ("api.example:8080", "http://api.example:8080/users?limit=1", true),
        ("[2001:DB8::1]:80", "http://[2001:db8::1]/users?limit=1", true),
        ("api.example:443", "http://api.example/users?limit=1", false),
        ("api.example", "https://api.example/users?limit=1", false),
        ("api.example", "http://api.example/users", false),
        ("api.example", "http://other.example/users?limit=1", false),
    ] {
        let expected = if good { "ok" } else { "unauthorised" };
        assert_eq!(slug(&app, host, signed).await, expected, "{host} {signed}");
    }
    app.restart_with(|config| config.public_url = Some("https://API.Example:443/".into())).await;
    assert_eq!(slug(&app, "inner:8080", "https://api.example/users?limit=1").await, "ok");
    assert_eq!(slug(&app, "inner:8080", "http://inner:8080/users?limit=1").await, "unauthorised");
}

#[tokio::test]
async fn escapes_of_any_kind_may_be_signed_raw_or_decoded() {
    let app = TestApp::start().await;
    for (sent, decoded) in [
        ("/users/a%2Fb", "/users/a/b"),
        ("/users/a%2fb", "/users/a/b"),
        ("/users/%c3%a4", "/users/\u{e4}"),
        ("/users/%C3%A4%20x", "/users/\u{e4} x"),
        ("/users/a%25b", "/users/a%b"),
        ("/users/a%3Fb%23c", "/users/a?b#c"),
    ] {
        for signed in [sent, decoded] {
            app.client().get(sent).signed_as("@path", signed).send().await.refused("not_found");
        }
        for forged in ["/users", "/users/a", &decoded.to_uppercase()] {
            app.client().get(sent).signed_as("@path", forged).send().await.refused("unauthorised");
        }
    }
    // No text that could be signed comes out of these.
    for sent in ["/users/%ff", "/users/a%0Ab", "/users/%"] {
        app.client().get(sent).send().await.refused("not_found");
    }
}
