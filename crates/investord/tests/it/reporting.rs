//! The reporting answer: what would be reported, and why.

use serde_json::{Value, json};

use crate::app::{Client, TestApp};
use crate::bodies;

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
    assert_eq!(after["designation"]["identifier"], "PL83053078917");
    assert_eq!(after["designation"]["scheme"], "NIDN");
    let [identifier] = &after["identifiers"].as_array().unwrap()[..] else { panic!("one") };
    assert_eq!(identifier["id"], created["id"]);
    assert_eq!(
        identifier["faults"],
        json!([
            { "severity": "hard", "code": "check_digit", "message": "check digit is 7, must be 2" },
            { "severity": "soft", "code": "birth_date", "message": "says that the birth date is 1983-05-30, stated is 1989-11-09" },
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
    let mut stateless = person(None);
    stateless["nationalities"] = json!([]);
    for (body, field) in [
        (json!({}), vec!["first_name", "last_name", "birth_date", "nationalities"]),
        (stateless, vec!["nationalities"]),
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
