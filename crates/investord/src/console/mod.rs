//! The console: pages for operators, at the listener of the operator API.
//!
//! A page asks the operator API for what it shows, in this process (`operator_api.rs`): what somebody may do and see is
//! decided there alone. The pages themselves are in the crate `investord-console`.

mod actions;
mod clients;
mod cookies;
mod find;
mod forms;
mod operator_api;
mod people;
mod provider_sign_in;
mod queue;
mod register;
mod sign_in;
mod visitor;
mod webhooks;

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use investord_console::assets::{self, Asset};

use self::operator_api::OperatorRoutes;
use crate::app::App;
use crate::problem::Problem;

/// What the handlers of the console share.
#[derive(Clone)]
pub struct ConsoleState {
    app: App,
    /// The routes of the operator API, which pages call.
    operator_routes: OperatorRoutes,
}

impl FromRef<ConsoleState> for App {
    fn from_ref(state: &ConsoleState) -> Self {
        state.app.clone()
    }
}

/// Forbids pages everything but their own stylesheet, script, form targets and inline images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Returns the routes of the console.
pub fn routes(app: &App) -> Router<App> {
    let state = ConsoleState { app: app.clone(), operator_routes: OperatorRoutes::new(app) };
    let pages = Router::new()
        .route("/", get(async || Redirect::to("/console")))
        .route("/console", get(find::home))
        .route("/console/sign-in", get(sign_in::page).post(sign_in::submit))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/provider", get(provider_sign_in::begin))
        .route("/console/provider/done", get(provider_sign_in::finish))
        .route("/console/prove", post(actions::prove))
        .route("/console/preferences", post(sign_in::set_preferences))
        .route("/console/keyboard", get(sign_in::keyboard))
        .route("/console/me", get(sign_in::own_sessions))
        .route("/console/me/end", post(sign_in::end_session))
        .route("/console/tenants/{tenant}/find", get(find::empty).post(find::begin))
        .route("/console/tenants/{tenant}/find/{handle}", get(find::show))
        .route("/console/tenants/{tenant}/people/{user}", get(people::show))
        .route("/console/tenants/{tenant}/people/{user}/reveal", post(people::reveal))
        .route("/console/tenants/{tenant}/people/{user}/act", post(people::act))
        .route("/console/tenants/{tenant}/queue", get(queue::list).post(queue::decide_several))
        .route("/console/tenants/{tenant}/queue/{subject}", get(queue::show).post(queue::decide))
        .route("/console/tenants/{tenant}/queue/{subject}/assignee", post(queue::assign))
        .route("/console/tenants/{tenant}/webhooks", get(webhooks::list))
        .route("/console/tenants/{tenant}/webhooks/{webhook}", get(webhooks::show))
        .route("/console/tenants/{tenant}/webhooks/{webhook}/act", post(webhooks::act))
        .route("/console/tenants/{tenant}/webhooks/{webhook}/packages/{package}", get(webhooks::package))
        .route("/console/tenants/{tenant}/clients", get(clients::list).post(clients::create))
        .route("/console/tenants/{tenant}/clients/{client}/act", post(clients::act))
        .route("/console/tenants/{tenant}/clients/{client}/keys/{key}/revoke", post(clients::revoke_key))
        .route("/console/proposals", get(register::proposals))
        .route("/console/proposals/{proposal}/{verb}", post(register::decide))
        .route("/console/record", get(register::record))
        .route("/console/register", get(register::tenants))
        .route("/console/register/settings", post(register::change_setting))
        .route("/console/register/tenants", post(register::create_tenant))
        .route("/console/operators", get(register::operators).post(register::create_operator))
        .route("/console/operators/{name}/keep", post(register::keep_access))
        .route("/console/operators/disable", post(register::disable_operator))
        .with_state(state);
    let files = assets::ALL.into_iter().fold(Router::new(), |router, asset| {
        router.route(&format!("/console/assets/{}", asset.name), get(move || async move { file(&asset) }))
    });
    pages.merge(files).layer(middleware::from_fn(guard))
}

/// Returns a file, which browsers may keep for an hour.
fn file(asset: &Asset) -> Response {
    let headers = [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, asset.content).into_response()
}

/// Refuses forms that no page of this origin has sent, and adds the policy of the pages.
async fn guard(request: Request, next: Next) -> Response {
    if !request.method().is_safe() && !is_same_origin(request.method(), request.headers()) {
        return Problem::ForeignOrigin("origin").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // With `no-referrer` browsers send forms of these pages with the origin `null`.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.append(header::VARY, HeaderValue::from_static("cookie, accept-language"));
    response
}

/// Returns whether a browser says that a page of this origin has sent a form. Which origin that is, is checked for all
/// requests to the listener (`server/origin.rs`).
fn is_same_origin(method: &Method, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    *method == Method::POST
        && match site {
            Some(site) => site.eq_ignore_ascii_case(b"same-origin"),
            None => headers.contains_key(header::ORIGIN),
        }
}

/// Renders a page.
fn html(page: &impl askama::Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => Problem::Internal(error.to_string()).into_response(),
    }
}

/// Returns the response of a page with another status.
fn with_status(status: StatusCode, response: Response) -> Response {
    (status, response).into_response()
}
