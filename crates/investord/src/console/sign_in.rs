//! Signing in and out, preferences, and the operator's own sessions.

use axum::body::Bytes;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use investord_console::answers::{List, Session};
use investord_console::frame::{Part, Theme, segment};
use investord_console::pages::sign_in::{Keyboard, OwnSessions, SignIn};
use investord_console::text::Language;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::actions::Action;
use super::forms::Form;
use super::visitor::{AnonymousVisitor, Visitor};
use super::{cookies, html, with_status};
use crate::backoffice::sealed_state::{open, seal};
use crate::problem::Problem;

/// How long somebody has for the second factor.
const CODE_TIME: SignedDuration = SignedDuration::from_mins(5);

/// Name and password that were right, held by the page that asks for the second factor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstFactor {
    name: String,
    password: String,
    until: Timestamp,
}

/// Handles `GET /console/sign-in`: asks for name and password.
pub async fn page(visitor: AnonymousVisitor) -> Response {
    sign_in_page(&visitor, String::new(), String::new(), None)
}

/// Returns the page for signing in, with the reason of the last refusal.
pub fn sign_in_page(
    visitor: &AnonymousVisitor,
    fault: String,
    name: String,
    state: Option<String>,
) -> Response {
    let status = if fault.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let page = SignIn {
        frame: visitor.frame.clone(),
        fault,
        name,
        needs_code: state.is_some(),
        state: state.unwrap_or_default(),
        has_provider: visitor.app.identity_provider.is_some(),
    };
    with_status(status, html(&page))
}

/// Handles `POST /console/sign-in`: begins a session, or asks for the second factor.
pub async fn submit(visitor: AnonymousVisitor, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let now = visitor.frame.now;
    let first = match form.filled("state") {
        None => FirstFactor {
            name: form.text("name").to_owned(),
            password: form.verbatim("password").to_owned(),
            until: now + CODE_TIME,
        },
        Some(state) => match open::<FirstFactor>(&visitor.app, state).filter(|first| now < first.until) {
            Some(first) => first,
            None => return Redirect::to("/console/sign-in").into_response(),
        },
    };
    let device = cookies::read(&visitor.headers, cookies::DEVICE);
    let mut body = json!({ "name": first.name, "password": first.password, "device": device });
    if let Some(code) = form.filled("code") {
        body["code"] = code.into();
    }
    match visitor.api.send(Method::POST, "/sessions", &body).await {
        Ok(begun) => begin_session(&begun, Redirect::to("/console").into_response()),
        Err(Problem::SecondFactorRequired { .. }) => {
            let state = seal(&visitor.app, &first);
            sign_in_page(&visitor, String::new(), String::new(), Some(state))
        }
        Err(problem) => {
            let state = form.filled("code").map(|_| seal(&visitor.app, &first));
            sign_in_page(&visitor, problem.detail(), first.name, state)
        }
    }
}

/// Gives the browser its session with a response.
pub fn begin_session(begun: &Value, mut response: Response) -> Response {
    let session = cookies::secret(cookies::SESSION, begun["token"].as_str().unwrap_or_default(), false);
    response.headers_mut().append(header::SET_COOKIE, session);
    if let Some(device) = begun["device"].as_str() {
        response.headers_mut().append(header::SET_COOKIE, cookies::secret(cookies::DEVICE, device, true));
    }
    response
}

/// Handles `POST /console/sign-out`: ends the session, and has the browser forget what it keeps of it.
pub async fn sign_out(visitor: Visitor) -> Response {
    // The cookie goes, whether or not the session had ended by itself.
    let _ = visitor.api.send(Method::DELETE, "/sessions", &Value::Null).await;
    let headers = [
        (header::SET_COOKIE, cookies::deletion(cookies::SESSION)),
        (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\"")),
    ];
    (headers, Redirect::to("/console/sign-in")).into_response()
}

/// Handles `POST /console/preferences`: sets language, theme, or whether single keys count.
pub async fn set_preferences(body: Bytes) -> Response {
    let form = Form::parse(&body);
    let mut response = Redirect::to(form.back("/console")).into_response();
    let language = Language::of_tag(form.text("language")).map(|one| (cookies::LANGUAGE, one.tag()));
    let theme = Theme::of_name(form.text("theme")).map(|one| (cookies::THEME, one.name()));
    let keys =
        ["on", "off"].into_iter().find(|one| *one == form.text("keys")).map(|one| (cookies::KEYS, one));
    for (name, value) in [language, theme, keys].into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookies::preference(name, value));
    }
    response
}

/// Handles `GET /console/keyboard`: lists the keys.
pub async fn keyboard(visitor: Visitor) -> Response {
    html(&Keyboard { frame: visitor.frame(Part::Other) })
}

/// Handles `GET /console/me`: lists the operator's own sessions.
pub async fn own_sessions(visitor: Visitor) -> Response {
    match visitor.api.get::<List<Session>>("/me/sessions").await {
        Ok(list) => html(&OwnSessions { frame: visitor.frame(Part::Other), sessions: list.data }),
        Err(problem) => visitor.refusal(&problem, "/console"),
    }
}

/// Handles `POST /console/me/end`: ends one of the operator's own sessions.
pub async fn end_session(visitor: Visitor, body: Bytes) -> Response {
    let path = format!("/me/sessions/{}", segment(Form::parse(&body).text("session")));
    Action::post(path, Value::Null, "/console/me", "ended")
        .by(&Method::DELETE)
        .perform(&visitor, "/console/me")
        .await
}
