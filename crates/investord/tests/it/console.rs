//! The console: who gets which page, and what a browser is told about it. What people do there is walked through in a
//! real browser (`tests-clients/console`).

use investord::domain::permissions::Permission::{
    ClientsRead, OperatorsRead, PeopleRead, RecordRead, ReviewsRead, WebhooksRead,
};
use investord::domain::permissions::{Permission, ROLE_NAMES, of_new_register};
use serde_json::json;
use testing::app::TestApp;
use testing::bodies;

use crate::operators::{UNKNOWN, example, id, officer};

/// The pages, and what they need: in the tenant of the path, or anywhere if the path has none.
#[rustfmt::skip]
const PAGES: [(&str, Option<Permission>); 12] = [
    ("/console/tenants/{tenant}/people/{user}", Some(PeopleRead)),
    ("/console/tenants/{tenant}/people/{user}?show=changes", Some(PeopleRead)),
    ("/console/tenants/{tenant}/queue", Some(ReviewsRead)),
    ("/console/tenants/{tenant}/queue?kind=check", Some(ReviewsRead)),
    ("/console/tenants/{tenant}/webhooks", Some(WebhooksRead)),
    ("/console/tenants/{tenant}/clients", Some(ClientsRead)),
    ("/console/operators", Some(OperatorsRead)),
    ("/console/record", Some(RecordRead)),
    ("/console/proposals", None),
    ("/console/register", None),
    ("/console/me", None),
    ("/console/keyboard", None),
];

#[tokio::test]
async fn every_page_shows_what_the_role_allows_in_its_own_tenant() {
    let app = TestApp::tol().await;
    app.set("review_policy", "review").await;
    app.new_tenant("foreign-house", &[]).await;
    let foreign = app.new_client("foreign-house", "users:admin users:read").await;
    let own_user = app.client().created(&bodies::everything()).await;
    let foreign_user = foreign.created(&bodies::karl()).await;
    let change = format!("/users/{}/data_change_requests", id(&own_user));
    app.client().request("POST", &change).json(&example("name")).send().await;
    for role in ROLE_NAMES {
        for sees_all in [false, true] {
            let name = format!("{role}-{sees_all}");
            let person = officer(&app, &name, role, (!sees_all).then_some("main")).await;
            let person = person.signed_in(&name).await;
            for (page, needed) in PAGES {
                let may = needed.is_none_or(|one| of_new_register(role).unwrap().contains(one));
                // The record is that of the register itself.
                let may = may && (sees_all || needed != Some(RecordRead));
                for (tenant, user) in
                    [("main", &own_user), ("foreign-house", &foreign_user), ("unknown", &own_user)]
                {
                    let is_visible =
                        !page.contains("{tenant}") || tenant == "main" || (sees_all && tenant != "unknown");
                    let path = page.replace("{tenant}", tenant).replace("{user}", id(user));
                    let answer = person.browse("GET", &path, &[], "").await;
                    let expected = match (is_visible, may) {
                        (true, true) => [200, 200],
                        (true, false) => [403, 404],
                        (false, _) => [404, 403],
                    };
                    assert!(expected.contains(&answer.status), "{name} {path}: {}", answer.status);
                    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
                    let shows_foreign = answer.text().contains("foreign-house") && tenant != "foreign-house";
                    assert!(sees_all || !shows_foreign, "{name} {path} shows another tenant");
                }
            }
        }
    }
}

#[tokio::test]
async fn nobody_sees_a_page_without_a_session() {
    let app = TestApp::start().await;
    let stranger = officer(&app, "anna", "viewer", None).await.with_token("x");
    for (page, _) in PAGES {
        let path = page.replace("{tenant}", "main").replace("{user}", UNKNOWN);
        let answer = stranger.browse("GET", &path, &[], "").await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/console/sign-in")), "{path}");
    }
    let answer = stranger.browse("GET", "/console/sign-in", &[("accept-language", "de")], "").await;
    assert!(answer.text().contains("Anmelden"), "in the language of the browser");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("content-security-policy").unwrap().contains("script-src 'self'"));
}

