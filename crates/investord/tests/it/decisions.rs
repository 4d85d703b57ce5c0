//! Decisions of operators: on data changes and checks, on users and their ends.

use std::sync::Arc;

use investord::worker::jobs::run_due;
use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;
use tokio::sync::Barrier;

use crate::operators::{Officer, PASSWORD, UNKNOWN, accept, example, id, officer, status};

/// A tenant under whose licence somebody looks at every proof, and two who do.
async fn reviewed() -> (TestApp, Officer, Officer) {
    let app = TestApp::tol().await;
    app.set("review_policy", "review").await;
    let anna = officer(&app, "anna", "compliance support", None).await;
    let berta = officer(&app, "berta", "compliance support", Some("main")).await;
    (app, anna, berta)
}

async fn ask(app: &TestApp, user: &Value, body: &Value) {
    let target = format!("/users/{}/data_change_requests", id(user));
    assert_eq!(app.client().request("POST", &target).json(body).send().await.status, 202);
}

/// Cases have holders, and who opens one is told who else looks at it.
#[tokio::test]
async fn a_review_is_assigned_and_seen_by_others() {
    let (app, anna, berta) = reviewed().await;
    let viewer = officer(&app, "vera", "viewer", None).await;
    let user = app.client().created(&bodies::everything()).await;
    ask(&app, &user, &example("name")).await;
    run_due(app.app()).await.unwrap();
    let [waiting] = &anna.queue().await[..] else { panic!("one") };
    assert_eq!((&waiting["assignee"], &waiting["viewers"]), (&Value::Null, &json!([])));
    let review = format!("/tenants/main/users/{}/reviews/{}", id(&user), id(waiting));
    let assign = async |by: &Officer, name: Value| {
        by.request("PUT", &format!("{review}/assignee"), &json!({ "assignee": name }).to_string()).await
    };
    for nobody in ["vera", "unknown"] {
        assert_eq!(assign(&anna, json!(nobody)).await.faults(), ["assignee"], "{nobody} may not decide");
    }
    assign(&viewer, json!("anna")).await.refused("forbidden");
    let record = assign(&anna, json!("berta")).await.ok();
    assert_eq!(
        (&record["old"], &record["new"]),
        (&json!({ "assignee": null }), &json!({ "assignee": "berta" }))
    );
    assert_eq!(berta.queue().await[0]["assignee"], "berta");

    let open =
        async |by: &Officer| by.request("PUT", &format!("{review}/viewer"), "").await.ok()["viewers"].clone();
    assert_eq!(open(&anna).await, json!([]));
    assert_eq!(open(&anna).await, json!([]), "not herself");
    assert_eq!(open(&viewer).await[0]["name"], "anna");
    assert_eq!(open(&viewer).await[0]["name"], "anna", "who looks twice is told twice");
    assert_eq!(open(&anna).await[0]["name"], "vera", "each sees the other");
    assert_eq!(berta.queue().await[0]["viewers"].as_array().unwrap().len(), 2);
    app.pass(300);
    assert_eq!(berta.queue().await[0]["viewers"], json!([]), "after five minutes nobody");
    assert_eq!(open(&berta).await, json!([]));

    anna.say(&user, id(waiting), json!({ "verdict": "approve" })).await.ok();
    assign(&anna, Value::Null).await.refused("not_found");
    let unknown = format!("/tenants/main/users/{}/reviews/{UNKNOWN}/viewer", id(&user));
    anna.request("PUT", &unknown, "").await.refused("not_found");
}

#[tokio::test]
async fn a_deactivation_is_assigned_to_who_may_confirm_it() {
    let app = TestApp::start().await;
    app.set("deactivation_takes_two", true).await;
    let chief = officer(&app, "carla", "administrator", None).await.signed_in("carla").await;
    let role =
        json!({ "permissions": ["reviews:read", "reviews:decide"], "reason": "decides changes alone" });
    chief.request("PUT", "/roles/checker", &role.to_string()).await.ok();
    officer(&app, "dora", "checker", Some("main")).await;
    officer(&app, "berta", "compliance", None).await;
    let script = officer(&app, "anna", "compliance", None).await;
    let user = app.client().created(&bodies::karl()).await;
    script.signed_in("anna").await.act(&user, "deactivate").await.ok();
    let target = format!("/tenants/main/users/{0}/reviews/{0}/assignee", id(&user));
    let assign =
        async |name: &str| script.request("PUT", &target, &json!({ "assignee": name }).to_string()).await;
    assert_eq!(assign("dora").await.faults(), ["assignee"], "she decides reviews, and may not act on people");
    assign("berta").await.ok();
    app.pass(72 * 3600 + 1);
    assign("berta").await.refused("not_found");
}

