//! The register itself: proposals, record, tenants and operators.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use http::Method;
use investord_console::answers::{Access, List, Proposal, Record, Role};
use investord_console::frame::{Part, segment};
use investord_console::pages::register::{Operators, Proposals, RecordPage, Register};
use serde_json::{Value, json};

use super::actions::Action;
use super::forms::Form;
use super::html;
use super::visitor::Visitor;
use crate::problem::Problem;

/// Handles `GET /console/proposals`: lists what waits for a second person.
pub async fn proposals(visitor: Visitor) -> Response {
    match visitor.api.get::<List<Proposal>>("/proposals").await {
        Ok(list) => {
            let (frame, proposals) = (visitor.frame(Part::Proposals), list.data);
            html(&Proposals { frame, proposals, shown_once: Vec::new() })
        }
        Err(problem) => visitor.refusal(&problem, "/console"),
    }
}

/// Handles `POST /console/proposals/{proposal}/{verb}`: confirms, withdraws or reviews.
pub async fn decide(
    visitor: Visitor,
    Path((proposal, verb)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let (page, path) = ("/console/proposals", format!("/proposals/{}", segment(&proposal)));
    let action = match verb.as_str() {
        "confirm" => Action::post(format!("{path}/confirmation"), Value::Null, page, "confirmed"),
        "withdraw" => Action::post(path, Value::Null, page, "withdrawn").by(&Method::DELETE),
        "review" => {
            let body = json!({ "finding": Form::parse(&body).text("finding") });
            Action::post(format!("{path}/review"), body, page, "reviewed")
        }
        _ => return visitor.refusal(&Problem::NotFound("page"), page),
    };
    action.perform(&visitor, page).await
}

/// Number of events on a page of the record.
const PAGE: i64 = 200;

/// Handles `GET /console/record`: lists what was done to the register, the newest first.
pub async fn record(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let query = Form::of_query(query.as_deref());
    let before: i64 = query.text("before").parse().unwrap_or(i64::MAX);
    let read = async {
        let Record { last, .. } = visitor.api.get("/register/events?limit=1").await?;
        // The numbers are dense, so the page before one is known.
        let end = before.clamp(1, last + 1);
        let after = (end - 1 - PAGE).max(0);
        let limit = (end - 1 - after).max(1);
        visitor.api.get::<Record>(&format!("/register/events?after={after}&limit={limit}")).await
    };
    match read.await {
        Ok(Record { data, .. }) => {
            html(&RecordPage::new(visitor.frame(Part::Record), query.text("show"), data))
        }
        Err(problem) => visitor.refusal(&problem, "/console"),
    }
}

/// Handles `GET /console/register`: lists tenants and their settings.
pub async fn tenants(visitor: Visitor) -> Response {
    html(&Register { frame: visitor.frame(Part::Register), tenants: visitor.tenants })
}

/// Handles `POST /console/register/settings`: asks to change a setting of a tenant.
pub async fn change_setting(visitor: Visitor, body: Bytes) -> Response {
    let (form, page) = (Form::parse(&body), "/console/register");
    let value = setting_value(form.text("value"));
    let body = json!({ "settings": { form.text("setting"): value }, "reason": form.text("reason") });
    let path = format!("/tenants/{}/settings", segment(form.text("tenant")));
    Action::post(path, body, page, "acted").by(&Method::PATCH).perform(&visitor, page).await
}

/// Returns the value of a setting as it is typed: JSON where it is some, otherwise a word.
fn setting_value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Handles `POST /console/register/tenants`: asks to create a tenant.
pub async fn create_tenant(visitor: Visitor, body: Bytes) -> Response {
    let (form, page) = (Form::parse(&body), "/console/register");
    let settings = json!({ "model": form.text("model") });
    let body = json!({ "name": form.text("name"), "settings": settings, "reason": form.text("reason") });
    Action::post("/tenants".into(), body, page, "acted").perform(&visitor, page).await
}

/// Handles `GET /console/operators`: lists who may what.
pub async fn operators(visitor: Visitor) -> Response {
    let read = async {
        let operators = visitor.api.get::<List<Access>>("/access").await?.data;
        let roles = visitor.api.get::<List<Role>>("/roles").await?.data;
        Ok((operators, roles.into_iter().map(|role| role.name).collect()))
    };
    match read.await {
        Ok((operators, roles)) => html(&Operators { frame: visitor.frame(Part::Register), operators, roles }),
        Err(problem) => visitor.refusal(&problem, "/console/register"),
    }
}

/// Handles `POST /console/operators`: asks to create an operator.
pub async fn create_operator(visitor: Visitor, body: Bytes) -> Response {
    let (form, page) = (Form::parse(&body), "/console/operators");
    let mut grant = json!({ "role": form.text("role") });
    match (form.text("reach"), form.text("reach").strip_prefix("tenant:")) {
        ("all", _) => {}
        (_, tenant) => grant["tenant"] = tenant.unwrap_or_default().into(),
    }
    let body = json!({ "name": form.text("name"), "grants": [grant], "reason": form.text("reason") });
    Action::post("/operators".into(), body, page, "acted").perform(&visitor, page).await
}

/// Handles `POST /console/operators/{name}/keep`: reviews what an operator may do, and lets it remain.
pub async fn keep_access(visitor: Visitor, Path(name): Path<String>, body: Bytes) -> Response {
    let page = "/console/operators";
    let body = json!({ "decision": "keep", "reason": Form::parse(&body).text("reason") });
    let path = format!("/operators/{}/access_review", segment(&name));
    Action::post(path, body, page, "reviewed").perform(&visitor, page).await
}

/// Handles `POST /console/operators/disable`: asks to disable an operator.
pub async fn disable_operator(visitor: Visitor, body: Bytes) -> Response {
    let (form, page) = (Form::parse(&body), "/console/operators");
    let body = json!({ "disabled": true, "reason": form.text("reason") });
    let path = format!("/operators/{}/disabled", segment(form.text("name")));
    Action::post(path, body, page, "acted").by(&Method::PUT).perform(&visitor, page).await
}
