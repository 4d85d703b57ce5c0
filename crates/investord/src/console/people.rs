//! The page of a person, and what is done to them.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use investord_console::answers::{History, Overview};
use investord_console::frame::{Part, segment};
use investord_console::pages::person::{PersonPage, TimelineFilter, possible_actions};
use serde_json::json;

use super::actions::Action;
use super::forms::Form;
use super::html;
use super::visitor::Visitor;

/// Handles `GET /console/tenants/{tenant}/people/{user}`: shows a person.
pub async fn show(
    visitor: Visitor,
    Path((_, user)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Form::of_query(query.as_deref());
    let (show, after) =
        (TimelineFilter::of_name(query.text("show")), query.text("after").parse().unwrap_or(0_i64));
    let path = visitor.path(&format!("users/{}", segment(&user)));
    let read = async {
        let overview: Overview = visitor.api.get(&path).await?;
        let history: History = visitor.api.get(&format!("{path}/history?after={after}")).await?;
        Ok((overview, history))
    };
    match read.await {
        Ok((overview, History { data, next })) => {
            let mut entries: Vec<_> = data.into_iter().filter(|entry| show.has(entry)).collect();
            entries.reverse();
            let (frame, actions) = (visitor.frame(Part::Find), possible_actions(&overview));
            html(&PersonPage { frame, overview, actions, show, entries, next })
        }
        Err(problem) => visitor.refusal(&problem, &visitor.frame.of_tenant("find")),
    }
}

/// Handles `POST /console/tenants/{tenant}/people/{user}/reveal`: unmasks a person for a while.
pub async fn reveal(visitor: Visitor, Path((_, user)): Path<(String, String)>, body: Bytes) -> Response {
    let (form, page) = (Form::parse(&body), visitor.frame.of_tenant(&format!("people/{}", segment(&user))));
    let body = json!({ "purpose": form.text("purpose"), "reference": form.filled("reference") });
    let path = visitor.path(&format!("users/{}/reveals", segment(&user)));
    let back = form.back(&page);
    Action::post(path, body, back, "revealed").perform(&visitor, back).await
}

/// Handles `POST /console/tenants/{tenant}/people/{user}/act`: does something to a person.
pub async fn act(visitor: Visitor, Path((_, user)): Path<(String, String)>, body: Bytes) -> Response {
    let (form, page) = (Form::parse(&body), visitor.frame.of_tenant(&format!("people/{}", segment(&user))));
    let body = json!({ "action": form.text("action"), "reason": form.text("reason") });
    let path = visitor.path(&format!("users/{}/actions", segment(&user)));
    Action::post(path, body, page.clone(), "acted").perform(&visitor, &page).await
}