/// What stands in an address names one thing, whatever it is.
#[tokio::test]
async fn an_address_cannot_reach_beyond_its_page() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::karl()).await;
    let anna = officer(&app, "anna", "compliance", None).await.signed_in("anna").await;
    let people = "/console/tenants/main/people";
    assert_eq!(anna.browse("GET", &format!("{people}/{}", id(&user)), &[], "").await.status, 200);
    for more in ["%3Fshow=all", "%2Fhistory", "%23", "%0A"] {
        let answer = anna.browse("GET", &format!("{people}/{}{more}", id(&user)), &[], "").await;
        assert_eq!(answer.status, 404, "{more}");
    }
    let gone = format!("/console/tenants/main/queue/{UNKNOWN}?kind=check%0d%0ax:y");
    let answer = anna.browse("GET", &gone, &[], "").await;
    assert_eq!(answer.header("location"), Some("/console/tenants/main/queue?kind=all&holder=everybody"));
    let own = [("sec-fetch-site", "same-origin")];
    let answer = anna.browse("POST", "/console/tenants/main%0d%0ax:y/find", &own, "q=x").await;
    assert_eq!((answer.status, answer.header("x")), (404, None));
}

/// A tenant has any name, and its pages are found all the same.
#[tokio::test]
async fn a_tenant_of_any_name_has_its_pages() {
    let app = TestApp::start().await;
    app.new_tenant("House A/B? 100 %#..", &[]).await;
    let anna = officer(&app, "anna", "administrator", None).await.signed_in("anna").await;
    let register = anna.browse("GET", "/console/register", &[], "").await.text().to_owned();
    let links: Vec<&str> = register
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| link.contains("House"))
        .collect();
    assert!(links.len() >= 2, "in the menu of tenants and in the list: {links:?}");
    for link in links {
        let page = anna.browse("GET", link, &[], "").await;
        assert_eq!(page.status, 200, "{link}");
        assert!(page.text().contains("House A/B? 100 %#.."), "{link}");
    }
}

#[tokio::test]
async fn forms_count_from_pages_of_this_origin_alone() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::karl()).await;
    let anna = officer(&app, "anna", "compliance", None).await.signed_in("anna").await;
    let act = format!("/console/tenants/main/people/{}/act", id(&user));
    let body = "action=deactivate&reason=because";
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost"), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
    ] {
        assert_eq!(anna.browse("POST", &act, headers, body).await.status, 403, "{headers:?}");
    }
    assert!(anna.history(&user).await.iter().all(|event| event["type"] != "OPERATOR.ACTION"));
    let answer = anna.browse("POST", &act, &[("sec-fetch-site", "same-origin")], body).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(anna.history(&user).await.last().unwrap()["object"]["action"], "deactivate");
}

#[tokio::test]
async fn a_search_is_shown_to_its_own_session_for_a_while() {
    let app = TestApp::start().await;
    app.client().created(&bodies::karl()).await;
    let anna = officer(&app, "anna", "support", None).await.signed_in("anna").await;
    let other = officer(&app, "berta", "support", None).await.signed_in("berta").await;
    let own = [("sec-fetch-site", "same-origin")];
    let begun = anna.browse("POST", "/console/tenants/main/find", &own, "q=Schmidt+30.9.1972").await;
    let place = begun.header("location").unwrap().to_owned();
    assert!(!place.contains("Schmidt") && !place.contains("1972"), "{place}");
    let shown = anna.browse("GET", &place, &[], "").await;
    assert!(shown.text().contains("Karl Schmidt"), "{}", shown.text());
    assert_eq!(other.browse("GET", &place, &[], "").await.status, 303, "to nobody else");
    app.pass(15 * 60);
    let again = anna.browse("GET", &place, &[], "").await;
    assert_eq!(again.status, 303, "it has ended");
}

#[tokio::test]
async fn a_dangerous_deed_asks_for_a_proof_and_is_done_after_it() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    let own = [("sec-fetch-site", "same-origin")];
    app.pass(11 * 60);
    let change = "tenant=main&setting=four_eyes&value=true&reason=grown";
    let asked = chief.browse("POST", "/console/register/settings", &own, change).await;
    let again = asked.text().split("name=\"again\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let four_eyes = async || chief.get("/tenants").await.ok()["data"][0]["settings"]["four_eyes"].clone();
    assert_eq!(four_eyes().await, json!(false));
    let prove = async |password: &str| {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("again", again)
            .append_pair("password", password)
            .finish();
        chief.browse("POST", "/console/prove", &own, &body).await
    };
    assert_eq!(prove("wrong wrong wrong").await.status, 400);
    assert_eq!(four_eyes().await, json!(false));
    let done = prove(crate::operators::PASSWORD).await;
    assert_eq!(done.header("location"), Some("/console/register?done=acted"), "{}", done.text());
    assert_eq!(four_eyes().await, json!(true));
    // A page that was left open does it for nobody else.
    let other = officer(&app, "other", "viewer", None).await.signed_in("other").await;
    let body = format!("again={again}&password=x");
    assert_eq!(other.browse("POST", "/console/prove", &own, &body).await.status, 409);
}
