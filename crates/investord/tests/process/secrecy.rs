//! Canaries: what nobody may find in the database, its log files, the server's output or its metrics.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use testing::client::{Client, uuid};
use testing::hashes::{hashes, hex};
use testing::home::{Home, Register};
use testing::postgres;
use testing::program::run;
use testing::server::{Ready, Server};

/// The rows of a database that is no file.
const TABLES: &str = "tables";

/// Personal texts, one for each member that can hold one.
const CANARIES: [(&str, &str); 17] = [
    ("first_name", "Qanaryfirst Žofie"),
    ("last_name", "Qanarylast O'Łęcka"),
    ("birth_name", "Qanarybirthname"),
    ("birth_city", "Qanarybirthcity"),
    ("birth_date", "1913-07-29"),
    ("email", "qanarymail@qanary.example"),
    ("phone_number", "490192837465518"),
    ("social_security_number", "65290713Q987"),
    ("address.address_line1", "Qanarystreet 77"),
    ("address.address_line2", "Qanaryfloor"),
    ("address.postcode", "QN4RY-ADDR"),
    ("address.city", "Qanarycity"),
    ("address.state", "Qanarystate"),
    ("postal_address.address_line1", "Qanarypostbox 78"),
    ("postal_address.postcode", "QN4RY-POST"),
    ("postal_address.city", "Qanarypostcity"),
    ("postal_address.state", "Qanarypoststate"),
];

fn body() -> Value {
    let mut body = json!({
        "nationalities": ["DE"],
        "birth_country": "DE",
        "address": { "country": "DE" },
        "postal_address": { "country": "DE" },
    });
    for (path, text) in CANARIES {
        match path.split_once('.') {
            Some((outer, inner)) => body[outer][inner] = json!(text),
            None => body[path] = json!(text),
        }
    }
    body
}

/// The forms in which a text could be lying about.
fn forms(text: &str) -> Vec<(String, Vec<u8>)> {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect();
    let escaped: String = text
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(ascii) if ascii.is_ascii() => char::from(ascii).to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    let plain_hex = hex(text.as_bytes());
    let percent: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let debug = format!("{text:?}");
    let mut forms = vec![
        ("UTF-8".to_owned(), text.as_bytes().to_vec()),
        ("UTF-16LE".to_owned(), utf16(u16::to_le_bytes)),
        ("UTF-16BE".to_owned(), utf16(u16::to_be_bytes)),
        ("JSON-escaped".to_owned(), escaped.clone().into_bytes()),
        ("JSON-escaped twice".to_owned(), escaped.replace('\\', "\\\\").into_bytes()),
        ("Debug".to_owned(), debug.trim_matches('"').as_bytes().to_vec()),
        ("hex".to_owned(), plain_hex.clone().into_bytes()),
        ("HEX".to_owned(), plain_hex.to_uppercase().into_bytes()),
        ("percent-encoded".to_owned(), percent.into_bytes()),
    ];
    // Base64 at each of the three alignments, without the characters that a neighbour decides.
    for shift in 0..3 {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(text.as_bytes());
        let encoded = BASE64_STANDARD.encode(&shifted);
        let inner = encoded[4.min(shift * 4)..encoded.len() - 4].to_owned();
        if inner.len() >= 8 {
            forms.push((format!("base64+{shift}"), inner.into_bytes()));
        }
    }
    forms
}

struct Heap {
    files: Vec<(String, Vec<u8>)>,
}