#[tokio::test]
async fn a_decision_is_done_in_order_and_on_record() {
    let (app, anna, berta) = reviewed().await;
    let user = app.client().created(&bodies::everything()).await;
    for name in ["name", "email"] {
        ask(&app, &user, &example(name)).await;
    }
    run_due(app.app()).await.unwrap();
    let [waiting] = &anna.queue().await[..] else { panic!("one") };
    let matter = &waiting["matter"];
    assert_eq!((&waiting["user_id"], &matter["asked"]["first_name"]), (&user["id"], &json!("Karl")));
    assert_eq!(matter["proof"]["document_type"], example("name")["document_type"]);
    let subject = id(matter).to_owned();
    for (body, field) in [
        (json!({}), "verdict"),
        (json!({ "verdict": "perhaps" }), "verdict"),
        (json!({ "verdict": "refuse" }), "reason"),
        (json!({ "verdict": "refuse", "reason": "x".repeat(101) }), "reason"),
        (json!({ "verdict": "approve", "mood": "good" }), "mood"),
    ] {
        assert_eq!(anna.say(&user, &subject, body).await.faults(), [field]);
    }
    anna.say(&user, UNKNOWN, json!({ "verdict": "approve" })).await.refused("not_found");
    anna.say(&user, &subject, json!({ "verdict": "approve" })).await.ok();
    run_due(app.app()).await.unwrap();
    let problem =
        berta.say(&user, &subject, json!({ "verdict": "refuse", "reason": "no" })).await.refused("conflict");
    assert_eq!(problem["detail"], "operator:anna has decided it");
    assert!(berta.queue().await.is_empty());
    let shown = berta.get(&format!("/tenants/main/users/{}", id(&user))).await.ok();
    let changes = shown["data_changes"].as_array().unwrap();
    assert_eq!((&changes[0]["state"], &changes[0]["decided_by"]), (&json!("DONE"), &json!("operator:anna")));
    assert_eq!((&changes[1]["state"], &changes[1]["decided_by"]), (&json!("DONE"), &json!("system")));
    assert_eq!(shown["user"]["email"], "m•••••@•••••");
    assert_eq!(
        app.client().get(&format!("/users/{}", id(&user))).send().await.ok()["email"],
        "max@example.com"
    );
    let types: Vec<Value> = anna.history(&user).await.iter().map(|event| event["type"].clone()).collect();
    let expected =
        ["USER.CREATED", "USER.ACTIVATED", "OPERATOR.ACTION", "USER.DATA_CHANGED", "USER.DATA_CHANGED"];
    assert_eq!(types, expected);
    let action = &anna.history(&user).await[2]["object"];
    assert_eq!(action["actor"], json!({ "name": "anna", "roles": ["compliance", "support"] }));
    assert_eq!((&action["action"], &action["subject"]), (&json!("approve"), &json!(subject)));
    assert_eq!(
        (&action["old"]["decided"], &action["new"]["decided"]["by"]),
        (&Value::Null, &json!("operator:anna"))
    );

    // Refused: told to the client with the reason, and nothing has changed.
    ask(&app, &user, &example("name")).await;
    let subject = id(&anna.queue().await[0]["matter"]).to_owned();
    berta
        .say(&user, &subject, json!({ "verdict": "refuse", "reason": "the picture is of somebody else" }))
        .await
        .ok();
    run_due(app.app()).await.unwrap();
    let last = anna.history(&user).await.pop().unwrap();
    let expected = json!({ "user_id": user["id"], "reason": "the picture is of somebody else" });
    assert_eq!((&last["type"], &last["object"]), (&json!("USER.DATA_CHANGE_FAILED"), &expected));
    // Withdrawn, also what only waits for its turn.
    for name in ["name", "email"] {
        ask(&app, &user, &example(name)).await;
    }
    let shown = anna.get(&format!("/tenants/main/users/{}", id(&user))).await.ok();
    let pending = shown["pending"].as_array().unwrap().clone();
    assert_eq!(pending.len(), 2);
    let (first, second) = (pending[0]["subject"].as_str().unwrap(), pending[1]["subject"].as_str().unwrap());
    anna.say(&user, second, json!({ "verdict": "approve" })).await.refused("conflict");
    anna.say(&user, second, json!({ "verdict": "cancel", "reason": "asked twice" })).await.ok();
    anna.say(&user, first, json!({ "verdict": "cancel", "reason": "asked twice" })).await.ok();
    run_due(app.app()).await.unwrap();
    let history = anna.history(&user).await;
    let failed = history.iter().filter(|event| event["type"] == "USER.DATA_CHANGE_FAILED").count();
    assert_eq!((failed, app.number("SELECT count(*) FROM jobs")), (3, 0));
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_wins() {
    let (app, anna, berta) = reviewed().await;
    let mut decided = [0, 0];
    for round in 0..20 {
        let user = app.client().created(&bodies::everything()).await;
        ask(&app, &user, &example("name")).await;
        let subject = id(&anna.queue().await[0]["matter"]).to_owned();
        let barrier = Arc::new(Barrier::new(2));
        let answers = [(anna.clone(), "approve"), (berta.clone(), "refuse")].map(|(officer, verdict)| {
            let (barrier, user, subject) = (Arc::clone(&barrier), user.clone(), subject.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                officer.say(&user, &subject, json!({ "verdict": verdict, "reason": "seen" })).await
            })
        });
        let mut won = Vec::new();
        for (at, answer) in answers.into_iter().enumerate() {
            let answer = answer.await.unwrap();
            if answer.status == 200 {
                won.push(at);
            } else {
                let detail = answer.refused("conflict")["detail"].as_str().unwrap().to_owned();
                assert!(detail.ends_with(" has decided it"), "{detail}");
            }
        }
        let [winner] = won[..] else { panic!("{won:?} in round {round}") };
        decided[winner] += 1;
        run_due(app.app()).await.unwrap();
        let kinds: Vec<String> = app.told(1).await.into_iter().rev().take(2).map(|told| told.kind).collect();
        let outcome = ["USER.DATA_CHANGED", "USER.DATA_CHANGE_FAILED"][winner];
        assert_eq!(kinds, [outcome, "OPERATOR.ACTION"]);
    }
    assert_eq!(decided.iter().sum::<i32>(), 20);
}

