//! The pages behind the `type` of a problem (RFC 9457).

use std::fmt::Write;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Html;
use serde_json::json;

use crate::api::openapi::operation_doc::{OperationDoc, PayloadDoc, SERVER};
use crate::problem::Problem;
use crate::problem::kinds::{KINDS, OPERATOR_KINDS, ProblemKind};

/// The response of both operations.
const HTML: PayloadDoc = PayloadDoc {
    description: "A page.",
    media: "text/html",
    schema: |_| json!({ "type": "string" }),
    examples: &[],
};

/// Documentation of [`index`] for the OpenAPI document.
pub const INDEX: OperationDoc = OperationDoc {
    tag: SERVER,
    id: "list_problems",
    summary: "All kinds of problems",
    description: "A page that names every kind of problem.",
    parameters: Vec::new,
    request: None,
    answer: HTML,
};

/// Returns the kinds of problems of both APIs.
fn all_kinds() -> impl Iterator<Item = &'static ProblemKind> {
    KINDS.into_iter().chain(OPERATOR_KINDS)
}

/// Handles `GET /errors`: returns the list of all kinds of problems.
pub async fn index() -> Html<String> {
    let mut list = String::from("<ul>");
    for ProblemKind { slug, status, title, .. } in all_kinds() {
        let _ = write!(list, r#"<li><a href="/errors/{slug}">{title}</a> ({})</li>"#, status.as_u16());
    }
    html("Problems", &(list + "</ul>"))
}

/// Documentation of [`page`] for the OpenAPI document.
pub const PAGE: OperationDoc = OperationDoc {
    tag: SERVER,
    id: "explain_problem",
    summary: "A kind of problem",
    description: "The page behind the `type` of a problem: what it means and what to do.",
    parameters: || {
        let slugs: Vec<&str> = all_kinds().map(|kind| kind.slug).collect();
        vec![json!({
            "name": "slug", "in": "path", "required": true, "description": "Last segment of the `type`.",
            "schema": { "type": "string", "enum": slugs },
        })]
    },
    request: None,
    answer: HTML,
};

/// Handles `GET /errors/{slug}`: returns the page of one kind of problem.
///
/// # Errors
///
/// Fails with 404 for an unknown slug.
pub async fn page(path: Result<Path<String>, PathRejection>) -> Result<Html<String>, Problem> {
    let Ok(Path(slug)) = path else { return Err(Problem::NotFound("page")) };
    let kind = all_kinds().find(|kind| kind.slug == slug).ok_or(Problem::NotFound("page"))?;
    let paragraphs = format!("<p>{}</p>", kind.help.join("</p><p>"));
    let status = kind.status.as_u16();
    let head = format!("<p>Status {status}, type <code>…/{slug}</code></p>");
    Ok(html(kind.title, &(head + &paragraphs + r#"<p><a href="/errors">All problems</a></p>"#)))
}

/// Returns a complete page. Title and content come from constants, so that nothing has to be escaped.
fn html(title: &str, content: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · Investord</title>\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}}\
         code{{background:#8882;padding:.1em .3em;border-radius:.2em}}</style>\
         <h1>{title}</h1>{content}</html>"
    ))
}
