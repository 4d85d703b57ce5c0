//! Findings: what speaks against an identifier, in answers, previews and reports.

use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;

use crate::identifiers::{add, change, id, listed, path, pesel, status, user_of};

#[tokio::test]
async fn strict_tenants_refuse_what_cannot_be_and_say_why() {
    let app = TestApp::start().await;
    app.set("identifier_checks", "strict").await;
    let client = app.client();
    let mut body = bodies::with("nationalities", json!(["PL"]));
    body["birth_date"] = json!("1944-05-14");
    let user = client.created(&body).await;
    let refused = add(client, &user, &pesel()).send().await;
    assert_eq!(refused.faults(), ["identifier", "identifier"]);
    for message in [
        "PESEL 83053078917: check digit is 7, must be 2",
        "PESEL 83053078917: says that the birth date is 1983-05-30, stated is 1944-05-14",
    ] {
        assert!(refused.text().contains(message), "{}", refused.text());
    }
    assert_eq!(status(client, &user).await, "INACTIVE");

    let mut good = pesel();
    good["identifier"] = json!("44051401359");
    let created = add(client, &user, &good).send().await.ok();
    assert_eq!(status(client, &user).await, "ACTIVE");
    let refused = change(client, &user, &created, "44051401358").send().await;
    assert!(refused.text().contains("PESEL 44051401358: check digit is 8, must be 9"), "{}", refused.text());
    // What is there stays, and so does the answer to the same request.
    assert_eq!(add(client, &user, &good).send().await.ok(), created);
    // Somebody else's number.
    let twin = user_of(client, &["PL"]).await;
    let refused = add(client, &twin, &good).send().await;
    let message = "PESEL 44051401359: says that the birth date is 1944-05-14, stated is 1989-11-09";
    assert!(refused.text().contains(message), "{}", refused.text());
    assert_eq!(status(client, &twin).await, "INACTIVE");
    // An unusual passport is a warning, and so is a number of the other sex.
    let mut woman = body.clone();
    woman["gender"] = json!("FEMALE");
    let woman = client.created(&woman).await;
    add(client, &woman, &good).send().await.ok();
    let american = user_of(client, &["US"]).await;
    let passport = json!({ "type": "PASSPORT", "issuing_country": "US", "identifier": "A1B2C3D4E5" });
    assert_eq!(add(client, &american, &passport).send().await.faults(), ["identifier"], "too long for any");
    let passport = json!({ "type": "PASSPORT", "issuing_country": "US", "identifier": "A1B2C3" });
    add(client, &american, &passport).send().await.ok();
}

fn report_of(user: &Value) -> String {
    format!("/investord/users/{}/reporting", id(user))
}

/// Codes of what speaks against the identifiers, by their standards.
fn codes(identifiers: &Value) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = identifiers.as_array().unwrap().iter();
    let codes =
        |one: &Value| one["faults"].as_array().unwrap().iter().map(|fault| text(&fault["code"])).collect();
    all.map(|one| (text(&one["identifier_standard"]), codes(one))).collect()
}

#[tokio::test]
async fn what_the_issuer_gives_is_taken_in_every_spelling() {
    let app = TestApp::start().await;
    let client = app.client();
    for (country, spellings) in [
        ("LV", &["32123412345", "321234-12345", "321234 12345"][..]),
        ("CZ", &["535517/319", "535517319", "535517 319"]),
        ("FI", &["190944Y647R", "190944y647r", " 190944Y647R "]),
        ("SE", &["740722-4901", "7407224901", "197407224901", "19740722-4901", "740722–4901"]),
        ("ES", &["50607080L", "50607080-l", "50.607.080-L"]),
        ("PL", &["83053078917", "830530 78917"]),
        ("US", &["418867337", "418 867 337"]),
    ] {
        for value in spellings {
            let user = user_of(client, &["PL"]).await;
            let body = json!({ "type": "NATIONAL_ID", "issuing_country": country, "identifier": value });
            let created = add(client, &user, &body).send().await.ok();
            assert_eq!(created["identifier"], *value, "as it was sent");
            for other in spellings.iter().copied() {
                let body = json!({ "type": "NATIONAL_ID", "issuing_country": country, "identifier": other });
                let again = add(client, &user, &body).send().await.ok();
                assert_eq!(
                    [&again["id"], &again["identifier"]],
                    [&created["id"], &json!(value)],
                    "{other} is the same"
                );
                let changed = change(client, &user, &created, other).send().await.ok();
                assert_eq!(changed["identifier"], *other);
                change(client, &user, &created, value).send().await.ok();
            }
        }
    }
    let user = user_of(client, &["PL"]).await;
    for (value, why) in [
        ("8305307891", "must have 11 digits (PESEL)"),
        ("8305307891x", "character 11 must be a digit (PESEL)"),
    ] {
        let body = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": value });
        let refused = add(client, &user, &body).send().await;
        assert_eq!(refused.faults(), ["identifier"]);
        assert!(refused.text().contains(why) && !refused.text().contains(value), "{}", refused.text());
    }
}