#[tokio::test]
async fn four_eyes_see_more_than_two() {
    let (app, anna, berta) = reviewed().await;
    let (anna, berta) = (anna.signed_in("anna").await, berta.signed_in("berta").await);
    app.set("four_eyes", true).await;
    let user = app.client().created(&bodies::everything()).await;
    let approve = || json!({ "verdict": "approve" });
    let refuse = || json!({ "verdict": "refuse", "reason": "blurred" });
    let cancel = || json!({ "verdict": "cancel", "reason": "asked twice" });
    for (said, outcome) in [
        (
            vec![(&anna, approve(), 200), (&anna, approve(), 409), (&berta, approve(), 200)],
            "USER.DATA_CHANGED",
        ),
        (
            vec![
                (&anna, approve(), 200),
                (&berta, refuse(), 200),
                (&berta, refuse(), 409),
                (&anna, refuse(), 200),
            ],
            "USER.DATA_CHANGE_FAILED",
        ),
        (vec![(&anna, refuse(), 200), (&berta, refuse(), 200)], "USER.DATA_CHANGE_FAILED"),
        (
            vec![(&anna, cancel(), 200), (&anna, cancel(), 409), (&berta, cancel(), 200)],
            "USER.DATA_CHANGE_FAILED",
        ),
    ] {
        ask(&app, &user, &example("name")).await;
        let subject = id(&anna.queue().await[0]["matter"]).to_owned();
        let before = app.told(1).await.len();
        let (mut agreed, count) = (0, said.len());
        for (at, (officer, body, expected)) in said.into_iter().enumerate() {
            assert_eq!(anna.queue().await.len(), 1, "until somebody else has said so");
            assert_eq!(officer.say(&user, &subject, body).await.status, expected, "step {at} of {count}");
            run_due(app.app()).await.unwrap();
            agreed += usize::from(expected == 200);
        }
        let told = app.told(1).await;
        assert_eq!(told.len(), before + agreed + 1, "each on record, and one outcome");
        assert_eq!(told.last().unwrap().kind, outcome);
        assert!(anna.queue().await.is_empty());
    }
}

