//! Every way to break a request body, one at a time, and what nobody should send at all.

use std::fmt::Write as _;

use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::{Client, once_key};
use testing::signing::digest_of;

/// What the reference says of a field ("Users", field table).
#[derive(Clone, Copy)]
enum Rule {
    Text(usize, usize),
    OneOf(&'static [&'static str]),
    Country,
    BirthDate,
    DateOrEmpty,
    Postcode,
    Phone,
    Ssn,
    Email,
    Uuid,
    Bool,
    Instant,
    Countries,
    Tags,
    Object(&'static [(&'static str, Rule, Need)]),
    ObjectOrNull(&'static [(&'static str, Rule, Need)]),
}

#[derive(Clone, Copy, PartialEq)]
enum Need {
    Must,
    MustTol,
    May,
}

use Need::{May, Must, MustTol};
use Rule::{
    BirthDate, Bool, Countries, Country, DateOrEmpty, Email, Instant, Object, ObjectOrNull, OneOf, Phone,
    Postcode, Ssn, Tags, Text, Uuid,
};

const ADDRESS: &[(&str, Rule, Need)] = &[
    ("address_line1", Text(0, 100), Must),
    ("address_line2", Text(0, 100), May),
    ("postcode", Postcode, Must),
    ("city", Text(1, 85), Must),
    ("state", Text(0, 50), May),
    ("country", Country, Must),
];
const CONSENT: &[(&str, Rule, Need)] =
    &[("consent_document_id", Uuid, Must), ("confirmed_at", Instant, Must)];
const FIELDS: &[(&str, Rule, Need)] = &[
    ("first_name", Text(2, 100), Must),
    ("last_name", Text(2, 100), Must),
    (
        "salutation",
        OneOf(&[
            "",
            "SALUTATION_MALE",
            "SALUTATION_FEMALE",
            "SALUTATION_FEMALE_MARRIED",
            "SALUTATION_DIVERSE",
        ]),
        May,
    ),
    ("title", OneOf(&["", "DR", "PROF", "PROF_DR", "DIPL_ING", "MAGISTER"]), May),
    ("gender", OneOf(&["", "MALE", "FEMALE", "DIVERSE"]), May),
    ("birth_date", BirthDate, Must),
    ("birth_city", Text(1, 85), MustTol),
    ("birth_country", Country, MustTol),
    ("birth_name", Text(0, 100), May),
    ("nationalities", Countries, Must),
    ("address", Object(ADDRESS), Must),
    ("postal_address", ObjectOrNull(ADDRESS), May),
    ("email", Email, MustTol),
    ("phone_number", Phone, May),
    ("fatca", Object(&[("status", Bool, Must), ("confirmed_at", Instant, Must)]), MustTol),
    ("terms_and_conditions", Object(CONSENT), MustTol),
    ("data_privacy_and_sharing_agreement", Object(CONSENT), MustTol),
    ("social_security_number", Ssn, May),
    ("branch_id", Uuid, May),
    ("tags", Tags, May),
    ("decease_date", DateOrEmpty, May),
];

fn of(letter: &str, times: usize) -> Value {
    json!(letter.repeat(times))
}

fn all(values: &[&str]) -> Vec<Value> {
    values.iter().map(|value| json!(value)).collect()
}

