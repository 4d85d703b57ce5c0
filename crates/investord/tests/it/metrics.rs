//! The metrics: every family is described, named by convention, and readable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use investord::store::jobs;
use investord::telemetry::families::{FAMILIES, Kind};
use investord::worker::gauges;
use prometheus_parse::{Scrape, Value as Sample};
use serde_json::Value;
use testing::app::TestApp;
use testing::bodies;
use testing::http::Wire;

use crate::operators::officer;

/// Name and kind of every family that the text declares, each of which must have its help in front.
fn declared(text: &str) -> BTreeMap<String, String> {
    let mut kinds = BTreeMap::new();
    let mut helped = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
            assert!(
                help.ends_with('.') || name == "investord_build_info" || help.contains("Unix time"),
                "{line}"
            );
            helped.insert(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(helped.contains(name), "{name} has no help");
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
        } else if !line.is_empty() {
            let name: String =
                line.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = family.filter(|family| kinds.contains_key(*family)).unwrap_or(&name);
            assert!(kinds.contains_key(family), "{line} belongs to no family");
        }
    }
    kinds
}

#[tokio::test]
async fn what_is_published_is_described_and_can_be_parsed() {
    let app = TestApp::with(|options| {
        options.settings = vec![("model", "TOL".into()), ("review_policy", "review".into())];
        options.worker = false;
    })
    .await;
    officer(&app, "anna", "viewer", None).await.get("/tenants").await.ok();
    let user = app.client().created(&bodies::everything()).await;
    let change: Value =
        serde_json::from_str(include_str!("../../../../api/examples/change-name.json")).unwrap();
    let target = format!("/users/{}/data_change_requests", user["id"].as_str().unwrap());
    app.client().request("POST", &target).json(&change).send().await;
    // One that is due, too.
    let email: Value =
        serde_json::from_str(include_str!("../../../../api/examples/change-email.json")).unwrap();
    let other = app.client().created(&bodies::everything()).await;
    let target = format!("/users/{}/data_change_requests", other["id"].as_str().unwrap());
    app.client().request("POST", &target).json(&email).send().await;
    let mut bad = app.client().get("/users").sign();
    bad = bad.set("signature", "sig1=:AAAA:");
    bad.send().await;
    gauges::publish(app.app()).await.unwrap();
    let now = app.app().clock.now();
    let waiting = app.app().store.read("test", move |tx| jobs::count_waiting(tx, now)).await.unwrap();
    assert_eq!((waiting.reviews, waiting.due), (1, 1));

    let metrics = app.app().config.metrics_address().resolve().unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
    let text = Wire::to(metrics).raw(request, false).await.expect("an answer").text().to_owned();
    let kinds = declared(&text);
    for (name, kind) in &kinds {
        let known = FAMILIES.iter().find(|family| family.name == name);
        let known = known.unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(known.kind.into_str(), kind, "{name}");
    }
    for name in [
        "investord_requests_total",
        "investord_request_seconds",
        "investord_signatures_refused_total",
        "investord_store_batch_units",
        "investord_reviews_pending",
        "investord_jobs_due",
        "investord_build_info",
        "process_start_time_seconds",
    ] {
        assert!(kinds.contains_key(name), "{name} is missing: {text}");
    }
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let build = scrape.samples.iter().find(|sample| sample.metric == "investord_build_info").unwrap();
    assert_eq!(
        (build.labels.get("version"), &build.value),
        (Some(env!("CARGO_PKG_VERSION")), &Sample::Gauge(1.0))
    );
    for family in FAMILIES.iter().filter(|family| kinds.contains_key(family.name)) {
        let own: Vec<_> = scrape.samples.iter().filter(|sample| sample.metric == family.name).collect();
        assert!(!own.is_empty(), "{} has no sample", family.name);
        for sample in own {
            let labels: BTreeSet<&str> =
                sample.labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
            assert_eq!(labels, family.labels.iter().copied().collect(), "{}", family.name);
        }
    }
}

/// Names of families in the source: what is counted anywhere is in the table, and nothing else is.
#[test]
fn the_table_is_that_of_the_code_and_of_the_manual() {
    fn files(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    files(&root.join("src"), &mut sources);
    let mut used = BTreeSet::new();
    for kind in [Kind::Counter, Kind::Gauge, Kind::Histogram] {
        let call = format!("metrics::{}!(", kind.into_str());
        for source in &sources {
            for rest in source.split(&call).skip(1) {
                let name = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                used.insert((name.expect("a literal name").to_owned(), kind.into_str()));
            }
        }
    }
    let known: BTreeSet<_> =
        FAMILIES.iter().map(|family| (family.name.to_owned(), family.kind.into_str())).collect();
    assert_eq!(known, used);
    let manual = std::fs::read_to_string(root.join("../../docs/operating.md")).unwrap();
    for family in FAMILIES {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind) = (family.name, family.kind.into_str());
        let row = format!("| `{name}` | {kind} | {} | {} |", labels.join(", "), family.help);
        assert!(manual.contains(&row), "docs/operating.md lacks the row\n{row}");
        let by_convention = match family.kind {
            Kind::Counter => name.ends_with("_total"),
            Kind::Gauge | Kind::Histogram => !name.ends_with("_total"),
        };
        assert!(
            by_convention && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'),
            "{name}"
        );
    }
}