#[tokio::test]
async fn checks_are_decided_like_changes() {
    let (app, anna, _) = reviewed().await;
    app.set("activation_requires", json!(["checks"])).await;
    let user = app.client().created(&bodies::everything()).await;
    let target = format!("/users/{}/checks", id(&user));
    app.client().request("POST", &target).json(&example("kyc")).send().await;
    run_due(app.app()).await.unwrap();
    let fit: Value =
        serde_json::from_str(include_str!("../../../../api/examples/create-check-instrument-fit.json"))
            .unwrap();
    app.client().request("POST", &target).json(&fit).send().await;
    let kyc = anna.queue().await;
    assert_eq!((kyc.len(), &kyc[0]["matter"]["type"], &kyc[0]["kind"]), (1, &json!("KYC"), &json!("check")));
    anna.say(&user, id(&kyc[0]["matter"]), json!({ "verdict": "approve" })).await.ok();
    run_due(app.app()).await.unwrap();
    assert_eq!(status(app.client(), &user).await, "INACTIVE");
    // Then somebody has to look whether the law is against it.
    let compliance = anna.queue().await;
    assert_eq!((compliance.len(), &compliance[0]["matter"]["type"]), (1, &json!("COMPLIANCE")));
    anna.say(
        &user,
        id(&compliance[0]["matter"]),
        json!({ "verdict": "approve", "reason": "not on any list" }),
    )
    .await
    .ok();
    run_due(app.app()).await.unwrap();
    assert_eq!(status(app.client(), &user).await, "ACTIVE");
    let shown = anna.get(&format!("/tenants/main/users/{}", id(&user))).await.ok();
    assert_eq!(shown["checks"][0]["decided_by"], "operator:anna");
    // Of somebody who leaves nothing new is asked, and nothing holds them up.
    let leaver = app.client().created(&bodies::everything()).await;
    app.client()
        .request("POST", &format!("/users/{}/checks", id(&leaver)))
        .json(&example("kyc"))
        .send()
        .await;
    delete_user(app.client(), &leaver).await;
    anna.say(&leaver, id(&anna.queue().await[0]["matter"]), json!({ "verdict": "approve" })).await.ok();
    run_due(app.app()).await.unwrap();
    assert_eq!(status(app.client(), &leaver).await, "OFFBOARDED");
}