impl Heap {
    /// Everything that the server has written: files, and the rows of the tables where they are no file.
    fn of(home: &Home, metrics: &str) -> Self {
        let mut files = vec![("metrics".to_owned(), metrics.as_bytes().to_vec())];
        let mut folders = vec![home.path("")];
        match home.register() {
            Register::File(file) => folders.push(file.parent().unwrap().to_owned()),
            Register::Server(url) => files.push((TABLES.to_owned(), everything(&url))),
        }
        for folder in folders {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let name = entry.file_name().into_string().unwrap();
                let made_here = ["master.key", "tenants.toml", "investord.toml"].contains(&name.as_str());
                if entry.path().is_file() && !made_here {
                    files.push((name, std::fs::read(entry.path()).unwrap()));
                }
            }
        }
        Self { files }
    }

    fn has(&self, file: &str, needle: &[u8]) -> bool {
        self.files.iter().any(|(name, bytes)| name == file && find(bytes, needle).is_some())
    }

    fn must_not_have(&self, what: &str, text: &str) {
        for (form, needle) in forms(text) {
            self.must_not_have_bytes(&format!("{what} ({form})"), &needle);
        }
    }

    /// Nor a hash of it, against which values could be tried until one fits.
    fn must_not_have_hashed(&self, what: &str, text: &str) {
        self.must_not_have(what, text);
        for (name, hash) in hashes(text.as_bytes()) {
            self.must_not_have_bytes(&format!("{what} ({name})"), &hash);
            self.must_not_have_bytes(&format!("{what} ({name} in hex)"), hex(&hash).as_bytes());
        }
    }

    fn must_not_have_bytes(&self, what: &str, needle: &[u8]) {
        for (name, bytes) in &self.files {
            if let Some(at) = find(bytes, needle) {
                let around = &bytes[at.saturating_sub(120)..bytes.len().min(at + needle.len() + 60)];
                panic!("{what} stands in {name}: …{}…", String::from_utf8_lossy(around));
            }
        }
    }
}

