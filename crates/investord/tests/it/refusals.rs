//! Every way to break a request body, one at a time.

use std::fmt::Write as _;

use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::once_key;

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
                "", "2026-11-23", "2027-01-01", "9999-12-31", "1899-12-31", "0001-01-01", "2023-02-29",
                "1900-02-29", "2021-04-31", "2021-13-01", "2021-00-10", "2021-01-00", "1972-9-30",
                "72-09-30", "19720930", "30.09.1972", "1972-09-30T00:00:00Z", "1972-09-30 ", "+1972-09-30",
                "-1972-09-30", "1972-W39-6", "1972-274", "１９７２-09-30", "never",
            ]),
            DateOrEmpty => all(&[
                " ", "2023-02-29", "2021-13-01", "2021-1-1", "20210101", "2021-01-01T00:00:00Z",
                "2021-01-32", "never",
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
                "65150872J00", "65150872J0033", "65150872j003", "65000872J003", "65320872J003",
                "65150072J003", "65151372J003", "6515087J2003", " ", "65150872Ä003",
            ]),
            Email => {
                let long = format!("{}@example.com", "a".repeat(89));
                all(&[
                    "", "miller", "miller@", "@example.com", "a b@example.com", "a@b@example.com",
                    "a@exa mple.com", &long,
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
        "address": { "postcode": "!", "city": "", "country": "de", "planet": "Earth" },
        "email": "x", "status": "ACTIVE",
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