impl Rule {
    /// Values of the right type that the rule does not allow.
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn bad(self) -> Vec<Value> {
        match self {
            Text(min, max) => {
                let mut bad = vec![of("x", max + 1), of("ä", max + 1), of("🙂", max + 1)];
                if min > 0 {
                    bad.push(of("🙂", min - 1));
                    bad.push(of("é", min - 1));
                    // Blanks and what cannot be seen are no text (decision U11).
                    bad.extend(
                        [" ", "\u{a0}", "\u{3000}", "\u{200b}", "\u{202e}", "\u{ad}", "\u{feff}"]
                            .map(|c| of(c, max)),
                    );
                    bad.push(json!(format!("\u{200e} {}\u{a0}", "x".repeat(min - 1))));
                }
                bad
            }
            OneOf(values) => {
                let word = values.last().unwrap();
                let lower = word.to_lowercase();
                all(&["OTHER", " ", &lower, &format!("{word} "), &format!("{word}\u{0}")])
            }
            Country => {
                all(&["", "D", "DEU", "de", "De", "ZZ", "QQ", "UK", "EL", " DE", "DE ", "D1", "ДЕ", "276"])
            }
            BirthDate => all(&[
                "",
                "2026-11-23",
                "2027-01-01",
                "9999-12-31",
                "1899-12-31",
                "0001-01-01",
                "2023-02-29",
                "1900-02-29",
                "2021-04-31",
                "2021-13-01",
                "2021-00-10",
                "2021-01-00",
                "1972-9-30",
                "72-09-30",
                "19720930",
                "30.09.1972",
                "1972-09-30T00:00:00Z",
                "1972-09-30 ",
                "+1972-09-30",
                "-1972-09-30",
                "1972-W39-6",
                "1972-274",
                "１９７２-09-30",
                "never",
            ]),
            DateOrEmpty => all(&[
                " ",
                "2023-02-29",
                "2021-13-01",
                "2021-1-1",
                "20210101",
                "2021-01-01T00:00:00Z",
                "2021-01-32",
                "never",
            ]),
            Postcode => all(&["", "12345678901", "4567_8", "4567ä", "45.678", "45/678"]),
            Phone => all(&[
                "1234567",
                "1234567890123456",
                "+4930123456",
                "030 123456",
                "030-123456",
                "0301234a",
                " ",
                "１２３４５６７８",
            ]),
            Ssn => all(&[
                "65150872J00",
                "65150872J0033",
                "65150872j003",
                "65000872J003",
                "65320872J003",
                "65150072J003",
                "65151372J003",
                "6515087J2003",
                " ",
                "65150872Ä003",
            ]),
            Email => {
                let long = format!("{}@example.com", "a".repeat(89));
                all(&[
                    "",
                    "miller",
                    "miller@",
                    "@example.com",
                    "a b@example.com",
                    "a@b@example.com",
                    "a@exa mple.com",
                    &long,
                ])
            }
            Uuid => all(&[
                "",
                "abc",
                "b4a3b0c0-9d57-4a0b-b5b5-1d2f0c9f4e7",
                "b4a3b0c0-9d57-4a0b-b5b5-1d2f0c9f4e777",
                "g4a3b0c0-9d57-4a0b-b5b5-1d2f0c9f4e77",
                "{b4a3b0c0-9d57-4a0b-b5b5-1d2f0c9f4e77}",
                "urn:uuid:b4a3b0c0-9d57-4a0b-b5b5-1d2f0c9f4e77",
            ]),
            Instant => all(&[
                "",
                "2023-07-28",
                "2023-07-28T10:09:00",
                "2023-07-28T10:09Z",
                "2023-07-28T25:09:00Z",
                "2023-02-29T10:09:00Z",
                "2023-07-28T10:60:00Z",
                "2023-07-28T10:09:00+0200",
                "2023-07-28T10:09:00.Z",
                "2023-07-28T10:09:00Z[Europe/Berlin]",
                "20230728T100900Z",
                "2023-07-28T10:09:00,5Z",
                "1690538940",
                "Fri, 28 Jul 2023 10:09:00 GMT",
                "2023-07-28T10:09:00+25:00",
                " 2023-07-28T10:09:00Z",
            ]),
            Countries => vec![json!([]), json!([["DE"]]), json!([{}]), json!(vec!["DE"; 251])],
            Tags => {
                vec![json!(["OTHER"]), json!([""]), json!(["CLIENT_EMPLOYEE", "CLIENT_EMPLOYEE"]), json!([1])]
            }
            Bool => all(&["true", "false", ""]),
            Object(_) | ObjectOrNull(_) => Vec::new(),
        }
    }