/// The answer, the preview and what operators see, beside the person as they are or would be.
#[tokio::test]
async fn faults_are_those_of_the_day_and_the_person() {
    let app = TestApp::start().await;
    let client = app.client();
    let officer = crate::operators::officer(&app, "anna", "viewer", None).await;
    let mut body = bodies::with("nationalities", json!(["PL", "DE"]));
    (body["birth_date"], body["gender"]) = (json!("1983-05-30"), json!("FEMALE"));
    let user = client.created(&body).await;
    let pesel = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078929" });
    add(client, &user, &pesel).send().await.ok();
    let shown = async || {
        let report = client.get(&report_of(&user)).send().await.ok();
        let seen = officer.get(&format!("/tenants/main/users/{}", id(&user))).await.ok();
        assert_eq!(codes(&report["identifiers"]), codes(&seen["identifiers"]));
        for one in seen["identifiers"].as_array().unwrap() {
            assert_eq!(one["faults_when_filed"], json!([]));
        }
        codes(&report["identifiers"])
    };
    let expected = |pesel: &[&str], concat: &[&str]| {
        [("CONCAT", concat), ("PESEL", pesel)].map(|(name, codes)| {
            (name.to_owned(), codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>())
        })
    };
    let requests = format!("/users/{}/data_change_requests", id(&user));
    let preview = format!("/investord{requests}/preview");
    let mut before = expected(&[], &[]);
    assert_eq!(shown().await, before);
    for (change, after) in [
        (json!({ "birth_date": "1983-05-31" }), expected(&["birth_date"], &[])),
        (json!({ "gender": "MALE" }), expected(&["birth_date", "sex"], &[])),
        (json!({ "birth_date": "1983-05-30", "last_name": "Миллер" }), expected(&["sex"], &["outdated"])),
        (json!({ "gender": "", "last_name": "Miller" }), expected(&[], &[])),
    ] {
        let would = client.request("POST", &preview).json(&change).send().await.ok();
        assert_eq!(codes(&would["reporting"]["before"]["identifiers"]), before, "{change}");
        assert_eq!(codes(&would["reporting"]["after"]["identifiers"]), after, "{change}");
        assert_eq!(shown().await, before, "{change}");
        client.request("POST", &requests).json(&change).send().await;
        investord::worker::jobs::run_due(app.app()).await.unwrap();
        assert_eq!(shown().await, after, "{change}");
        before = after;
    }
}

/// A short Swedish number is reported with the century of the birth date as it is now, and found by it.
#[tokio::test]
async fn a_corrected_birth_date_corrects_the_century() {
    let app = TestApp::start().await;
    let client = app.client();
    let officer = crate::operators::officer(&app, "anna", "viewer", None).await;
    let mut body = bodies::with("nationalities", json!(["SE"]));
    body["birth_date"] = json!("1920-07-22");
    let user = client.created(&body).await;
    let number = json!({ "type": "NATIONAL_ID", "issuing_country": "SE", "identifier": "2007224906" });
    let created = add(client, &user, &number).send().await.ok();
    let designation =
        async || client.get(&report_of(&user)).send().await.ok()["designation"]["identifier"].clone();
    assert_eq!(designation().await, "SE192007224906");
    let requests = format!("/users/{}/data_change_requests", id(&user));
    client.request("POST", &requests).json(&json!({ "birth_date": "2020-07-22" })).send().await;
    investord::worker::jobs::run_due(app.app()).await.unwrap();
    assert_eq!(designation().await, "SE202007224906");
    assert_eq!(listed(client, &user).await, [created], "the wire shows what was sent");
    for (value, found) in [("202007224906", 1), ("SE202007224906", 1), ("2007224906", 1), ("192007224906", 0)]
    {
        let answer = officer.get(&format!("/tenants/main/users?identifier={value}")).await.ok();
        assert_eq!(answer["total_count"], found, "{value}");
    }
}