/// All rows of all tables; bytes as they are, as far as they are text, and in hex.
fn everything(url: &str) -> Vec<u8> {
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    let tables = postgres::sql(url, tables).into_iter().flatten().flatten();
    let rows = tables.flat_map(|table| {
        let all = format!(
            "SET bytea_output = 'escape'; SELECT t::text FROM {table} t; \
             SET bytea_output = 'hex'; SELECT t::text FROM {table} t"
        );
        postgres::sql(url, &all).into_iter().flatten().flatten()
    });
    rows.collect::<Vec<String>>().join("\n").into_bytes()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, rest) = needle.split_first()?;
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| byte == first)?;
        if bytes[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_personal_and_no_secret_is_readable_anywhere() {
    let home = Home::new("[log]\nlevel = \"trace\"\n");
    // Refusals of such a tenant repeat what was sent.
    home.write("tenants.toml", &home.tenants("acme", "identifier_checks = \"strict\""));
    let server = home.serve();
    let mut client = home.caller(&server).await;
    client.scopes = "users:admin users:read accounts:admin checks:admin taxes:admin".into();
    client.renew().await;
    let mut tokens = vec![client.token.clone()];
    let everything = exercise(&client).await;
    for (member, text) in CANARIES {
        assert!(everything.contains(text), "{member} was answered to its owner");
    }
    let owner = client.creation(body().to_string().as_bytes(), &uuid()).ask().await.json();
    opened(&client, owner["id"].as_str().unwrap()).await;
    rejected(&client).await;
    over_http2(&client).await;
    let metrics = server.metrics();
    server.kill();
    let killed = Heap::of(&home, &metrics);
    let written = |name: &str| name.ends_with("-wal") || name == TABLES;
    assert!(killed.files.iter().any(|(name, bytes)| written(name) && !bytes.is_empty()));
    judge(&home, &killed, &tokens);

    // Again, and to a clean end.
    let server = home.serve();
    client = client.at(server.address);
    client.renew().await;
    tokens.push(client.token.clone());
    exercise(&client).await;
    rejected(&client).await;
    let metrics = server.metrics();
    server.stop();
    judge(&home, &Heap::of(&home, &metrics), &tokens);
}

fn judge(home: &Home, heap: &Heap, tokens: &[String]) {
    // The search itself works: these are meant to be found.
    assert!(["investord.db", "investord.db-wal", TABLES].iter().any(|name| heap.has(name, b"acme")));
    assert!(heap.has("server.err", b"TRACE"), "the log is as talkative as can be");
    assert!(heap.has("server.err", home.client.as_bytes()) && heap.has("metrics", b"/users/{user_id}"));
    for (member, text) in CANARIES {
        heap.must_not_have_hashed(member, text);
    }
    for word in ["Qanary", "qanary", "QANARY", "QN4RY", "19130729", "13472947110", "490192837465"] {
        heap.must_not_have("a part of a canary", word);
    }
    heap.must_not_have_hashed("the client secret", &home.secret);
    // A hash of 32 random bytes gives nothing away.
    for token in tokens {
        heap.must_not_have("an access token", token);
    }
    let master_key = std::fs::read_to_string(home.path("master.key")).unwrap();
    heap.must_not_have("the master key", &master_key);
    heap.must_not_have_bytes("the master key (bytes)", &BASE64_STANDARD.decode(&master_key).unwrap());
}

/// Created, created again, repeated, read and listed; all that was answered.
async fn exercise(client: &Client) -> String {
    let (body, once) = (body().to_string(), uuid());
    let mut answered = String::new();
    for key in [&once, &once, &uuid()] {
        let created = client.creation(body.as_bytes(), key).ask().await;
        assert_eq!(created.status, 200, "{created}");
        let read = client.get(&format!("/users/{}", created.json()["id"].as_str().unwrap())).ask().await;
        assert_eq!(read.body, created.body);
        answered.push_str(read.text());
    }
    let another = client.creation(body.as_bytes(), &uuid()).ask().await.json();
    identified(client, another["id"].as_str().unwrap()).await;
    answered.push_str(client.get("/users?limit=1000").ask().await.text());
    answered
}

/// Given a securities account of a number of their own, and an account in it.
async fn opened(client: &Client, user: &str) {
    let key = uuid();
    let open = async |target: &str, body: Value| {
        let answer = client.request("POST", target).header("idempotency-key", &key).json(&body).ask().await;
        assert_eq!(answer.status, 200, "{answer}");
        answer.json()
    };
    let group = json!({ "user_id": user, "type": "PERSONAL", "securities_account_number": "490192837465" });
    let group = open("/account_groups", group).await["id"].clone();
    let account =
        json!({ "user_id": user, "account_group_id": group, "type": "TRADING", "name": "Qanarydepot" });
    open("/accounts", account).await;
    let taxes = json!({ "tax_residencies": [{ "country": "DE", "tax_identifier_number": "QN4RY-TIN77" }] });
    open(&format!("/users/{user}/tax_residencies"), taxes).await;
    let check = json!({
        "type": "KYC", "check_confirmed_at": "2026-01-01T00:00:00Z", "document_type": "PASSPORT", "nationality": "DE",
        "data_download_link": "https://qanary.example/kyc.zip", "document_expiration_date": "2036-01-01",
        "provider": "Qanaryprovider", "method": "VIDEO_ID",
    });
    let target = format!("/users/{user}/checks");
    assert_eq!(client.request("POST", &target).json(&check).ask().await.status, 202);
}

/// Given an identifier, another and a wrong one, and asked what would be reported.
async fn identified(client: &Client, user: &str) {
    let list = format!("/users/{user}/identifiers");
    let body =
        |value: &str| json!({ "type": "PASSPORT", "issuing_country": "US", "identifier": value }).to_string();
    let send =
        async |method, target: &str, body: String| client.request(method, target).body(body).ask().await;
    let created = send("POST", &list, body("QN4RYPAS1")).await;
    assert_eq!(created.status, 200, "{created}");
    send("POST", &list, body("QN4RYPAS2")).await.problem(400, "invalid_request");
    send("POST", &list, body("QN4RY pass")).await.problem(400, "invalid_request");
    let one = format!("{list}/{}", created.json()["id"].as_str().unwrap());
    assert_eq!(send("PATCH", &one, r#"{"identifier":"QN4RYPAS3"}"#.to_owned()).await.status, 200);
    let report = client.get(&format!("/investord/users/{user}/reporting")).ask().await;
    let report = report.text();
    assert!(report.contains("QN4RYPAS3") && report.contains("DE19130729QANARQANAR"), "{report}");
    // A number of nobody, of which the sender is told what is wrong, and a letter of a name.
    let impossible = r#"{"type":"NATIONAL_ID","issuing_country":"PL","identifier":"13472947110"}"#;
    let answer = send("POST", &list, impossible.to_owned()).await;
    assert!(answer.text().contains("13472947110"), "{answer}");
    // A change of the same person, done by the worker, and the record of it.
    let changes = format!("users/{user}/data_change_requests");
    let change = r#"{"last_name":"Qanarymarried","data_download_link":"https://qanary.example/proof.zip"}"#;
    assert_eq!(send("POST", &format!("/{changes}"), change.to_owned()).await.status, 202);
    let record = client.get(&format!("/investord/{changes}")).ask().await;
    let record = record.text();
    assert!(record.contains("Qanarymarried") && record.contains("qanary.example"), "{record}");
    let person = body_of_dry_run();
    assert_eq!(send("POST", "/investord/reporting", person).await.status, 200);
}

fn body_of_dry_run() -> String {
    let body = body();
    let members = ["first_name", "last_name", "birth_date", "nationalities"];
    let members: serde_json::Map<String, Value> =
        members.iter().map(|name| ((*name).to_owned(), body[*name].clone())).collect();
    Value::Object(members).to_string()
}

/// Canaries in every place of requests that are refused.
async fn rejected(client: &Client) {
    let once = uuid();
    client.creation(body().to_string().as_bytes(), &once).ask().await;
    let mut other = body();
    other["birth_city"] = json!("Qanaryothercity");
    client.creation(other.to_string().as_bytes(), &once).ask().await.problem(422, "unprocessable_entity");

    let wrong = |member: &str, value: Value| {
        let mut wrong = body();
        wrong[member] = value;
        wrong.to_string()
    };
    for bad in [
        wrong("qanarymember", json!("Qanaryvalue")),
        wrong("email", json!("qanary without at")),
        wrong("gender", json!("QANARYGENDER")),
        wrong("birth_date", json!("1913-07-29 Qanary")),
        wrong("nationalities", json!(["Qanaryland"])),
        wrong("last_name", json!({ "Qanaryinner": 1 })),
        "{\"first_name\": \"Qanarybroken".to_owned(),
        "Qanary".to_owned(),
        format!("{{\"first_name\":\"{}\"}}", "Qanary".repeat(500)),
    ] {
        client.creation(bad.as_bytes(), &uuid()).ask().await.problem(400, "invalid_request");
    }
    for target in ["/users?email=qanarymail%40qanary.example", "/users?limit=Qanary", "/users/Qanaryid"] {
        assert!(client.get(target).ask().await.status < 500, "{target}");
    }
    assert_eq!(client.get("/qanary/Qanarypath?q=Qanary").ask().await.status, 404);

    // Signed for one body, sent with another; a signature, a token and header values made of canaries.
    let good = client.creation(body().to_string().as_bytes(), &uuid()).into_bytes();
    let text = String::from_utf8(good.clone()).unwrap();
    client
        .send(text.replace("Qanarybirthcity", "Qanarybirthciti").as_bytes())
        .await
        .problem(401, "unauthorised");
    let (head, rest) = text.split_once("signature: sig1=:").expect("the label of the client");
    let forged = format!("{head}signature: sig1=:UWFuYXJ5{}", &rest[8..]);
    client.send(forged.as_bytes()).await.problem(401, "unauthorised");
    let token = format!("Bearer {}", client.token);
    client.send(text.replace(&token, "Bearer Qanarytoken").as_bytes()).await.problem(401, "unauthorised");
    let headers = [
        ("user-agent", "Qanaryagent"),
        ("x-qanary", "Qanaryheader"),
        ("cookie", "name=Qanary"),
        ("idempotency-key", "Qanarykey"),
    ];
    let json = body().to_string();
    let request = client.request("POST", "/users").headers(&headers).body(json);
    request.ask().await.problem(400, "invalid_request");
    let mut guesser = Client { secret: "Qanarysecret".into(), ..client.clone() };
    guesser.token_request().ask().await.problem(401, "unauthorised");
    guesser.id = "Qanaryclient".into();
    guesser.token_request().ask().await.problem(400, "invalid_request");
    // No HTTP at all, and a body that breaks off.
    let mut raw = client.connect().await;
    raw.write(b"Qanary Qanarylast\r\nQanary: \x01\r\n\r\n").await.unwrap();
    let _ = raw.answer().await;
    let mut cut = client.connect().await;
    cut.write(&good[..good.len() - 30]).await.unwrap();
    drop(cut);
}

/// The same over HTTP/2, whose libraries have logs of their own.
async fn over_http2(client: &Client) {
    let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/users?email=qanarymail%40qanary.example", client.address());
    let request = http
        .post(url)
        .header("authorization", format!("Bearer {}", client.token))
        .header("upvest-client-id", &client.id)
        .header("x-qanary", "Qanaryheader")
        .body(body().to_string());
    let answer = request.send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 401));
}

/// What a start refuses is not repeated in clear either.
#[test]
fn secrets_in_a_configuration_that_is_refused_are_not_printed() {
    let home = Home::new("");
    let said = run(home.command(&["serve"]).env("INVESTORD_MASTER_KEY", "Qanarymasterkey"));
    assert!(!said.refusal().contains("Qanarymasterkey"));
    let text = std::fs::read_to_string(home.path("investord.toml")).unwrap();
    let text = text.replace("master_key_file = \"master.key\"", "master_key = \"Qanarymasterkey\"");
    home.write("investord.toml", &text);
    assert!(!run(&mut home.command(&["serve"])).refusal().contains("Qanarymasterkey"));
    for broken in [
        format!("{text}unknown = 1\n"),
        text.replace("\"Qanarymasterkey\"", "\"Qanarymasterkey"),
        text.replace("\"Qanarymasterkey\"", "Qanarymasterkey"),
        text.replace("\"Qanarymasterkey\"", "[\"Qanarymasterkey\"]"),
    ] {
        home.write("investord.toml", &broken);
        let refusal = run(&mut home.command(&["serve"])).refusal();
        assert!(refusal.contains("investord.toml") || refusal.contains("configuration"), "{refusal}");
        assert!(!refusal.contains("Qanarymasterkey"), "{refusal}");
    }
    assert!(!home.database().exists());
}

/// Not even the line with the mistake, when it is the secret's.
#[test]
fn secrets_in_a_tenants_file_that_is_refused_are_not_printed() {
    let home = Home::new("");
    let tenants = home.tenants("acme", "");
    let long = format!("secret = \"{}\"", "Qanary".repeat(200));
    for (known, bad) in [
        (format!("secret = \"{}\"", home.secret), long),
        (format!("secret = \"{}\"", home.secret), "secret = [\"Qanarysecret\"]".to_owned()),
        (format!("secret = \"{}\"", home.secret), "secret = \"Qanarysecret".to_owned()),
        (format!("secret = \"{}\"", home.secret), "secret = Qanarysecret".to_owned()),
        ("scopes = [".to_owned(), "secret_file = \"x\"\nscopes = [".to_owned()),
        ("scopes = [".to_owned(), "unknown = 1\nscopes = [".to_owned()),
    ] {
        home.write("tenants.toml", &tenants.replace(&known, &bad));
        let refusal = run(&mut home.command(&["serve"])).refusal();
        assert!(!refusal.contains("Qanary") && !refusal.contains(&home.secret), "{refusal}");
    }
}

/// The development server says more to the caller, and as little to its log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_talkative_development_server_logs_no_person() {
    let home = Home::new("");
    let mut command = home.bare(&["dev", "--verbose", "--data", "data", "--listen", "127.0.0.1:0"]);
    command.args(["--tenants", "tenants.toml"]);
    if let Register::Server(url) = home.register() {
        command.args(["--database", &url]);
    }
    let server = Server::start(command, &home.path("server"), Ready::Answers);
    let client = home.caller(&server).await;
    exercise(&client).await;
    rejected(&client).await;
    server.stop();
    let log = home.log();
    assert!(log.contains("/users/{user_id}"));
    for word in ["Qanary", "qanary", "QN4RY", "1913-07-29", &client.token, &client.secret] {
        assert!(!log.contains(word), "{word}");
    }
}
