//! The reporting answer: what would be reported, and why.

use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;

fn path(user: &Value) -> String {
    format!("/investord/users/{}/reporting", user["id"].as_str().unwrap())
}

async fn report(client: &Client, user: &Value) -> Value {
    client.get(&path(user)).send().await.ok()
}

async fn dry_run(client: &Client, body: &Value) -> Value {
    client.request("POST", "/investord/reporting").json(body).send().await.ok()
}

fn texts(report: &Value) -> Vec<&str> {
    report["reasons"].as_array().unwrap().iter().map(|reason| reason["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_concat_is_shown_with_its_chain_of_reasons() {
    let app = TestApp::start().await;
    let mut body = bodies::with("nationalities", json!(["PL", "DE"]));
    (body["first_name"], body["last_name"]) = (json!("Günter Maria"), json!("von der Heide"));
    let user = app.client().created(&body).await;
    let report = report(app.client(), &user).await;
    assert_eq!((&report["outcome"], &report["regime"]), (&json!("READY"), &json!("EU")));
    assert_eq!(report["as_of"], "2026-11-21", "the clock of the server");
    assert_eq!(report["rules"], json!({ "version": mifir::RULES_VERSION, "digest": mifir::RULES_DIGEST }));
    assert_eq!(
        report["designation"],
        json!({
            "country": "DE", "priority": 1, "identifier_standard": "CONCAT", "scheme": "CONCAT", "name": "",
            "identifier": "DE19891109GUNTEHEIDE",
        })
    );
    assert_eq!((&report["missing"], &report["review"]), (&Value::Null, &Value::Null));
    assert_eq!(
        texts(&report),
        [
            "several nationalities, the EEA's first, then alphabetical: DE before PL",
            "DE: CONCAT is the only identifier",
            "CONCAT: only the first of the first names counts, not Maria",
            "CONCAT: ü becomes U",
            "CONCAT: the prefix von der is dropped",
        ]
    );
    assert_eq!(report["identifiers"][0]["reported"], "DE19891109GUNTEHEIDE");
    assert_eq!(
        report["auth016"],
        "<Prsn><FrstNm>GÜNTER,MARIA</FrstNm><Nm>VON DER HEIDE</Nm><BirthDt>1989-11-09</BirthDt><Othr>\
         <Id>DE19891109GUNTEHEIDE</Id><SchmeNm><Prtry>CONCAT</Prtry></SchmeNm></Othr></Prsn>"
    );
}

#[tokio::test]
async fn what_is_missing_is_named_with_what_to_ask_for_next() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::with("nationalities", json!(["PL"]))).await;
    let before = report(app.client(), &user).await;
    assert_eq!((&before["outcome"], &before["designation"]), (&json!("MISSING"), &Value::Null));
    assert_eq!(before["missing"]["identifier_standard"], "PESEL");
    assert_eq!(before["missing"]["next"]["identifier_standard"], "PLTN");
    assert_eq!((&before["auth016"], &before["identifiers"]), (&Value::Null, &json!([])));

    let pesel = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" });
    let target = format!("/users/{}/identifiers", user["id"].as_str().unwrap());
    let created = app.client().request("POST", &target).json(&pesel).send().await.ok();
    let after = report(app.client(), &user).await;
    assert_eq!((&after["outcome"], &after["designation"]), (&json!("NEEDS_REVIEW"), &Value::Null));
    assert_eq!(after["review"], "the PESEL of PL cannot be reported: check digit is 7, must be 2");
    assert_eq!((&after["auth016"], &after["missing"]), (&Value::Null, &Value::Null));
    let path = format!("/users/{}", user["id"].as_str().unwrap());
    let active = app.client().get(&path).send().await.ok();
    assert_eq!(active["status"], "ACTIVE", "the wire takes the vendor's own examples");
    let [identifier] = &after["identifiers"].as_array().unwrap()[..] else { panic!("one") };
    assert_eq!(identifier["id"], created["id"]);
    assert_eq!(
        identifier["faults"],
        json!([
            { "severity": "hard", "code": "check_digit", "message": "check digit is 7, must be 2" },
            {
                "severity": "soft", "code": "birth_date",
                "message": "says that the birth date is 1983-05-30, stated is 1989-11-09",
            },
        ]),
        "whatever the setting, every fault is kept"
    );
}