    /// Values at the edge of what the rule allows.
    fn good(self) -> Vec<Value> {
        match self {
            Text(min, max) => {
                let blank = json!(format!(" \u{200b}{}\u{a0}", "x".repeat(min)));
                vec![of("x", min), of("🙂", min), of("ä", max), of("🙂", max), of("字", max), blank]
            }
            OneOf(values) => all(values),
            Country => all(&["DE", "XK", "AX", "PS", "TW", "UM", "BQ"]),
            BirthDate => all(&["1900-01-01", "2026-11-21", "2000-02-29", "2024-02-29"]),
            DateOrEmpty => all(&["", "2024-02-29", "2026-01-01"]),
            Postcode => all(&["1", "1234567890", "SW1A 1AA", "12-345", "a", " "]),
            Phone => all(&["", "12345678", "123456789012345"]),
            Ssn => all(&["", "65150872J003", "65010172A000", "65311299Z999"]),
            Email => vec![
                json!("a@b.de"),
                json!("a.b+c@example.com"),
                json!(format!("{}@example.com", "a".repeat(60))),
            ],
            Uuid => all(&["b4a3b0c0-9d57-4a0b-b5b5-1d2f0c9f4e77", "00000000-0000-0000-0000-000000000000"]),
            Instant => all(&[
                "2023-07-28T10:09:00Z",
                "2023-07-28T10:09:00.123456789+14:00",
                "1970-01-01T00:00:00-23:59",
            ]),
            Countries => vec![json!(["XK"]), json!(["DE", "DE"]), json!(vec!["DE"; 250])],
            Tags => vec![json!([]), json!(["CLIENT_EMPLOYEE"])],
            Bool => vec![json!(true), json!(false)],
            Object(_) => vec![],
            ObjectOrNull(_) => vec![Value::Null],
        }
    }

    fn is_text(self) -> bool {
        !matches!(self, Bool | Countries | Tags | Object(_) | ObjectOrNull(_))
    }

    /// Values of types that the rule does not know.
    fn of_other_types(self) -> Vec<Value> {
        let every = [json!(null), json!(true), json!(0), json!(1.5), json!("text"), json!([]), json!({})];
        let known = |value: &Value| match self {
            Bool => value.is_boolean(),
            Countries | Tags => value.is_array(),
            Object(_) => value.is_object(),
            ObjectOrNull(_) => value.is_object() || value.is_null(),
            _ => value.is_string(),
        };
        every.into_iter().filter(|value| !known(value)).collect()
    }
}

/// A body that breaks one rule, as text, and the path that the answer must name.
struct Broken {
    path: String,
    body: String,
    why: String,
}

/// All the ways to break one field. `parent` is the path of the object that holds it.
fn broken(parent: &[&str], (name, rule, need): (&str, Rule, Need), tol: bool, out: &mut Vec<Broken>) {
    let path = parent.iter().chain([&name]).copied().collect::<Vec<_>>().join(".");
    let mut put = |value: Option<Value>, why: &str| {
        let mut body = bodies::everything();
        let object = parent.iter().fold(&mut body, |object, name| &mut object[*name]);
        match &value {
            Some(value) => object[name] = value.clone(),
            None => _ = object.as_object_mut().unwrap().remove(name),
        }
        let shown = value.map_or_else(String::new, |value| value.to_string().chars().take(60).collect());
        out.push(Broken { path: path.clone(), body: body.to_string(), why: format!("{why} {shown}") });
    };
    if need == Must || (need == MustTol && tol) {
        put(None, "missing");
    }
    rule.of_other_types().into_iter().for_each(|value| put(Some(value), "type"));
    rule.bad().into_iter().for_each(|value| put(Some(value), "value"));
    if rule.is_text() {
        let good = rule.good().into_iter().rfind(|value| value.as_str().is_some_and(|text| text.len() > 1));
        let good = good.unwrap();
        let good = good.as_str().unwrap();
        let short = good.chars().take(20).collect::<String>();
        for control in ["\u{0}", "\n", "\t", "\r", "\u{7f}", "\u{85}", "\u{1b}[0m"] {
            put(Some(json!(format!("{short}{control}"))), "control character");
            put(Some(json!(format!("{control}{short}"))), "control character");
        }
    }
    let nested = match rule {
        Object(fields) | ObjectOrNull(fields) => fields,
        _ => &[],
    };
    let inside: Vec<&str> = parent.iter().copied().chain([name]).collect();
    for field in nested {
        broken(&inside, *field, tol, out);
    }
    twice(parent, name, out);
}

/// The same member a second time in the same object, first and last, with the same and another value.
fn twice(parent: &[&str], name: &str, out: &mut Vec<Broken>) {
    let body = bodies::everything();
    let object = parent.iter().fold(&body, |object, name| &object[*name]);
    let path = parent.iter().chain([&name]).copied().collect::<Vec<_>>().join(".");
    for value in [object[name].clone(), Value::Null] {
        let before = object.to_string();
        let after = format!("{},\"{name}\":{value}}}", &before[..before.len() - 1]);
        let text = body.to_string();
        let doubled = if parent.is_empty() {
            after
        } else {
            let member = format!("\"{}\":", parent[parent.len() - 1]);
            let at = text.find(&format!("{member}{before}")).unwrap() + member.len();
            format!("{}{after}{}", &text[..at], &text[at + before.len()..])
        };
        out.push(Broken { path: path.clone(), body: doubled, why: format!("twice, then {value}") });
    }
}

