//! Signing in at the identity provider: there and back again.

use axum::extract::RawQuery;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, header};
use investord_console::pages::sign_in::Entered;
use serde_json::json;

use super::forms::Form;
use super::sign_in::{begin_session, sign_in_page};
use super::visitor::AnonymousVisitor;
use super::{cookies, html};
use crate::app::App;

/// Where the provider sends the browser back.
const RETURN_PATH: &str = "/console/provider/done";

/// Returns the address to which the provider sends the browser back: the one of `oidc.redirect_uris` that leads to the
/// console, or the host of the request, which the provider takes for the caller's own machine alone.
fn return_address(app: &App, host: &str) -> String {
    let configured = app.config.oidc.iter().flat_map(|oidc| &oidc.redirect_uris);
    let mut own = configured.filter(|address| address.ends_with(RETURN_PATH));
    own.next().cloned().unwrap_or_else(|| format!("http://{host}{RETURN_PATH}"))
}

/// Handles `GET /console/provider`: leads to the provider. What has begun is kept by the browser, sealed.
pub async fn begin(visitor: AnonymousVisitor) -> Response {
    let host = visitor.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let body = json!({ "redirect_uri": return_address(&visitor.app, host), "fresh": false });
    let begun = match visitor.api.send(Method::POST, "/oidc/requests", &body).await {
        Ok(begun) => begun,
        Err(problem) => return sign_in_page(&visitor, problem.detail(), String::new(), None),
    };
    let text = |member: &str| begun[member].as_str().unwrap_or_default();
    let kept = cookies::begun_at_provider(text("request"));
    ([(header::SET_COOKIE, kept)], Redirect::to(text("url"))).into_response()
}

/// Handles `GET /console/provider/done`: begins a session for whom the provider has proved.
pub async fn finish(visitor: AnonymousVisitor, RawQuery(query): RawQuery) -> Response {
    let query = Form::of_query(query.as_deref());
    let request = cookies::read(&visitor.headers, cookies::PROVIDER).unwrap_or_default();
    let body = json!({
        "request": request,
        "code": query.filled("code"),
        "state": query.filled("state"),
        "iss": query.filled("iss"),
    });
    match visitor.api.send(Method::POST, "/oidc/sessions", &body).await {
        Ok(begun) => {
            // A redirection would still be the provider's, from whose navigation the browser holds the session back.
            let page = html(&Entered { frame: visitor.frame.clone() });
            let mut response = begin_session(&begun, page);
            response.headers_mut().append(header::SET_COOKIE, cookies::deletion(cookies::PROVIDER));
            response
        }
        Err(problem) => sign_in_page(&visitor, problem.detail(), String::new(), None),
    }
}
