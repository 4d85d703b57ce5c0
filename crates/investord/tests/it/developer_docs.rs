//! The pages for developers: every link leads somewhere, the reference has every operation, and nothing runs in them.

use std::collections::{BTreeMap, BTreeSet};

use testing::app::TestApp;

/// What stands in an attribute, wherever it stands on the page.
fn attributes(page: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    let values = page.split(&start).skip(1).filter_map(|rest| rest.split('"').next());
    values.map(str::to_owned).collect()
}

/// Every page that can be reached from the first one, by its path.
async fn pages(app: &TestApp) -> BTreeMap<String, String> {
    let (mut found, mut open) = (BTreeMap::new(), vec!["/".to_owned()]);
    while let Some(path) = open.pop() {
        let answer = app.plain("GET", &path).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text().to_owned();
        for link in attributes(&text, "href") {
            assert!(
                link.starts_with(['/', '#']) || link.starts_with("data:"),
                "{path} leads elsewhere: {link}"
            );
            let target = link.split('#').next().unwrap_or_default().to_owned();
            if target.starts_with('/') && !found.contains_key(&target) && !open.contains(&target) {
                open.push(target);
            }
        }
        found.insert(path, text);
    }
    found
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    let app = TestApp::start().await;
    let pages = pages(&app).await;
    for page in [
        "/reference", "/reference/users", "/guides/signing", "/guides/webhooks", "/errors/unauthorised",
        "/readyz",
    ] {
        assert!(pages.contains_key(page), "{page} cannot be reached");
    }
    for (path, text) in &pages {
        for link in attributes(text, "href").iter().filter(|link| link.contains('#') && link.starts_with('/'))
        {
            let (target, anchor) = link.split_once('#').unwrap();
            assert!(attributes(&pages[target], "id").iter().any(|id| id == anchor), "{path}: {link}");
        }
    }
}

#[tokio::test]
async fn the_reference_has_every_operation_and_every_member() {
    let app = TestApp::start().await;
    let document = app.plain("GET", "/openapi.json").await.json();
    let pages = pages(&app).await;
    let reference: String =
        pages.iter().filter(|(path, _)| path.starts_with("/reference/")).map(|(_, text)| &**text).collect();
    let ids: BTreeSet<String> = attributes(&reference, "id").into_iter().collect();
    let operations = ["paths", "webhooks"].map(|member| document[member].as_object().unwrap().values());
    for operation in
        operations.into_iter().flatten().flat_map(|methods| methods.as_object().unwrap().values())
    {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.contains(id), "{id}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in ["CreateUserTol", "Reporting", "WebhookConfig", "VerifyKey", "TaxResidency"] {
        for member in schemas[name]["properties"].as_object().unwrap().keys() {
            let listed =
                [format!(">{member}<"), format!(".{member}<")].iter().any(|end| reference.contains(end));
            assert!(listed, "{name}.{member}");
        }
    }
}

#[tokio::test]
async fn pages_run_nothing_and_ask_nobody() {
    let app = TestApp::start().await;
    for (path, text) in pages(&app).await {
        let answer = app.plain("GET", &path).await;
        if answer.header("content-type") == Some("text/html; charset=utf-8") {
            let policy = answer.header("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self' data:"),
                "{path}: {policy}"
            );
            assert!(!text.contains("<script") && !text.contains(" style="), "{path}");
            assert!(text.contains("<title>") && text.contains("lang=\"en\""), "{path}");
        }
    }
}

#[tokio::test]
async fn programs_are_for_this_server() {
    let app =
        TestApp::with(|options| options.config.public_url = Some("https://register.example".into())).await;
    for file in
        ["first_request.py", "first_request.ts", "FirstRequest.java", "first_request.go", "first_request.sh"]
    {
        let answer = app.plain("GET", &format!("/guides/signing/{file}")).await;
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{file}");
        let text = answer.text().to_owned();
        assert!(text.contains("https://register.example") && !text.contains("investord.example"), "{file}");
    }
    for missing in
        ["/guides/signing/first_request.rb", "/reference/nonsense", "/guides/nonsense", "/assets/console.js"]
    {
        app.plain("GET", missing).await.refused("not_found");
    }
    app.plain("POST", "/guides/webhooks").await.refused("method_not_allowed");
}