async fn every_breakage_is_refused(app: &TestApp, tol: bool) {
    let mut all = Vec::new();
    for field in FIELDS {
        broken(&[], *field, tol, &mut all);
    }
    for unknown in ["surprise", "id", "status", "created_at", "updated_at", "FIRST_NAME", "first_name "] {
        let mut body = bodies::everything();
        body[unknown] = json!("x");
        all.push(Broken { path: unknown.into(), body: body.to_string(), why: "unknown member".into() });
    }
    for (list, item) in [("de", 0), ("ZZ", 0), ("D", 1), ("", 1), ("DE\n", 2)] {
        let mut nationalities = vec![json!("DE"); item + 1];
        nationalities[item] = json!(list);
        let mut body = bodies::everything();
        body["nationalities"] = json!(nationalities);
        all.push(Broken { path: format!("nationalities[{item}]"), body: body.to_string(), why: list.into() });
    }
    assert!(all.len() > 700, "{} ways", all.len());
    let (key, before) = (once_key(), app.rows());
    let mut wrong = String::new();
    for Broken { path, body, why } in &all {
        let answer =
            app.client().post("/users").header("idempotency-key", &key).json(&json!(0)).bytes(body.as_str());
        let answer = answer.send().await;
        let fits = answer.status == 400
            && answer.faults().iter().all(|field| {
                field == path || field.starts_with(&format!("{path}[")) || parent_of(path, field)
            });
        if !fits {
            let _ = writeln!(wrong, "{path} ({why}): {} {}", answer.status, answer.text());
        }
    }
    let after = app.rows();
    let stored = (after.users, after.events, after.replies);
    if wrong.is_empty() {
        assert_eq!(stored, (before.users, before.events, before.replies), "nothing has been stored");
        let good = app.client().create(&bodies::everything()).header("idempotency-key", &key).send().await;
        assert_eq!(good.status, 200, "the key is still free: {}", good.text());
    }
    assert!(wrong.is_empty(), "of {} ways:\n{wrong}", all.len());
}

/// An object that has become something else is named itself, or by what it now lacks.
fn parent_of(path: &str, field: &str) -> bool {
    field.starts_with(&format!("{path}."))
}

#[tokio::test]
async fn every_way_to_break_a_byol_body_is_refused_by_name_and_leaves_nothing() {
    every_breakage_is_refused(&TestApp::start().await, false).await;
}

#[tokio::test]
async fn every_way_to_break_a_tol_body_is_refused_by_name_and_leaves_nothing() {
    every_breakage_is_refused(&TestApp::tol().await, true).await;
}

/// All values at the edge of what the rules allow, field by field.
fn edges(parent: &[&str], (name, rule, need): (&str, Rule, Need), tol: bool, out: &mut Vec<(String, Value)>) {
    let path = parent.iter().chain([&name]).copied().collect::<Vec<_>>().join(".");
    let absent = (need == May || (need == MustTol && !tol)).then_some(None);
    for value in rule.good().into_iter().map(Some).chain(absent) {
        let mut body = bodies::everything();
        let object = parent.iter().fold(&mut body, |object, name| &mut object[*name]);
        match &value {
            Some(value) => object[name] = value.clone(),
            None => _ = object.as_object_mut().unwrap().remove(name),
        }
        out.push((format!("{path} = {value:?}"), body));
    }
    if let Object(fields) | ObjectOrNull(fields) = rule {
        let inside: Vec<&str> = parent.iter().copied().chain([name]).collect();
        for field in fields {
            edges(&inside, *field, tol, out);
        }
    }
}

