//! Thousands of forgeries of valid requests, each a little different from what was signed.

use std::fmt::Write as _;

use testing::app::{P521, TestApp};
use testing::bodies;
use testing::client::{Client, once_key};
use testing::signing::{Request, Sent, digest_of};

/// A change to a signed request.
struct Mutation {
    what: String,
    /// Whether what is left means the same beyond doubt, so that it may be accepted.
    equal: bool,
    apply: Box<dyn Fn(Sent) -> Sent>,
}

fn mutation(what: impl Into<String>, apply: impl Fn(Sent) -> Sent + 'static) -> Mutation {
    Mutation { what: what.into(), equal: false, apply: Box::new(apply) }
}

fn equal(what: impl Into<String>, apply: impl Fn(Sent) -> Sent + 'static) -> Mutation {
    Mutation { what: what.into(), equal: true, apply: Box::new(apply) }
}

/// What a forger would like to put in the place of a value: all of it valid by itself.
struct Wishes {
    token: String,
    client: String,
    user: String,
}

fn valid_values(name: &str, wishes: &Wishes) -> Vec<String> {
    let texts: &[&str] = match name {
        "accept" => &["*/*", "application/*", "application/json;q=1", "application/json,text/csv"],
        "content-type" => &["application/json; charset=utf-8", "APPLICATION/JSON"],
        "upvest-signature-version" => &["14", "16", "1", "15, 6", "v15"],
        "content-digest" | "digest" => {
            let (name, body) = (name == "content-digest", bodies::karl().to_string());
            return vec![
                digest_of(name, body.as_bytes()).1,
                digest_of(name, b"").1,
                digest_of(!name, body.as_bytes()).1,
            ];
        }
        "authorization" => {
            return vec![format!("Bearer {}", wishes.token), format!("bearer {}", wishes.token)];
        }
        "upvest-client-id" => return vec![wishes.client.clone()],
        "idempotency-key" => return vec![once_key()],
        _ => &[],
    };
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Every header altered, removed and duplicated.
fn of_headers(sent: &Sent, wishes: &Wishes) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (name, value) in sent.headers.clone() {
        let selector = name == "upvest-signature-version";
        let of = |what: &str| format!("{name}: {what}");
        let removed = name.clone();
        all.push(Mutation { equal: selector, ..mutation(of("removed"), move |sent| sent.without(&removed)) });
        let mut values = valid_values(&name, wishes);
        let letters: Vec<char> = value.chars().collect();
        let (head, tail) = (&value[..value.len() - 1], &value[1..]);
        values.extend([String::new(), head.into(), tail.into(), format!("{value}x"), format!("x{value}")]);
        values.extend([
            format!("{value}{value}"),
            format!("\"{value}\""),
            format!("{value};x"),
            format!("{value}="),
        ]);
        for at in (0..letters.len()).step_by(1 + letters.len() / 12) {
            let mut changed = letters.clone();
            changed[at] = match changed[at] {
                letter if letter.is_ascii_lowercase() => letter.to_ascii_uppercase(),
                letter if letter.is_ascii_uppercase() => letter.to_ascii_lowercase(),
                '9' => '0',
                letter if letter.is_ascii_digit() => '9',
                _ => '~',
            };
            values.push(changed.into_iter().collect());
        }
        for other in values.into_iter().filter(|other| *other != value) {
            // An empty or another draft's selector is judged in caller.rs; here it must never help.
            for place in ["instead", "after", "before"] {
                let (name, other) = (name.clone(), other.clone());
                let what = format!("{name}: {other:?} {place}");
                // A second signature under a label of its own takes nothing from the first.
                let labelled =
                    name.starts_with("signature") && !other.starts_with("sig1=") && other.contains("sig1=");
                let labelled = labelled || (name.starts_with("signature") && other.starts_with("ig1="));
                // The first line selected what holds; that a second one is refused stands in caller.rs.
                let same = (place != "instead" && labelled) || (selector && place == "after");
                let apply = move |sent: Sent| match place {
                    "instead" => sent.set(&name, &other),
                    "after" => sent.add(&name, &other),
                    _ => {
                        let mut sent = sent;
                        sent.headers.insert(0, (name.clone(), other.clone()));
                        sent
                    }
                };
                all.push(Mutation { equal: same, ..mutation(what, apply) });
            }
        }
        let (twice, padded) = (name.clone(), name.clone());
        all.push(equal(of("twice the same"), move |sent| {
            let value = sent.get(&twice).to_owned();
            sent.add(&twice, &value)
        }));
        all.push(equal(of("padded"), move |sent| {
            let value = format!("  {} ", sent.get(&padded));
            sent.set(&padded, &value)
        }));
    }
    all
}

