//! The queue of what waits for a decision, and one case of it.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Redirect, Response};
use http::Method;
use investord_console::answers::{List, Review};
use investord_console::frame::{Part, segment};
use investord_console::pages::queue::{BatchPage, Decision, Outcome, Queue, QueueFilter, is_for_batches};
use serde_json::{Value, json};

use super::actions::Action;
use super::forms::Form;
use super::html;
use super::visitor::Visitor;
use crate::problem::Problem;

/// Returns the filter that an address or a form names.
fn filter(form: &Form) -> QueueFilter {
    QueueFilter::new(form.text("kind"), form.text("holder"))
}

async fn waiting(visitor: &Visitor) -> Result<Vec<Review>, Problem> {
    let path = visitor.path("reviews");
    Ok(visitor.api.get::<List<Review>>(&path).await?.data)
}

/// Handles `GET /console/tenants/{tenant}/queue`: lists what waits, the oldest first.
pub async fn list(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let query = Form::of_query(query.as_deref());
    match waiting(&visitor).await {
        Ok(all) => html(&Queue::new(visitor.frame(Part::Queue), filter(&query), all)),
        Err(problem) => visitor.refusal(&problem, "/console"),
    }
}

/// Handles `GET /console/tenants/{tenant}/queue/{subject}`: shows a case with its evidence.
pub async fn show(
    visitor: Visitor,
    Path((_, subject)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let filter = filter(&Form::of_query(query.as_deref()));
    let queue = visitor.frame.of_tenant("queue");
    let all = match waiting(&visitor).await {
        Ok(all) => all,
        Err(problem) => return visitor.refusal(&problem, &queue),
    };
    let is_shown = |one: &Review| filter.shows(one, &visitor.frame.operator) || one.id == subject;
    let all: Vec<_> = all.into_iter().filter(is_shown).collect();
    // Somebody else may have decided it meanwhile.
    let Some(at) = all.iter().position(|one| one.id == subject) else {
        return Redirect::to(&format!("{queue}?{}", filter.query())).into_response();
    };
    let viewer = visitor.path(&format!("users/{}/reviews/{}/viewer", all[at].user_id, all[at].id));
    // Others see that the visitor has it open. The page does without that: the case may just have been decided.
    let _ = visitor.api.send(Method::PUT, &viewer, &Value::Null).await;
    let settings =
        visitor.tenants.iter().find(|one| one.name == visitor.frame.tenant).map(|one| &one.settings);
    let four_eyes = settings.is_some_and(|all| all.get("four_eyes").is_some_and(|value| value == true));
    let is_two = four_eyes || all[at].kind == "deactivation";
    html(&Decision::new(visitor.frame(Part::Queue), filter, &all, at, is_two))
}

/// Handles `POST /console/tenants/{tenant}/queue/{subject}`: records a decision, and opens the next case.
pub async fn decide(visitor: Visitor, Path((_, subject)): Path<(String, String)>, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let (filter, is_approval) = (filter(&form), form.text("verdict") == "approve");
    let person = visitor.path(&format!("users/{}", segment(form.text("user"))));
    let queue = visitor.frame.of_tenant("queue");
    let all = waiting(&visitor).await.unwrap_or_default();
    let shown = |one: &&Review| one.id == subject || filter.shows(one, &visitor.frame.operator);
    let mut rest = all.iter().filter(shown).skip_while(|one| one.id != subject).skip(1);
    let then = match rest.next() {
        Some(next) => format!("{queue}/{}?{}", next.id, filter.query()),
        None => format!("{queue}?{}", filter.query()),
    };
    let done = if is_approval { "approved" } else { "refused" };
    let action = if form.text("matter") == "deactivation" {
        let name = if is_approval { "deactivate" } else { "withdraw_deactivation" };
        let body = json!({ "action": name, "reason": form.text("reason") });
        Action::post(format!("{person}/actions"), body, then, done)
    } else {
        let body = json!({ "verdict": form.text("verdict"), "reason": form.filled("reason") });
        Action::post(format!("{person}/reviews/{}", segment(&subject)), body, then, done)
    };
    action.perform(&visitor, &format!("{queue}/{subject}?{}", filter.query())).await
}

/// Handles `POST /console/tenants/{tenant}/queue`: decides several cases alike, each by a decision of its own.
pub async fn decide_several(visitor: Visitor, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let (chosen, filter): (BTreeSet<_>, _) = (form.all("case").into_iter().collect(), filter(&form));
    let all = match waiting(&visitor).await {
        Ok(all) => all,
        Err(problem) => return visitor.refusal(&problem, &visitor.frame.of_tenant("queue")),
    };
    let verdict = json!({ "verdict": form.text("verdict"), "reason": form.filled("reason") });
    let mut outcomes = Vec::new();
    for review in all.into_iter().filter(|one| chosen.contains(one.id.as_str()) && is_for_batches(one)) {
        let path = visitor.path(&format!("users/{}/reviews/{}", review.user_id, review.id));
        let outcome = match visitor.api.send(Method::POST, &path, &verdict).await {
            Ok(record) if record["new"]["decided"].is_null() => Outcome::NeedsSecond,
            Ok(_) => Outcome::Decided,
            Err(problem) => Outcome::NotDecided(problem.detail()),
        };
        outcomes.push((review, outcome));
    }
    let (is_approval, gone) = (form.text("verdict") == "approve", chosen.len() - outcomes.len());
    html(&BatchPage { frame: visitor.frame(Part::Queue), filter, is_approval, outcomes, gone })
}

/// Handles `POST /console/tenants/{tenant}/queue/{subject}/assignee`: says who is to decide a case.
pub async fn assign(visitor: Visitor, Path((_, subject)): Path<(String, String)>, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let assignee = match form.text("take") {
        "yes" => Some(visitor.frame.operator.as_str()),
        "no" => None,
        _ => form.filled("assignee"),
    };
    let path = visitor.path(&format!("users/{}/reviews", segment(form.text("user"))));
    let page = format!("{}/{subject}?{}", visitor.frame.of_tenant("queue"), filter(&form).query());
    let action = Action::post(
        format!("{path}/{}/assignee", segment(&subject)),
        json!({ "assignee": assignee }),
        page.clone(),
        "assigned",
    );
    action.by(&Method::PUT).perform(&visitor, &page).await
}
