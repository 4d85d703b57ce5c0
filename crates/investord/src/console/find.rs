//! The search for people. What was typed is posted, and the address of the result is sealed: it holds no names.

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use investord_console::answers::{Found, Person};
use investord_console::frame::Part;
use investord_console::pages::find::{Find, SearchTerm, near, parse_query};
use jiff::SignedDuration;

use super::forms::Form;
use super::html;
use super::visitor::Visitor;
use crate::problem::Problem;

/// How long the address of a result shows it.
const SHOWN_FOR: SignedDuration = SignedDuration::from_mins(15);

/// Handles `GET /console`: leads to the first page.
pub async fn home(visitor: Visitor) -> Response {
    let path = match visitor.frame.tenants.first() {
        Some(tenant) => visitor.frame.in_tenant(tenant, "find"),
        None => "/console/proposals".to_owned(),
    };
    Redirect::to(&path).into_response()
}

/// Handles `GET /console/tenants/{tenant}/find`: shows the box.
pub async fn empty(visitor: Visitor) -> Response {
    page(&visitor, String::new(), String::new(), None)
}

/// Handles `POST /console/tenants/{tenant}/find`: leads to the result.
pub async fn begin(visitor: Visitor, body: Bytes) -> Response {
    let query: String = Form::parse(&body).text("q").chars().take(500).collect();
    let handle = visitor.seal(query, SHOWN_FOR);
    Redirect::to(&visitor.frame.of_tenant(&format!("find/{handle}"))).into_response()
}

/// Handles `GET /console/tenants/{tenant}/find/{handle}`: shows who was found.
pub async fn show(visitor: Visitor, Path((_, handle)): Path<(String, String)>) -> Response {
    let Some(query) = visitor.open::<String>(&handle) else {
        return Redirect::to(&visitor.frame.of_tenant("find")).into_response();
    };
    match search(&visitor, &query).await {
        Ok((found, near)) => page(&visitor, query, String::new(), Some((found, near))),
        Err(problem @ Problem::InvalidRequest(_)) => page(&visitor, query, problem.detail(), None),
        Err(problem) => visitor.refusal(&problem, &visitor.frame.of_tenant("find")),
    }
}

/// Returns who was found, and whom all but the name fits, if that is similar: callers are misheard.
async fn search(visitor: &Visitor, query: &str) -> Result<(Found, Vec<Person>), Problem> {
    let path = |wanted: &[SearchTerm]| visitor.path(&format!("users?{}", parameters(wanted)));
    let all = parse_query(query);
    let found: Found = visitor.api.get(&path(&all)).await?;
    let (names, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.field == "name");
    let Some(name) = names.first().filter(|_| !others.is_empty()) else { return Ok((found, Vec::new())) };
    let mut candidates = visitor.api.get::<Found>(&path(&others)).await?.data;
    candidates.retain(|one| found.data.iter().all(|known| known.id != one.id));
    Ok((found, near(name.value.as_str().unwrap_or_default(), candidates)))
}

/// Returns what was understood, as the parameters of a search.
fn parameters(understood: &[SearchTerm]) -> String {
    let mut wanted = form_urlencoded::Serializer::new(String::new());
    for one in understood {
        wanted.append_pair(one.field, one.value.as_str().unwrap_or_default());
    }
    wanted.finish()
}

fn page(visitor: &Visitor, query: String, fault: String, found: Option<(Found, Vec<Person>)>) -> Response {
    let (found, near) = found.map_or_else(|| (None, Vec::new()), |(found, near)| (Some(found), near));
    let mut frame = visitor.frame(Part::Find);
    // Forms for language and theme come back without the result.
    frame.path = frame.of_tenant("find");
    html(&Find { frame, understood: parse_query(&query), query, fault, found, near })
}
