//! The pages for developers: what this is, the reference, guides, and the `type` of a problem (RFC 9457).

use std::sync::LazyLock;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header;
use investord_console::assets::STYLE;
use investord_console::developer_docs::reference::Reference;
use investord_console::developer_docs::{
    self as pages, GroupPage, Guide, Home, ProblemKindPage, ProblemsPage, ReferencePage, SNIPPETS, Site,
    markdown,
};
use serde_json::json;

use crate::api::openapi::operation_doc::{OperationDoc, PayloadDoc, SERVER};
use crate::app::App;
use crate::problem::Problem;
use crate::problem::kinds::{KINDS, OPERATOR_KINDS, ProblemKind};

/// Forbids pages everything but their own stylesheet and inline images.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'none'";
/// How long browsers may keep a page: nothing on it changes but with the version of the server.
const KEPT: &str = "public, max-age=300";

/// The response of the operations that answer with a page.
const HTML: PayloadDoc = PayloadDoc {
    description: "A page.",
    media: "text/html",
    schema: |_| json!({ "type": "string" }),
    examples: &[],
};

/// Documentation of [`problems`] for the OpenAPI document.
pub const PROBLEMS: OperationDoc = OperationDoc {
    tag: SERVER,
    id: "list_problems",
    summary: "All kinds of problems",
    description: "A page that names every kind of problem.",
    parameters: Vec::new,
    request: None,
    answer: HTML,
};

/// Documentation of [`problem`] for the OpenAPI document.
pub const PROBLEM: OperationDoc = OperationDoc {
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

/// Returns the routes of the pages that the OpenAPI document does not list.
pub fn routes(reference: &'static LazyLock<Reference>) -> Router<App> {
    let index = async |State(app): State<App>| html(&ReferencePage { site: &site(&app), reference });
    Router::new()
        .route("/", get(home))
        .route("/reference", get(index))
        .route("/reference/{group}", get(async |app, slug| group(app, slug, reference)))
        .route("/guides/signing", get(signing))
        .route("/guides/signing/{file}", get(snippet))
        .route("/guides/webhooks", get(webhooks))
        .route("/assets/console.css", get(async || style()))
}

fn site(app: &App) -> Site {
    Site {
        base: app.origin.public_url.clone(),
        version: env!("CARGO_PKG_VERSION"),
        requests_per_second: app.config.rate_limit_per_second,
    }
}

async fn home(State(app): State<App>) -> Response {
    html(&Home { site: &site(&app), snippets: &SNIPPETS })
}

fn group(
    State(app): State<App>,
    slug: Result<Path<String>, PathRejection>,
    reference: &Reference,
) -> Result<Response, Problem> {
    let Ok(Path(slug)) = slug else { return Err(Problem::NotFound("page")) };
    let group = reference.group(&slug).ok_or(Problem::NotFound("page"))?;
    Ok(html(&GroupPage { site: &site(&app), group, groups: &reference.groups }))
}

async fn signing(State(app): State<App>) -> Response {
    let text = markdown::guide(pages::SIGNING_GUIDE);
    html(&Guide { site: &site(&app), title: "Signing", text, snippets: &SNIPPETS })
}

async fn webhooks(State(app): State<App>) -> Response {
    let text = markdown::guide(pages::WEBHOOKS_GUIDE);
    html(&Guide { site: &site(&app), title: "Webhooks", text, snippets: &[] })
}

/// Handles `GET /guides/signing/{file}`: returns a program, for the address of this server.
async fn snippet(
    State(app): State<App>,
    file: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Ok(Path(file)) = file else { return Err(Problem::NotFound("page")) };
    let snippet = SNIPPETS.iter().find(|one| one.file == file).ok_or(Problem::NotFound("page"))?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, KEPT)];
    Ok((headers, snippet.for_base(&app.origin.public_url)).into_response())
}

/// Returns the stylesheet.
fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, STYLE.media_type), (header::CACHE_CONTROL, KEPT)];
    (headers, STYLE.content).into_response()
}

/// Returns the kinds of problems of both APIs.
fn all_kinds() -> impl Iterator<Item = &'static ProblemKind> {
    KINDS.into_iter().chain(OPERATOR_KINDS)
}

/// Returns a kind of problem as the pages show it.
fn shown(kind: &ProblemKind) -> pages::ProblemKind {
    let &ProblemKind { slug, status, title, help } = kind;
    pages::ProblemKind { slug, status: status.as_u16(), title, help }
}

/// Handles `GET /errors`: returns the list of all kinds of problems.
pub async fn problems(State(app): State<App>) -> Response {
    html(&ProblemsPage { site: &site(&app), kinds: all_kinds().map(shown).collect() })
}

/// Handles `GET /errors/{slug}`: returns the page of one kind of problem.
///
/// # Errors
///
/// Fails with 404 for an unknown slug.
pub async fn problem(
    State(app): State<App>,
    slug: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Ok(Path(slug)) = slug else { return Err(Problem::NotFound("page")) };
    let kind = all_kinds().find(|kind| kind.slug == slug).ok_or(Problem::NotFound("page"))?;
    Ok(html(&ProblemKindPage { site: &site(&app), kind: shown(kind) }))
}

/// Renders a page.
fn html(page: &impl askama::Template) -> Response {
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, KEPT)];
    match page.render() {
        Ok(html) => (headers, Html(html)).into_response(),
        Err(error) => Problem::Internal(error.to_string()).into_response(),
    }
}