/// Every place of the two signature fields with a letter less, more, or another.
fn of_signature(sent: &Sent, step: usize) -> Vec<Mutation> {
    let mut all = Vec::new();
    for name in ["signature-input", "signature"] {
        // The last letters before the padding may have bits without meaning.
        let end = sent.get(name).len() - if name == "signature" { 5 } else { 0 };
        for at in (0..end).step_by(step) {
            all.push(mutation(format!("{name}: letter {at} removed"), move |sent| {
                let mut value = sent.get(name).to_owned();
                value.remove(at);
                sent.set(name, &value)
            }));
            for letter in ['A', '0', ' ', '"', ';', ',', ':'] {
                all.push(mutation(format!("{name}: {letter:?} at {at}"), move |sent| {
                    let mut letters: Vec<char> = sent.get(name).chars().collect();
                    letters[at] = if letters[at] == letter { 'z' } else { letter };
                    sent.set(name, &letters.into_iter().collect::<String>())
                }));
            }
        }
    }
    for (from, to) in [
        ("sig1=", "sig2="),
        ("\"@method\" ", ""),
        (" \"@path\"", ""),
        (" \"authorization\"", ""),
        (" \"upvest-client-id\"", ""),
        ("\"@method\" \"@path\"", "\"@path\" \"@method\""),
        ("\"@path\"", "\"@path\" \"@path\""),
        ("\"@path\"", "\"@path\";req"),
        ("\"@method\"", "\"@METHOD\""),
        ("\"accept\"", "\"accept\";sf"),
        (";created", ";alg=\"ed25519\";created"),
        (";created", ";created=1;created"),
        (";created=", ";created=0"),
        (";expires=", ";expires=9"),
        (";nonce", ";tag=\"x\";nonce"),
        ("sig1=(", "sig1=()"),
    ] {
        all.push(mutation(format!("signature-input: {from} to {to}"), move |sent| {
            let value = sent.get("signature-input").replacen(from, to, 1);
            sent.set("signature-input", &value)
        }));
    }
    // The canonical form is what was signed, and it is the same (RFC 9421 section 2.3).
    for (from, to) in [
        ("\"@method\" \"@path\"", "\"@method\"  \"@path\""),
        ("(\"@method\"", "( \"@method\""),
        (");", " );"),
        (");keyid", "); keyid"),
        (");keyid", ") ; keyid"),
        (";nonce", " ;\tnonce"),
    ] {
        all.push(equal(format!("signature-input: {from} to {to}"), move |sent| {
            let value = sent.get("signature-input").replacen(from, to, 1);
            sent.set("signature-input", &value)
        }));
    }
    for (from, to) in [("keyid=\"", "keyid=\" "), ("\"@path\"", "\"@path \""), (";keyid=", ";keyid= ")] {
        all.push(mutation(format!("signature-input: {from} to {to}"), move |sent| {
            let value = sent.get("signature-input").replacen(from, to, 1);
            sent.set("signature-input", &value)
        }));
    }
    all.push(mutation("signature: label", |sent| {
        let value = sent.get("signature").replace("sig1", "sig2");
        sent.set("signature", &value)
    }));
    for name in ["created", "expires", "nonce", "keyid"] {
        all.push(mutation(format!("signature-input: without {name}"), move |sent| {
            let value = sent.get("signature-input").to_owned();
            let kept = value.split(';').filter(|part| !part.starts_with(name));
            sent.clone().set("signature-input", &kept.collect::<Vec<_>>().join(";"))
        }));
    }
    all
}