#[tokio::test]
async fn one_number_of_two_users_is_a_soft_fault_of_both() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let foreign = app.new_client("other", "users:admin users:read").await;
    let client = app.client();
    let officer = crate::operators::officer(&app, "anna", "viewer", None).await;
    let mut body = bodies::with("nationalities", json!(["SE"]));
    body["birth_date"] = json!("1974-07-22");
    let number = |value: &str| json!({ "type": "NATIONAL_ID", "issuing_country": "SE", "identifier": value });
    let (one, other) = (client.created(&body).await, client.created(&body).await);
    add(client, &one, &number("740722-4901")).send().await.ok();
    let theirs = foreign.created(&body).await;
    add(&foreign, &theirs, &number("740722-4901")).send().await.ok();
    // Written alike, but of another country.
    let passport = json!({ "type": "PASSPORT", "issuing_country": "US", "identifier": "197407224901" });
    let american = client.created(&body).await;
    add(client, &american, &passport).send().await.ok();
    let shared = async |user: &Value| {
        let report = client.get(&report_of(user)).send().await.ok();
        let seen = officer.get(&format!("/tenants/main/users/{}", id(user))).await.ok();
        let [answered, operators] = [&report, &seen].map(|shown| shown["identifiers"][0].clone());
        assert_eq!(answered["faults"], operators["faults"]);
        (answered["faults"].clone(), answered["shared_with"].clone(), report["outcome"].clone())
    };
    assert_eq!(shared(&one).await, (json!([]), Value::Null, json!("READY")), "nobody else of this tenant");
    // Strict tenants do not refuse it either.
    app.set("identifier_checks", "strict").await;
    let created = add(client, &other, &number("197407224901")).send().await.ok();
    let duplicate = |user: &Value| {
        let message = format!("is the number of user {}, too", id(user));
        (
            json!([{ "severity": "soft", "code": "duplicate", "message": message }]),
            json!([id(user)]),
            json!("READY"),
        )
    };
    assert_eq!(shared(&one).await, duplicate(&other));
    assert_eq!(shared(&other).await, duplicate(&one));
    assert_eq!(shared(&american).await.1, Value::Null);
    // Somebody who is not here yet.
    let mut person = json!({ "identifiers": [number("19740722-4901")] });
    for name in ["first_name", "last_name", "birth_date", "nationalities"] {
        person[name] = body[name].clone();
    }
    let tried = client.request("POST", "/investord/reporting").json(&person).send().await.ok();
    let mut both = [id(&one), id(&other)];
    both.sort_unstable();
    assert_eq!(tried["identifiers"][0]["shared_with"], json!(both));
    let preview = format!("/investord/users/{}/data_change_requests/preview", id(&one));
    let would = client.request("POST", &preview).json(&json!({ "last_name": "Berg" })).send().await.ok();
    for when in ["before", "after"] {
        assert_eq!(would["reporting"][when]["identifiers"][0]["shared_with"], json!([id(&other)]));
    }
    // Users who have left are in the register still.
    app.register.run("UPDATE users SET status = 'OFFBOARDED' WHERE status = 'ACTIVE'");
    assert_eq!(shared(&other).await, duplicate(&one));
    app.register.run("UPDATE users SET status = 'ACTIVE' WHERE status = 'OFFBOARDED'");
    // Mended.
    change(client, &other, &created, "197407224919").send().await.ok();
    assert_eq!(shared(&one).await.1, Value::Null);
    assert_eq!(shared(&other).await.1, Value::Null);
}

/// The examples are of people who can be: nothing speaks against what they are reported with.
#[tokio::test]
async fn the_examples_are_faultless() {
    let app = TestApp::start().await;
    let client = app.client();
    let example = |name: &str| -> Value {
        let path = format!("{}/../../api/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let user = client.created(&example("create-user-polish")).await;
    let faultless = async || {
        let report = client.get(&report_of(&user)).send().await.ok();
        assert_eq!(report["outcome"], "READY");
        for identifier in report["identifiers"].as_array().unwrap() {
            assert_eq!(identifier["faults"], json!([]), "{identifier}");
        }
    };
    let created = add(client, &user, &example("create-identifier")).send().await.ok();
    assert_eq!(created["identifier"], example("identifier")["identifier"]);
    faultless().await;
    let target = format!("{}/{}", path(&user), id(&created));
    client.request("PATCH", &target).json(&example("update-identifier")).send().await.ok();
    add(client, &user, &example("create-identifier-passport")).send().await.ok();
    for one in example("identifier-list")["data"].as_array().unwrap() {
        let mut body = json!({});
        for name in ["type", "issuing_country", "identifier", "identifier_standard"] {
            body[name] = one[name].clone();
        }
        if one["identifier_standard"] == "DPIC" {
            add(client, &user, &body).send().await.ok();
        }
    }
    faultless().await;
    let tried =
        client.request("POST", "/investord/reporting").json(&example("reporting-dry-run")).send().await.ok();
    let mut expected = example("reporting-ready");
    expected["as_of"] = tried["as_of"].clone();
    assert_eq!(tried, expected, "the example of the answer is the answer to the example");
}
