//! Sessions of operators: listed with place and device, ended one by one or all, and the change of a password.

use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;

use crate::operators::{Officer, PASSWORD, create_operator, id, officer};

/// Signs in with a password. Returns the response, and an officer with the token.
async fn sign_in(officer: &Officer, name: &str, password: &str) -> (Value, Officer) {
    let begun = officer.post("/sessions", json!({ "name": name, "password": password })).await.ok();
    let signed_in = officer.with_token(begun["token"].as_str().unwrap());
    (begun, signed_in)
}

async fn sessions(officer: &Officer, target: &str) -> Vec<Value> {
    officer.get(target).await.ok()["data"].as_array().unwrap().clone()
}

async fn end(officer: &Officer, target: &str) -> Answer {
    officer.ask("DELETE", target, None).await
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let app = TestApp::start().await;
    let chief =
        officer(&app, "chief", "administrator compliance support", None).await.signed_in("chief").await;
    let script = officer(&app, "anna", "viewer", None).await;
    app.pass(1);
    let (_, first) = sign_in(&script, "anna", PASSWORD).await;
    app.pass(90);
    let (_, second) = sign_in(&script, "anna", PASSWORD).await;
    first.get("/me").await.ok();
    let listed = sessions(&second, "/me/sessions").await;
    let member = |name: &str| listed.iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    assert_eq!(member("kind"), ["token", "session", "session"]);
    assert_eq!(member("is_current"), [false, false, true]);
    assert_eq!(member("address")[1..], ["127.0.0.1", "127.0.0.1"]);
    assert_eq!(member("expires_at")[0], Value::Null);
    assert_eq!(member("last_used_at")[1], member("created_at")[2], "used again after 90 seconds");
    assert_eq!(sessions(&chief, "/operators/anna/sessions").await.len(), 3);
    assert_eq!(member("factors"), [json!([]), json!(["password"]), json!(["password"])]);
    assert_eq!(member("proved_at")[0], Value::Null);
    assert_eq!(member("proved_at")[1..], member("created_at")[1..]);
    assert!(!listed.iter().any(|one| one.to_string().contains("hash")));

    end(&second, &format!("/me/sessions/{}", id(&listed[1]))).await.ok();
    first.get("/me").await.refused("unauthorised");
    let theirs = sessions(&chief, "/me/sessions").await;
    end(&second, &format!("/me/sessions/{}", id(&theirs[0]))).await.refused("not_found");
    let (_, third) = sign_in(&script, "anna", PASSWORD).await;
    assert_eq!(end(&third, "/me/sessions").await.ok()["ended"], 1);
    second.get("/me").await.refused("unauthorised");
    for who in [&third, &script] {
        who.get("/me").await.ok();
    }
    assert_eq!(end(&chief, "/operators/anna/sessions").await.ok()["ended"], 2);
    for who in [&third, &script] {
        who.get("/me").await.refused("unauthorised");
    }
    chief.get("/me").await.ok();
}

#[tokio::test]
async fn everybody_changes_their_own_password() {
    const NEW: &str = "another horse battery";
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", "viewer", None).await;
    let (begun, first) = sign_in(&anna, "anna", PASSWORD).await;
    let (_, second) = sign_in(&anna, "anna", PASSWORD).await;
    let change = async |old: &str, new: &str| {
        second.ask("PUT", "/me/password", Some(json!({ "old_password": old, "new_password": new }))).await
    };
    for (old, new, field) in [
        (PASSWORD, PASSWORD, "new_password"),
        (PASSWORD, "too short", "new_password"),
        ("wrong", NEW, "old_password"),
    ] {
        assert_eq!(change(old, new).await.faults(), [field], "{old} {new}");
    }
    change(PASSWORD, NEW).await.ok();
    second.get("/me").await.ok();
    first.get("/me").await.refused("unauthorised");
    anna.get("/me").await.ok();
    let old = json!({ "name": "anna", "password": PASSWORD });
    anna.post("/sessions", old).await.refused("unauthorised");
    // A device that was known by the old password is not known any more.
    let sent = json!({ "name": "anna", "password": NEW, "device": begun["device"] });
    assert_ne!(anna.post("/sessions", sent).await.ok()["device"], begun["device"]);
    // Guesses from elsewhere do not hinder the owner.
    for _ in 0..6 {
        anna.post("/sessions", json!({ "name": "anna", "password": "wrong" })).await;
    }
    assert_eq!(change(NEW, PASSWORD).await.status, 200);
    // Whoever has taken over a session does not guess here either.
    for wrong in 0..6 {
        let answer = change("wrong", PASSWORD).await;
        assert_eq!(answer.status, if wrong < 5 { 400 } else { 429 });
    }
    // Without a password there is none to change.
    let provisioner = app.provisioner();
    create_operator(&app, "script", "viewer", None).await;
    let (token, hash) = investord::backoffice::session::new_token(&*provisioner.ids);
    provisioner.add_operator_token("script".into(), hash, None, None).await.unwrap();
    let body = json!({ "old_password": PASSWORD, "new_password": NEW });
    anna.with_token(&token).ask("PUT", "/me/password", Some(body)).await.refused("conflict");
}