#[tokio::test]
async fn a_deactivated_user_stays_so_until_somebody_undoes_it() {
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", "compliance support", None).await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let since = app.told(1).await.len();
    anna.act(&user, "deactivate").await.ok();
    anna.act(&user, "deactivate").await.ok();
    assert_eq!(status(client, &user).await, "INACTIVE");
    // Nothing that arrives activates them, and what is opened waits.
    let target = format!("/users/{}/data_change_requests", id(&user));
    client.request("POST", &target).json(&json!({ "last_name": "Other" })).send().await;
    run_due(app.app()).await.unwrap();
    let group = json!({ "user_id": user["id"], "type": "PERSONAL" });
    assert_eq!(client.post("/account_groups").json(&group).send().await.ok()["status"], "PENDING_APPROVAL");
    assert_eq!(status(client, &user).await, "INACTIVE");
    anna.act(&user, "reactivate").await.ok();
    assert_eq!(status(client, &user).await, "ACTIVE");
    let kinds: Vec<String> = app.told(1).await.into_iter().skip(since).map(|told| told.kind).collect();
    let expected = [
        "USER.DEACTIVATED",
        "OPERATOR.ACTION",
        "OPERATOR.ACTION",
        "USER.DATA_CHANGED",
        "ACCOUNT_GROUP.CREATED",
        "USER.ACTIVATED",
        "ACCOUNT_GROUP.ACTIVATED",
        "OPERATOR.ACTION",
    ];
    assert_eq!(kinds, expected);
    let told = app.told(1).await;
    let action = &told[since + 1].object;
    let state = |status: &str, suspended: bool| {
        let mut state = json!({ "deactivation_waits_until": null, "offboarding": null });
        (state["status"], state["suspended"]) = (status.into(), suspended.into());
        state
    };
    assert_eq!([&action["old"], &action["new"]], [&state("ACTIVE", false), &state("INACTIVE", true)]);
    assert_eq!(action["reason"], "because");
    // Who waits for an identifier and is held back does not become active by it.
    let waiting = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
    anna.act(&waiting, "deactivate").await.ok();
    let pesel = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" });
    client.post(&format!("/users/{}/identifiers", id(&waiting))).json(&pesel).send().await.ok();
    assert_eq!(status(client, &waiting).await, "INACTIVE");
    anna.act(&waiting, "reactivate").await.ok();
    assert_eq!(status(client, &waiting).await, "ACTIVE");
    // There is no way back from leaving.
    delete_user(client, &user).await;
    for action in ["deactivate", "reactivate"] {
        anna.act(&user, action).await.refused("conflict");
    }
    assert_eq!(anna.act(&user, "promote").await.faults(), ["action"]);
    let target = format!("/tenants/main/users/{}/actions", id(&user));
    assert_eq!(anna.post(&target, json!({ "action": "deactivate" })).await.faults(), ["reason"]);
    anna.post(&target.replace(id(&user), UNKNOWN), json!({ "action": "deactivate", "reason": "x" }))
        .await
        .refused("not_found");
}

async fn delete_user(client: &Client, user: &Value) {
    assert_eq!(client.request("DELETE", &format!("/users/{}", id(user))).send().await.status, 202);
}

#[tokio::test]
async fn an_offboarding_is_held_released_and_finished() {
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", "compliance support", None).await;
    let client = app.client();
    let run = async || run_due(app.app()).await.unwrap();
    app.set("offboarding_waits_for", json!(["operator"])).await;
    let user = client.created(&bodies::karl()).await;
    anna.act(&user, "finish_offboarding").await.refused("conflict");
    delete_user(client, &user).await;
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDING");
    anna.act(&user, "finish_offboarding").await.ok();
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDED");

    app.set("offboarding_waits_for", json!([])).await;
    app.set("offboarding_delay_seconds", 60).await;
    let user = client.created(&bodies::karl()).await;
    let group = json!({ "user_id": user["id"], "type": "PERSONAL" });
    let group = client.post("/account_groups").json(&group).send().await.ok();
    delete_user(client, &user).await;
    anna.act(&user, "finish_offboarding").await.refused("conflict");
    client.request("DELETE", &format!("/account_groups/{}", id(&group))).send().await;
    run().await;
    let held = anna.act(&user, "hold_offboarding").await.ok();
    let offboarding = |side: &str| held[side]["offboarding"]["held"].clone();
    assert_eq!((offboarding("old"), offboarding("new")), (json!(false), json!(true)));
    app.pass(100);
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDING");
    anna.act(&user, "release_offboarding").await.ok();
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDED");
    // Before its time, because somebody says so.
    let user = client.created(&bodies::karl()).await;
    delete_user(client, &user).await;
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDING");
    anna.act(&user, "finish_offboarding").await.ok();
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDED");
}

#[tokio::test]
async fn with_four_eyes_another_operator_ends_a_hold() {
    let app = TestApp::start().await;
    app.set("four_eyes", true).await;
    let anna = officer(&app, "anna", "compliance", None).await;
    let berta = officer(&app, "berta", "compliance", None).await;
    for action in ["release_offboarding", "finish_offboarding"] {
        let user = app.client().created(&bodies::karl()).await;
        app.set("offboarding_delay_seconds", 60).await;
        delete_user(app.client(), &user).await;
        anna.act(&user, "hold_offboarding").await.ok();
        anna.act(&user, action).await.refused("forbidden");
        berta.act(&user, action).await.ok();
    }
    // What is not held has no holder.
    let user = app.client().created(&bodies::karl()).await;
    delete_user(app.client(), &user).await;
    anna.act(&user, "finish_offboarding").await.ok();
}