/// Method, path, query and body.
fn of_message(sent: &Sent, wishes: &Wishes) -> Vec<Mutation> {
    let mut all = Vec::new();
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "get", "post"] {
        if method != sent.method {
            all.push(mutation(format!("method {method}"), move |sent| Sent {
                method: method.into(),
                ..sent
            }));
        }
    }
    let user = format!("/users/{}", wishes.user);
    for target in [
        "/users",
        "/users?",
        "/users?limit=2",
        "/users?limit=2&offset=1",
        "/users?offset=0&limit=2",
        "/users?limit=%32&offset=0",
        "/users?limit=2&offset=0&",
        "/users?limit=2&offset=0&x=1",
        "/users?LIMIT=2&offset=0",
        "/users/",
        "//users",
        "/USERS",
        "/users/.",
        "/users/../users",
        "/%75sers",
        "/users;x",
        "/users%3Flimit=2",
        "/auth/token",
        &user,
        &user.to_uppercase(),
        &format!("{user}?limit=2&offset=0"),
        &format!("{user}?x"),
        &format!("{user}/"),
    ] {
        // A question mark with nothing behind it asks nothing.
        let same = target == format!("{}?", sent.target);
        let other = target.to_owned();
        if target != sent.target {
            let apply = move |sent: Sent| Sent { target: other.clone(), ..sent };
            all.push(Mutation { equal: same, ..mutation(format!("target {target}"), apply) });
        }
    }
    let length = sent.body.len();
    for at in (0..length).step_by(5) {
        all.push(mutation(format!("body: byte {at}"), move |mut sent| {
            sent.body[at] ^= 1;
            sent
        }));
    }
    for body in
        [bodies::karl().to_string(), "{}".to_owned(), format!("{}x", String::from_utf8_lossy(&sent.body))]
    {
        all.push(mutation(format!("body: {} bytes", body.len()), move |sent| {
            let sent = Sent { body: body.clone().into_bytes(), ..sent };
            let length = sent.body.len().to_string();
            sent.set("content-length", &length)
        }));
    }
    if length > 0 {
        all.push(mutation("body: none", |sent| Sent { body: Vec::new(), ..sent }.without("content-length")));
        all.push(mutation("body: another with its digest", |sent| {
            let body = bodies::karl().to_string().into_bytes();
            let length = body.len().to_string();
            let draft15 = sent.headers.iter().any(|(name, _)| name == "content-digest");
            let (name, value) = digest_of(draft15, &body);
            Sent { body, ..sent }.set(&name, &value).set("content-length", &length)
        }));
    }
    all
}

/// How many mutants of this request there are, and how many were accepted; `wrong` tells of those that may not be.
async fn try_all(sign: impl Fn() -> Sent, wishes: &Wishes, step: usize, wrong: &mut String) -> (usize, i64) {
    let sent = sign();
    sent.send().await.ok();
    let mut all = of_message(&sent, wishes);
    all.extend(of_headers(&sent, wishes));
    all.extend(of_signature(&sent, step));
    let mut accepted = 0;
    for Mutation { what, equal, apply } in &all {
        // Signed anew, so that nothing is refused only because its nonce was used.
        let forged = apply(sign());
        let mut lengths = forged.headers.iter().filter(|(name, _)| name == "content-length");
        let framed = lengths.all(|(_, length)| length.trim().parse() == Ok(forged.body.len()));
        let answer = if framed { Some(forged.send().await) } else { forged.send_alone(true).await };
        let status = answer.as_ref().map_or(400, |answer| answer.status);
        assert!(status < 500, "{what}: {answer:?}");
        accepted += i64::from(status < 400);
        if status < 400 && !equal {
            let _ = writeln!(wrong, "{} {} with {what}: {status}", sent.method, sent.target);
        }
    }
    (all.len(), accepted)
}

async fn wishes(app: &TestApp, client: &Client) -> Wishes {
    let user = client.created(&bodies::karl()).await;
    let mut again = client.clone();
    again.renew().await;
    let second = app.new_client("main", "users:admin users:read").await;
    Wishes { token: again.token, client: second.id.clone(), user: user["id"].as_str().unwrap().to_owned() }
}

async fn none_of_the_mutants_is_accepted(draft15: bool) {
    let app = TestApp::start().await;
    let wishes = wishes(&app, app.client()).await;
    let one = app.client().created(&bodies::smallest()).await;
    let own = format!("/users/{}", one["id"].as_str().unwrap());
    let client = app.client();
    let draft = |request: Request| if draft15 { request } else { request.draft6() };
    let mut wrong = String::new();
    let mut count = 0;
    count += try_all(|| draft(client.get("/users?limit=2&offset=0")).sign(), &wishes, 6, &mut wrong).await.0;
    count += try_all(|| draft(client.get(&own)).sign(), &wishes, 12, &mut wrong).await.0;
    let p521 = || draft(client.get("/users").key(&client.keys[P521])).sign();
    count += try_all(p521, &wishes, 24, &mut wrong).await.0;
    let before = app.rows();
    let create = || draft(client.create(&bodies::smallest())).sign();
    let (creations, accepted) = try_all(create, &wishes, 6, &mut wrong).await;
    count += creations;
    assert!(wrong.is_empty(), "of {count} mutants these were accepted:\n{wrong}");
    assert!(count > 2500, "{count} mutants");
    // The original, and those that mean the same.
    assert_eq!(app.rows().users - before.users, 1 + accepted);
}

#[tokio::test]
async fn no_mutant_of_a_request_signed_by_draft_15_is_accepted() {
    none_of_the_mutants_is_accepted(true).await;
}

#[tokio::test]
async fn no_mutant_of_a_request_signed_by_draft_6_is_accepted() {
    none_of_the_mutants_is_accepted(false).await;
}