#[tokio::test]
async fn the_regime_and_the_sex_count() {
    let app = TestApp::with(|options| options.settings.push(("regime", json!("UK")))).await;
    let mut body = bodies::with("nationalities", json!(["SI", "GB"]));
    (body["gender"], body["birth_date"]) = (json!("FEMALE"), json!("1954-01-01"));
    let user = app.client().created(&body).await;
    let missing = report(app.client(), &user).await;
    assert_eq!(
        (&missing["regime"], &missing["missing"]["identifier_standard"]),
        (&json!("UK"), &json!("NINO"))
    );
    let target = format!("/users/{}/identifiers", user["id"].as_str().unwrap());
    let pesel = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "54010150464" });
    app.client().request("POST", &target).json(&pesel).send().await.ok();
    let report = report(app.client(), &user).await;
    assert_eq!(report["outcome"], "MISSING", "a number of another country is of no use");
    // The tenth digit of a PESEL is even for women.
    assert_eq!(report["identifiers"][0]["faults"], json!([]));
    for (name, value, differs) in [
        ("gender", "MALE", true),
        ("gender", "DIVERSE", false),
        ("salutation", "SALUTATION_MALE", true),
        ("salutation", "SALUTATION_FEMALE_MARRIED", false),
    ] {
        let mut person = json!({
            "first_name": "Zofia", "last_name": "Kowalska", "birth_date": "1954-01-01", "nationalities": ["PL"],
            "identifiers": [pesel],
        });
        person[name] = json!(value);
        let mut faults = dry_run(app.client(), &person).await["identifiers"][0]["faults"].clone();
        let shared = faults.as_array_mut().unwrap().pop().unwrap();
        assert_eq!(shared["code"], "duplicate", "the user above has the number");
        let expected =
            json!([{ "severity": "soft", "code": "sex", "message": "is a number of the other sex" }]);
        assert_eq!(faults, if differs { expected } else { json!([]) }, "{value}");
    }
}