#[tokio::test]
async fn values_at_the_edge_of_every_rule_are_accepted() {
    for (app, tol) in [(TestApp::start().await, false), (TestApp::tol().await, true)] {
        let mut all = Vec::new();
        for field in FIELDS {
            edges(&[], *field, tol, &mut all);
        }
        let mut wrong = String::new();
        for (what, body) in &all {
            let answer = app.client().create(body).send().await;
            if answer.status != 200 {
                let _ = writeln!(wrong, "{what}: {}", answer.text());
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
        assert_eq!(app.rows().users, i64::try_from(all.len()).unwrap());
    }
}

#[tokio::test]
async fn several_faults_are_all_listed() {
    let app = TestApp::tol().await;
    let body = json!({
        "first_name": "K", "salutation": "HERR", "birth_date": "2023-02-29", "nationalities": ["DE", "ZZ", "xx"],
        "address": { "postcode": "!", "city": "", "country": "de", "planet": "Earth" }, "email": "x", "status": "ACTIVE",
        "fatca": { "status": "no" }, "terms_and_conditions": null,
    });
    let mut faults = app.client().create(&body).send().await.faults();
    faults.sort();
    assert_eq!(
        faults,
        [
            "address.address_line1",
            "address.city",
            "address.country",
            "address.postcode",
            "birth_city",
            "birth_country",
            "birth_date",
            "data_privacy_and_sharing_agreement",
            "email",
            "fatca.confirmed_at",
            "fatca.status",
            "first_name",
            "last_name",
            "nationalities[1]",
            "nationalities[2]",
            "salutation",
            "status",
            "terms_and_conditions",
        ]
    );
    let missing = app.client().create(&json!({})).send().await;
    assert!(missing.text().contains("field 'first_name' was not filled"), "{}", missing.text());
    assert_eq!(app.rows().users, 0);
}

#[tokio::test]
async fn a_fault_message_does_not_repeat_what_was_sent() {
    let app = TestApp::start().await;
    for name in ["first_name", "birth_date", "birth_country", "email", "phone_number", "branch_id", "gender"]
    {
        let answer = app.client().create(&bodies::with(name, json!("Kanarie\u{1}"))).send().await;
        assert_eq!(answer.faults(), [name]);
        assert!(!answer.text().contains("Kanarie"), "{}", answer.text());
    }
}

#[tokio::test]
async fn unknown_members_are_dropped_for_a_tenant_that_wants_it() {
    let app = TestApp::with(|options| options.settings.push(("unknown_members", json!("ignore")))).await;
    let mut body = bodies::smallest();
    let plain = app.client().created(&body).await;
    for (name, value) in
        [("surprise", json!({ "a": [1] })), ("id", json!("x")), ("status", json!("OFFBOARDED"))]
    {
        body[name] = value;
    }
    let user = app.client().created(&body).await;
    let names = |user: &Value| user.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&user), names(&plain));
    assert_eq!((&user["status"], &user["address"]), (&plain["status"], &plain["address"]));
    body["first_name"] = json!("K");
    assert_eq!(
        app.client().create(&body).send().await.faults(),
        ["first_name"],
        "known members keep their rules"
    );
    app.set("unknown_members", "refuse").await;
    app.client().create(&body).send().await.refused("invalid_request");
}