#[tokio::test]
async fn nobody_decides_with_an_account_of_their_own_making() {
    let (app, anna, _) = reviewed().await;
    app.set("four_eyes", true).await;
    let chief = officer(&app, "chief", "administrator compliance", None).await.signed_in("chief").await;
    let user = app.client().created(&bodies::everything()).await;
    ask(&app, &user, &example("name")).await;
    let subject = id(&anna.queue().await[0]["matter"]).to_owned();
    let grants = json!([{ "role": "compliance" }]);
    let new = json!({ "name": "puppet", "grants": grants, "reason": "new here" });
    let invited = chief.post("/operators", new).await.ok();
    accept(&chief, invited["shown_once"]["invitation"].as_str().unwrap(), PASSWORD).await.ok();
    let begun = chief.post("/sessions", json!({ "name": "puppet", "password": PASSWORD })).await.ok();
    let puppet = chief.with_token(begun["token"].as_str().unwrap());
    let approve = || json!({ "verdict": "approve" });
    chief.say(&user, &subject, approve()).await.ok();
    puppet.say(&user, &subject, approve()).await.refused("forbidden");
    let problem = anna.say(&user, &subject, approve()).await.refused("forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("access token"), "a script is nobody's second");
    anna.signed_in("anna").await.say(&user, &subject, approve()).await.ok();
}

#[tokio::test]
async fn a_deactivation_takes_two_operators_if_the_tenant_wants_that() {
    let mut app = TestApp::start().await;
    app.set("deactivation_takes_two", true).await;
    let script = officer(&app, "anna", "compliance", None).await;
    let (anna, berta_script) =
        (script.signed_in("anna").await, officer(&app, "berta", "compliance", None).await);
    let berta = berta_script.signed_in("berta").await;
    let user = app.client().created(&bodies::karl()).await;
    assert_eq!(status(app.client(), &user).await, "ACTIVE");
    anna.act(&user, "withdraw_deactivation").await.refused("conflict");
    assert_eq!(anna.act(&user, "ask_deactivation").await.faults(), ["action"], "that is what is recorded");
    let asked = anna.act(&user, "deactivate").await.ok();
    assert_eq!(asked["action"], "ask_deactivation");
    assert_eq!(status(app.client(), &user).await, "ACTIVE");
    for alone in [&anna, &script, &berta_script] {
        alone.act(&user, "deactivate").await.refused("forbidden");
    }
    // It is among what waits, and either of the two ends it.
    for either in [&anna, &berta] {
        let [waits] = &berta.queue().await[..] else { panic!("one waits") };
        let shown = [&waits["kind"], &waits["id"], &waits["user_id"]];
        assert_eq!(shown, [&json!("deactivation"), &user["id"], &user["id"]]);
        assert_eq!(waits["matter"]["asked_by"], "anna");
        either.act(&user, "withdraw_deactivation").await.ok();
        assert!(berta.queue().await.is_empty());
        anna.act(&user, "deactivate").await.ok();
    }
    assert_eq!(berta.act(&user, "deactivate").await.ok()["action"], "deactivate");
    assert_eq!(status(app.client(), &user).await, "INACTIVE");
    assert!(berta.queue().await.is_empty());
    // What nobody confirms ends after three days; then it begins anew.
    anna.act(&user, "reactivate").await.ok();
    anna.act(&user, "deactivate").await.ok();
    app.pass(72 * 3600 + 1);
    run_due(app.app()).await.unwrap();
    app.client_mut().renew().await;
    let berta = berta_script.signed_in("berta").await;
    assert!(berta.queue().await.is_empty());
    assert_eq!(berta.act(&user, "deactivate").await.ok()["action"], "ask_deactivation");
    assert_eq!(status(app.client(), &user).await, "ACTIVE");
    // Nobody is asked about somebody who leaves.
    let user = app.client().created(&bodies::karl()).await;
    app.set("offboarding_delay_seconds", 60).await;
    delete_user(app.client(), &user).await;
    anna.signed_in("anna").await.act(&user, "deactivate").await.refused("conflict");
}

#[tokio::test]
async fn an_outcome_is_ordered_once_and_only_where_that_is_allowed() {
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", "compliance support", None).await;
    let client = app.client();
    let user = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
    let order = async |user: &Value, body: Value| {
        anna.post(&format!("/tenants/main/users/{}/outcomes", id(user)), body).await
    };
    let fails = || json!({ "next": "data-change", "refusal": "because I say so" });
    order(&user, fails()).await.refused("conflict");
    app.set("review_policy", "simulate").await;
    for (body, field) in [
        (json!({}), "next"),
        (json!({ "next": "weather" }), "next"),
        (json!({ "next": "activation" }), "seconds"),
        (json!({ "next": "activation", "seconds": "soon" }), "seconds"),
        (json!({ "next": "check", "seconds": "5" }), "seconds"),
        (json!({ "next": "check", "refusal": "x".repeat(101) }), "refusal"),
    ] {
        assert_eq!(order(&user, body).await.faults(), [field]);
    }
    // The next change alone.
    order(&user, fails()).await.ok();
    for (email, outcome) in
        [("a@example.com", "USER.DATA_CHANGE_FAILED"), ("b@example.com", "USER.DATA_CHANGED")]
    {
        ask(&app, &user, &json!({ "email": email })).await;
        run_due(app.app()).await.unwrap();
        assert_eq!(app.told(1).await.last().unwrap().kind, outcome);
    }
    let failed = app.told(1).await.into_iter().find(|told| told.kind == "USER.DATA_CHANGE_FAILED").unwrap();
    assert_eq!(failed.object["reason"], "because I say so");
    // The next check, here a good one although its address says otherwise.
    let mut kyc = example("kyc");
    kyc["data_download_link"] = json!("https://example.com/fail.zip");
    order(&user, json!({ "next": "check" })).await.ok();
    for status in ["PASSED", "FAILED"] {
        let target = format!("/users/{}/checks", id(&user));
        let answer = client.request("POST", &target).json(&kyc).send().await.json();
        run_due(app.app()).await.unwrap();
        let check = client.get(&format!("{target}/{}", id(&answer))).send().await.ok();
        assert_eq!(check["status"], status);
    }
    // An activation that takes its time, and is told when it has come.
    order(&user, json!({ "next": "activation", "seconds": "40" })).await.ok();
    let pesel = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" });
    client.post(&format!("/users/{}/identifiers", id(&user))).json(&pesel).send().await.ok();
    for (seconds, expected) in [(0, "INACTIVE"), (38, "INACTIVE"), (3, "ACTIVE")] {
        app.pass(seconds);
        run_due(app.app()).await.unwrap();
        assert_eq!(status(client, &user).await, expected, "after {seconds} s more");
    }
    // Somebody who deactivates a user has the last word, whatever was ordered before.
    let held = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
    order(&held, json!({ "next": "activation", "seconds": "40" })).await.ok();
    client.post(&format!("/users/{}/identifiers", id(&held))).json(&pesel).send().await.ok();
    anna.act(&held, "deactivate").await.ok();
    app.pass(100);
    run_due(app.app()).await.unwrap();
    assert_eq!(status(client, &held).await, "INACTIVE");
    anna.act(&held, "reactivate").await.ok();
    assert_eq!(status(client, &held).await, "ACTIVE");
    // An offboarding that is stuck until somebody lets it go.
    order(&user, json!({ "next": "offboarding" })).await.ok();
    delete_user(client, &user).await;
    run_due(app.app()).await.unwrap();
    assert_eq!(status(client, &user).await, "OFFBOARDING");
    anna.act(&user, "release_offboarding").await.ok();
    run_due(app.app()).await.unwrap();
    assert_eq!(status(client, &user).await, "OFFBOARDED");
    assert_eq!(app.number("SELECT count(*) FROM simulated_outcomes"), 0);
}