#[tokio::test]
async fn a_dry_run_answers_the_same_and_stores_nothing() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let stored = report(client, &user).await;
    let before = app.rows();
    let karl = bodies::karl();
    let person = |regime: Option<&str>| {
        let mut body = json!({});
        for name in ["first_name", "last_name", "birth_date", "nationalities"] {
            body[name] = karl[name].clone();
        }
        if let Some(regime) = regime {
            body["regime"] = json!(regime);
        }
        body
    };
    let tried = dry_run(client, &person(None)).await;
    for member in ["outcome", "designation", "reasons", "auth016", "missing", "regime", "as_of"] {
        assert_eq!(tried[member], stored[member], "{member}");
    }
    let mut british = person(Some("UK"));
    british["nationalities"] = json!(["GB", "IE"]);
    british["identifiers"] =
        json!([{ "type": "NATIONAL_ID", "issuing_country": "GB", "identifier": "PK030030B" }]);
    let tried = dry_run(client, &british).await;
    assert_eq!(tried["designation"]["identifier"], "GBPK030030B");
    let mut unborn = person(None);
    (unborn["birth_date"], unborn["nationalities"]) = (json!("2030-01-01"), json!(["EL", "PL"]));
    for (body, field) in [
        (json!({}), vec!["birth_date"]),
        (json!({ "birth_date": "1990-02-30" }), vec!["birth_date"]),
        (unborn, vec!["birth_date", "nationalities[0]"]),
        (
            {
                let mut body = person(None);
                body["identifiers"] = json!([
                    { "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "1" },
                    { "type": "NATIONAL_ID", "issuing_country": "PL" },
                ]);
                body
            },
            vec!["identifiers[1].identifier"],
        ),
        (
            {
                let mut body = person(None);
                body["identifiers"] = json!([
                    { "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" },
                    { "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "44051401359" },
                    { "type": "NATIONAL_ID", "issuing_country": "DE", "identifier": "C01X00T47" },
                ]);
                body
            },
            vec!["identifiers[1].identifier", "identifiers[2].identifier"],
        ),
    ] {
        let answer = client.request("POST", "/investord/reporting").json(&body).send().await;
        assert_eq!(answer.faults(), field, "{body}");
    }
    let mut unwritten = person(None);
    unwritten["identifiers"] =
        json!([{ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "830530-7891" }]);
    let faults = dry_run(client, &unwritten).await["identifiers"][0]["faults"].clone();
    assert_eq!(faults[0]["message"], "has 10 characters, must have 11 digits", "to say so is what it is for");
    let after = app.rows();
    assert_eq!((after.users, after.events), (before.users, before.events));

    let names = |first: &str, last: &str| {
        let mut body = person(None);
        (body["first_name"], body["last_name"]) = (json!(first), json!(last));
        body
    };
    let greek = dry_run(client, &names("Ιωάννης", "Schmidt")).await;
    assert_eq!(greek["outcome"], "NEEDS_REVIEW");
    assert!(greek["review"].as_str().unwrap().contains("CONCAT"), "{greek}");
}

/// Who cannot become a user can be asked about: the answer says what is known.
#[tokio::test]
async fn people_whom_the_wire_refuses_are_answered() {
    let app = TestApp::start().await;
    let client = app.client();
    let long = format!("Lee{}", " de la Cruz".repeat(20));
    for (body, outcome, says) in [
        (
            json!({ "first_name": "Min", "last_name": "O", "nationalities": ["DE"] }),
            "READY",
            "DE19800715MIN##O####",
        ),
        (
            json!({ "first_name": "Min", "last_name": long, "nationalities": ["DE"] }),
            "READY",
            "DE19800715MIN##LEEDE",
        ),
        (
            json!({ "last_name": "Suharto", "nationalities": ["FR"] }),
            "NEEDS_REVIEW",
            "a first name or a surname is missing; ask before it is reported as FR19800715#####SUHAR",
        ),
        (
            json!({ "first_name": null, "last_name": "Suharto", "nationalities": ["FR"] }),
            "NEEDS_REVIEW",
            "##SUHAR",
        ),
        (
            json!({ "first_name": "Suharto", "last_name": "\u{a0}\u{200b}", "nationalities": ["FR"] }),
            "NEEDS_REVIEW",
            "FR19800715SUHAR#####",
        ),
        (
            json!({
                "last_name": "Suharto", "nationalities": ["ID"],
                "identifiers": [{ "issuing_country": "ID", "identifier_standard": "CONCAT" }],
            }),
            "NEEDS_REVIEW",
            "ID19800715#####SUHAR",
        ),
        (json!({ "first_name": "Ann", "last_name": "Lee" }), "NEEDS_REVIEW", "no nationality is known"),
        (
            json!({ "first_name": "Ann", "last_name": "Lee", "nationalities": null }),
            "NEEDS_REVIEW",
            "no nationality",
        ),
        (
            json!({ "first_name": "Ann", "last_name": "Lee", "nationalities": ["XXA"] }),
            "NEEDS_REVIEW",
            "no nationality: the person is stateless",
        ),
        (
            json!({ "first_name": "Ann", "last_name": "Lee", "nationalities": ["stateless"] }),
            "NEEDS_REVIEW",
            "no nationality: the person is stateless",
        ),
        (
            json!({ "first_name": "Ann", "last_name": "Lee", "nationalities": ["XXC"] }),
            "NEEDS_REVIEW",
            "no nationality: the person is a refugee",
        ),
        (
            json!({ "first_name": "Ann", "last_name": "Lee", "nationalities": ["XXX"] }),
            "NEEDS_REVIEW",
            "no nationality is known",
        ),
        (
            json!({ "first_name": "Ann", "last_name": "Lee", "nationalities": ["XXB", "DE"] }),
            "READY",
            "DE19800715ANN##LEE##",
        ),
    ] {
        let mut body = body;
        body["birth_date"] = json!("1980-07-15");
        let report = dry_run(client, &body).await;
        assert_eq!(report["outcome"], outcome, "{body} {report}");
        let said = if outcome == "READY" { &report["designation"]["identifier"] } else { &report["review"] };
        assert!(said.as_str().unwrap().contains(says), "{body} {report}");
        assert_eq!(report["auth016"].is_null(), outcome != "READY");
    }
}

/// What does not look like a name is a reason that is open.
#[tokio::test]
async fn open_points_of_names_are_reasons() {
    let app = TestApp::start().await;
    let open = async |first: &str, last: &str| {
        let body = json!({
            "first_name": first, "last_name": last, "birth_date": "1980-07-15", "nationalities": ["DE"],
        });
        let report = dry_run(app.client(), &body).await;
        let reasons = report["reasons"].as_array().unwrap().iter().filter(|reason| reason["open"] == true);
        let texts = reasons.map(|reason| reason["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (report["designation"]["identifier"].as_str().unwrap()[10..].to_owned(), texts.join("; "))
    };
    for (first, last, letters, said) in [
        (
            "Dipl.-Ing. (FH) Karl",
            "Huber",
            "KARL#HUBER",
            "CONCAT: Dipl.-Ing. is taken for a title, which is not listed, and dropped; \
          CONCAT: (FH) is taken for a title, which is not listed, and dropped",
        ),
        (
            "J. Edgar",
            "Huber",
            "J####HUBER",
            "CONCAT: J. may be an abbreviation, a title or an addition; it is taken for a name",
        ),
        (
            "Əli",
            "Əliyev",
            "ELI##ELIYE",
            "CONCAT: Ə becomes E, which the table does not say; \
          CONCAT: Ə becomes E, which the table does not say",
        ),
        (
            "Quân",
            "Đo\u{302}\u{303} Qua\u{302}n",
            "QUAN#DOQUA",
            "CONCAT: ỗ becomes O, which the table does not say",
        ),
        ("Karl", "Huber", "KARL#HUBER", ""),
    ] {
        assert_eq!(open(first, last).await, (letters.to_owned(), said.to_owned()));
    }
}

/// The answer about somebody with one identifier, of a standard by a name of it.
async fn with_identifier(client: &Client, code: &str, name: &str, written: &str, born: &str) -> Value {
    let body = json!({
        "first_name": "Ann", "last_name": "Lee", "birth_date": born, "nationalities": [code],
        "identifiers": [{ "issuing_country": code, "identifier_standard": name, "identifier": written }],
    });
    dry_run(client, &body).await
}

/// Standards by the names that people use, and numbers as they come out of spreadsheets. The vendor's wire knows its
/// abbreviations alone.
#[tokio::test]
async fn identifiers_are_taken_as_people_write_them() {
    let app = TestApp::start().await;
    let client = app.client();
    for (code, name, written, born, reported, faults) in [
        ("DK", "CPR", "170501-0540", "1901-05-17", "DK1705010540", json!([])),
        ("BG", "egn", "7407223847", "1974-07-22", "BG7407223847", json!([])),
        ("IT", "codice fiscale", "kvr gzz 59s51 z404l", "1959-11-11", "ITKVRGZZ59S51Z404L", json!([])),
        ("CZ", "Rodne\u{301} c\u{30c}i\u{301}slo", "630328/5175", "1963-03-28", "CZ6303285175", json!([])),
        ("CY", "passport", "K12345678", "1963-03-28", "CYK12345678", json!([])),
        (
            "PL",
            "",
            "\u{200e}54010150464",
            "1954-01-01",
            "PL54010150464",
            json!([{
                "severity": "soft", "code": "invisible",
                "message": "had characters that cannot be seen, which are dropped",
            }]),
        ),
        (
            "PL",
            "Pesel",
            "’54010150464",
            "1954-01-01",
            "PL54010150464",
            json!([{
                "severity": "soft", "code": "text_marker", "message": "had an apostrophe in front, which is dropped",
            }]),
        ),
    ] {
        let report = with_identifier(client, code, name, written, born).await;
        assert_eq!(report["designation"]["identifier"], reported, "{report}");
        assert_eq!(report["identifiers"][0]["faults"], faults);
    }
    let user = client.created(&bodies::with("nationalities", json!(["DK"]))).await;
    let target = format!("/users/{}/identifiers", user["id"].as_str().unwrap());
    let body = json!({
        "type": "NATIONAL_ID", "issuing_country": "DK", "identifier_standard": "CPR", "identifier": "1705010540",
    });
    assert_eq!(client.request("POST", &target).json(&body).send().await.faults(), ["identifier_standard"]);
}

/// A number that cannot be right is reported of nobody (decision I10), and the answer says what may have happened.
#[tokio::test]
async fn an_impossible_number_is_never_ready() {
    let app = TestApp::start().await;
    let client = app.client();
    for (code, name, written, born, why) in [
        (
            "CZ",
            "RČ",
            "301011006",
            "2003-01-01",
            "the CZNI of CZ cannot be reported: has 9 characters, which only people born before 1954 have",
        ),
        (
            "CZ",
            "RC",
            "426155796",
            "2004-06-15",
            "the CZNI of CZ cannot be reported: has 9 characters, which only people born before 1954 \
          have; a leading zero is missing?",
        ),
        (
            "SK",
            "RC",
            "2298197",
            "2000-02-29",
            "the RC of SK cannot be reported: has 7 characters, must have 9 or 10 digits; \
          3 leading zeros are missing?",
        ),
        (
            "EE",
            "isikukood",
            "3,80E+10",
            "1980-01-01",
            "the EPIC of EE cannot be reported: has 8 characters, must have 11 digits; \
          a spreadsheet has rounded it?",
        ),
        (
            "PL",
            "PESEL",
            "1220312345",
            "2001-02-20",
            "the PESEL of PL cannot be reported: has 10 characters, must have 11 digits",
        ),
    ] {
        let report = with_identifier(client, code, name, written, born).await;
        assert_eq!(
            (&report["outcome"], &report["designation"]),
            (&json!("NEEDS_REVIEW"), &Value::Null),
            "{report}"
        );
        assert_eq!((&report["review"], &report["auth016"]), (&json!(why), &Value::Null));
    }
    // Nobody steps down because the first number is impossible.
    let body = json!({
        "first_name": "Ann", "last_name": "Lee", "birth_date": "1963-03-28", "nationalities": ["CZ"],
        "identifiers": [
            { "issuing_country": "CZ", "identifier_standard": "RC", "identifier": "6303285176" },
            { "issuing_country": "CZ", "identifier_standard": "passport", "identifier": "12345678" },
        ],
    });
    assert_eq!(dry_run(client, &body).await["outcome"], "NEEDS_REVIEW");
    // What is of no use is no obstacle.
    let mut german = body.clone();
    german["nationalities"] = json!(["DE"]);
    german["identifiers"][0] =
        json!({ "issuing_country": "SK", "identifier_standard": "RC", "identifier": "6303285176" });
    german["nationalities"] = json!(["DE", "SK"]);
    assert_eq!(dry_run(client, &german).await["outcome"], "READY");
}

#[tokio::test]
async fn only_readers_of_the_tenants_own_users_get_it() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let foreign = app.new_client("other", "users:read").await;
    let nobody = app.new_client("main", "accounts:admin").await;
    let reader = app.new_client("main", "users:read").await;
    let user = app.client().created(&bodies::karl()).await;
    reader.get(&path(&user)).send().await.ok();
    foreign.get(&path(&user)).send().await.refused("not_found");
    nobody.get(&path(&user)).send().await.refused("forbidden");
    nobody.request("POST", "/investord/reporting").json(&json!({})).send().await.refused("forbidden");
    reader.get("/investord/users/abc/reporting").send().await.refused("not_found");
}