/// The vendor's schema of nested objects is open: what stands in them is answered as it was sent, by both settings.
#[tokio::test]
async fn unknown_members_of_nested_objects_are_kept() {
    let app = TestApp::start().await;
    let further = json!({ "planet": "Earth", "Postcode": [1, 2.5, null], "id": { "a": "\u{0}" } });
    for setting in ["refuse", "ignore"] {
        app.set("unknown_members", setting).await;
        for member in ["address", "postal_address", "fatca", "terms_and_conditions"] {
            let mut body = bodies::everything();
            body[member].as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
            let user = app.client().created(&body).await;
            let target = format!("/users/{}", user["id"].as_str().unwrap());
            let read = app.client().get(&target).send().await.ok();
            for (name, value) in further.as_object().unwrap() {
                assert_eq!((&user[member][name], &read[member][name]), (value, value), "{member}.{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_as_a_whole() {
    let app = TestApp::start().await;
    let good = bodies::smallest().to_string();
    let name = |value: &str| good.replace("\"Peter\"", value);
    let mut texts: Vec<Vec<u8>> = [
        String::new(),
        "{".into(),
        "{}}".into(),
        format!("{good} {good}"),
        format!("{good},"),
        name("'Peter'"),
        name("Peter"),
        name("\"Pe\nter\""),
        name("\"Pe\\xter\""),
        name("NaN"),
        name("01"),
        name("1."),
        name("\"Peter\","),
        "null".into(),
        "[]".into(),
        "\"text\"".into(),
        "1".into(),
        "true".into(),
        format!("[{good}]"),
        name("1e400"),
        name("\"\\ud800\""),
        name("\"\\udc00x\""),
        name("\"\\ud800\\u0041\""),
        format!("\u{feff}\u{feff}{good}"),
        "\u{feff}".into(),
        format!("// comment\n{good}"),
        "[".repeat(100_000),
        "{\"a\":".repeat(50_000),
        format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)),
    ]
    .map(String::into_bytes)
    .into();
    texts.push(name("\"Pe\u{0}ter\"").into_bytes());
    texts.push(
        good.replace("Peter", "@").bytes().map(|byte| if byte == b'@' { 0xff } else { byte }).collect(),
    );
    texts.push(
        good.replace("Peter", "@@").bytes().map(|byte| if byte == b'@' { 0xc0 } else { byte }).collect(),
    );
    for mark in ["", "\u{feff}"] {
        let units: Vec<u16> = format!("{mark}{good}").encode_utf16().collect();
        texts.push(units.iter().copied().flat_map(u16::to_le_bytes).collect());
        texts.push(units.iter().copied().flat_map(u16::to_be_bytes).collect());
        texts.push(
            format!("{mark}{good}").chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect(),
        );
    }
    for text in texts {
        let shown = String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned();
        let answer = app
            .client()
            .post("/users")
            .header("content-type", "application/json")
            .bytes(text.clone())
            .send()
            .await;
        assert_eq!(answer.faults(), ["(root)"], "{shown}: {}", answer.text());
        let wide = text.iter().take(4).any(|&byte| byte == 0) || text.starts_with(b"\xff\xfe");
        assert_eq!(answer.text().contains("UTF-16 or UTF-32"), wide, "{shown}: {}", answer.text());
    }
    assert_eq!(app.rows().users, 0);
    app.client().created(&bodies::smallest()).await;
}

#[tokio::test]
async fn a_byte_order_mark_is_signed_and_ignored() {
    let app = TestApp::start().await;
    let (good, key) = (bodies::smallest().to_string(), once_key());
    let send = |text: &str| {
        let request = app.client().post("/users").header("idempotency-key", &key);
        request.header("content-type", "application/json").bytes(text)
    };
    let marked = format!("\u{feff}{good}");
    let (name, of_the_rest) = digest_of(true, good.as_bytes());
    send(&marked).digest(&name, &of_the_rest).send().await.refused("unauthorised");
    let first = send(&marked).send().await;
    assert_eq!(first.ok()["first_name"], bodies::smallest()["first_name"]);
    assert_eq!(send(&marked).send().await.text(), first.text());
    // Other bytes are another request.
    send(&good).send().await.refused("unprocessable_entity");
    // Also where the whole body is a string.
    let endpoint = app.client().post("/events-acceptor-service/endpoints");
    let endpoint = endpoint.header("content-type", "application/json").bytes("\u{feff}\"\"").send().await;
    assert_eq!(endpoint.status, 201, "{}", endpoint.text());
    // A form has none.
    let form = format!(
        "\u{feff}client_id={}&client_secret=x&grant_type=client_credentials&scope=x",
        app.client().id
    );
    assert_eq!(app.client().token_form(&form).send().await.status, 400);
}

#[tokio::test]
async fn the_content_type_must_be_json() {
    let app = TestApp::start().await;
    for (content_type, good) in [
        ("application/json", true),
        ("application/json; charset=utf-8", true),
        ("Application/JSON;charset=UTF-8", true),
        ("APPLICATION/JSON ; Charset = \"utf-8\"", true),
        ("application/json; charset=utf8; profile=\"a;charset=latin1\"", true),
        ("application/json;", true),
        ("application/json; charset=iso-8859-1", false),
        ("application/json; charset=\"UTF-16\"", false),
        ("application/json; charset=", false),
        ("application/json; charset=utf-8; charset=windows-1252", false),
        ("application/json, text/plain", false),
        ("text/plain", false),
        ("application/problem+json", false),
        ("application/x-www-form-urlencoded", false),
        ("application/jsonx", false),
        ("json", false),
        ("", false),
        ("*/*", false),
    ] {
        let answer =
            app.client().create(&bodies::smallest()).header("content-type", content_type).send().await;
        if good {
            answer.ok();
        } else {
            assert_eq!(answer.faults(), ["content-type"], "{content_type}");
        }
    }
    let answer = app.client().create(&bodies::smallest()).without("content-type").send().await;
    assert_eq!(answer.faults(), ["content-type"]);
}

/// A valid body padded to this length.
fn of_length(length: usize) -> String {
    let body = bodies::smallest().to_string();
    format!("{}{}}}", &body[..body.len() - 1], " ".repeat(length - body.len()))
}

#[tokio::test]
async fn a_body_may_have_one_mebibyte_and_not_a_byte_more() {
    const MOST: usize = 1024 * 1024;
    let app = TestApp::start().await;
    let send = |length| {
        app.client().post("/users").header("content-type", "application/json").bytes(of_length(length))
    };
    send(MOST).send().await.ok();
    for announced in [true, false] {
        let mut request = send(MOST + 1).sign();
        if !announced {
            request = request.without("content-length");
        }
        if let Some(answer) = request.send_alone(false).await {
            assert!(answer.status < 500, "{answer:?}");
            assert_eq!(answer.status / 100, 4, "{answer:?}");
        }
    }
    assert_eq!(app.rows().users, 1);
    app.client().created(&bodies::smallest()).await;
}

#[tokio::test]
async fn a_wide_body_is_refused() {
    let app = TestApp::start().await;
    // A million entries in the least number of bytes, and as many as fit with a country each.
    for list in [format!("[{}1]", "1,".repeat(500_000)), format!("[{}\"DE\"]", "\"DE\",".repeat(150_000))] {
        let body = bodies::smallest().to_string().replace("[\"DE\"]", &list);
        let sent = app.client().post("/users").header("content-type", "application/json").bytes(body).sign();
        if let Some(answer) = sent.send_alone(false).await {
            assert_eq!(answer.sound("POST").status, 400);
        }
    }
    let million = format!("{{\"nationalities\":[{}1]}}", "1,".repeat(1_000_000));
    let sent = app.client().post("/users").header("content-type", "application/json").bytes(million).sign();
    if let Some(answer) = sent.send_alone(false).await {
        assert_eq!(answer.sound("POST").status, 400);
    }
    assert_eq!(app.rows().users, 0);
    app.client().created(&bodies::smallest()).await;
}

#[tokio::test]
async fn a_chunked_body_is_as_good_as_any_if_it_is_signed() {
    let app = TestApp::start().await;
    let covered = ["@method", "@path", "authorization", "content-digest"];
    let sent = app.client().create(&bodies::smallest()).covering(&covered).sign().without("content-length");
    sent.send().await.ok();
    // Without digest a chunked body is a body all the same.
    let sent = app.client().create(&bodies::smallest()).digest("", "").covering(&covered[..3]).sign();
    sent.without("content-length").send().await.refused("unauthorised");
    assert_eq!(app.rows().users, 1);
}

#[tokio::test]
async fn a_content_length_that_lies_is_refused() {
    let app = TestApp::start().await;
    let length = bodies::smallest().to_string().len();
    for lie in [0, 1, length - 1, length + 1, length + 100] {
        let sent = app.client().create(&bodies::smallest()).sign().set("content-length", &lie.to_string());
        if let Some(answer) = sent.send_alone(true).await {
            assert_eq!(answer.status / 100, 4, "{lie}: {answer:?}");
        }
        // Signed as it lies.
        let sent = app.client().create(&bodies::smallest()).header("content-length", &lie.to_string()).sign();
        if let Some(answer) = sent.send_alone(true).await {
            assert_eq!(answer.status / 100, 4, "{lie}: {answer:?}");
        }
    }
    for lie in ["-1", "abc", "1e3", "18446744073709551616", "1, 2", ""] {
        let sent = app.client().create(&bodies::smallest()).sign().set("content-length", lie);
        if let Some(answer) = sent.send_alone(true).await {
            assert_eq!(answer.status / 100, 4, "{lie}: {answer:?}");
        }
    }
    let both = app.client().create(&bodies::smallest()).sign().add("transfer-encoding", "chunked");
    if let Some(answer) = both.send_alone(true).await {
        assert_eq!(answer.status / 100, 4, "{answer:?}");
    }
    assert_eq!(app.rows().users, 0);
    app.client().created(&bodies::smallest()).await;
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let app = TestApp::start().await;
    let request = |client: &Client| client.get("/users").sign();
    let mut many = request(app.client());
    for at in 0..100 {
        many = many.add(&format!("x-{at}"), "y");
    }
    let mut flood = request(app.client());
    for at in 0..10_000 {
        flood = flood.add(&format!("x-{at}"), "y");
    }
    let wide = request(app.client()).add("x-wide", &"y".repeat(40_000));
    let huge = request(app.client()).add("x-huge", &"y".repeat(65_536));
    let giant = request(app.client()).add("x-giant", &"y".repeat(4_000_000));
    for sent in [many, flood, wide, huge, giant] {
        if let Some(answer) = sent.send_alone(false).await {
            assert_eq!(answer.status / 100, 4, "{answer:?}");
        }
        request(app.client()).send().await.ok();
    }
    let mut some = request(app.client());
    for at in 0..40 {
        some = some.add(&format!("x-{at}"), &"y".repeat(100));
    }
    some.send().await.ok();
}

#[tokio::test]
async fn what_is_not_http_gets_a_refusal_or_nothing_and_the_server_goes_on() {
    let app = TestApp::start().await;
    let signed = app.client().get("/users").sign();
    let text = String::from_utf8(signed.wire_bytes()).unwrap();
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    let texts: Vec<Vec<u8>> = vec![
        b"\r\n\r\nx\r\n\r\n".to_vec(),
        b"hello\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET http:// HTTP/1.1\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        vec![0; 100_000],
        vec![0xff; 100_000],
        long.into_bytes(),
        text.replace("accept:", "accept :").into_bytes(),
        text.replace("accept:", "acc ept:").into_bytes(),
        text.replace("accept:", "\u{0}accept:").into_bytes(),
        text.replace("application/json", "application/\u{0}json").into_bytes(),
        text.replace("application/json", "application/\rjson").into_bytes(),
        text.replace("GET /users", "GET /us ers").into_bytes(),
        text.replace("GET /users", "GET users").into_bytes(),
        text.replace("GET /users", "G\u{e4}T /users").into_bytes(),
        text.replace("GET /users", "get /users").into_bytes(),
        text.replace("GET /users", "CONNECT /users").into_bytes(),
        text.replace("GET /users", "TRACE /users").into_bytes(),
        text.replace("GET /users", "BREW /users").into_bytes(),
        text.replace("GET /users", "GET *").into_bytes(),
        text.replace("GET /users", "GET /users/%").into_bytes(),
        text.replace("GET /users", "GET /users/%00").into_bytes(),
        text.replace("GET /users", "GET /users/%ff%fe").into_bytes(),
        text.replace("GET /users", "GET /users/../users").into_bytes(),
        text.replace("GET /users", "GET /users/\u{e4}").into_bytes(),
    ];
    assert!(app.wire().raw(&text.as_bytes()[..text.len() - 2], true).await.is_none(), "a head without end");
    for bytes in texts {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        if let Some(answer) = app.wire().raw(&bytes, false).await {
            assert_eq!(answer.status / 100, 4, "{shown:?}: {answer:?}");
        }
        assert_eq!(app.plain("GET", "/healthz").await.status, 200, "after {shown:?}");
    }
    signed.send().await.ok();
}

#[tokio::test]
async fn odd_bytes_in_headers_are_refused() {
    let app = TestApp::start().await;
    for (name, value) in [
        ("authorization", "Bearer \u{e4}\u{f6}"),
        ("upvest-client-id", "\u{e4}"),
        ("upvest-client-id", ""),
        ("upvest-client-id", "'; DROP TABLE users; --"),
        ("accept", "\u{e4}"),
        ("upvest-api-version", "\u{661}"),
        ("idempotency-key", "\u{e4}"),
        ("signature-input", "sig1=(\"\u{e4}\")"),
        ("signature", "\u{e4}"),
        ("signature-input", ""),
        ("signature", ""),
    ] {
        let sent = app.client().create(&bodies::smallest()).sign().set(name, value);
        assert_eq!(sent.send().await.status / 100, 4, "{name}: {value}");
    }
    assert_eq!(app.rows().users, 0);
}
