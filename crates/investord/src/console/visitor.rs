//! Who looks at a page: the session of the cookie, the language, and the tenants that they see.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use investord_console::answers::{self, List, Tenant};
use investord_console::frame::{Frame, Part, Theme, segment};
use investord_console::pages::sign_in::Refusal;
use investord_console::text::Language;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operator_api::OperatorApi;
use super::{ConsoleState, cookies, html, with_status};
use crate::app::App;
use crate::backoffice::sealed_state::{open, seal};
use crate::problem::Problem;
use crate::store::encryption::sha256;

/// Somebody who is signed in.
pub struct Visitor {
    pub app: App,
    pub api: OperatorApi,
    pub frame: Frame,
    /// The tenants that they see.
    pub tenants: Vec<Tenant>,
    /// Hash of the session's token.
    session: [u8; 32],
}

/// A state that a page holds for its visitor. Only their own session opens it, until an instant.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldState<T> {
    state: T,
    session: [u8; 32],
    until: Timestamp,
}

impl FromRequestParts<ConsoleState> for Visitor {
    type Rejection = Response;

    /// Finds the session of the cookie, or leads to the page for signing in.
    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Response> {
        let stranger = AnonymousVisitor::from_request_parts(parts, state).await?;
        let Some(token) = cookies::read(&parts.headers, cookies::SESSION).map(str::to_owned) else {
            return Err(Redirect::to("/console/sign-in").into_response());
        };
        let AnonymousVisitor { app, mut frame, peer, .. } = stranger;
        let api = OperatorApi::new(state.operator_routes.clone(), peer, &parts.headers, Some(&token));
        let me: Value = match api.get("/me").await {
            Ok(me) => me,
            Err(Problem::Unauthorised(_)) => {
                let gone = [(header::SET_COOKIE, cookies::deletion(cookies::SESSION))];
                return Err((gone, Redirect::to("/console/sign-in")).into_response());
            }
            Err(problem) => return Err(refusal(frame, &problem, "/console")),
        };
        me["name"].as_str().unwrap_or_default().clone_into(&mut frame.operator);
        let tenants = match api.get::<List<Tenant>>("/tenants").await {
            Ok(list) => list.data,
            // Without the second factor that their role demands they can still sign out.
            Err(Problem::SecondFactorMissing) => Vec::new(),
            Err(problem) => return Err(refusal(frame, &problem, "/console")),
        };
        frame.tenants = tenants.iter().map(|tenant| tenant.name.clone()).collect();
        let path = RawPathParams::from_request_parts(parts, state).await;
        let in_path = path.ok().and_then(|path| {
            path.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value.to_owned())
        });
        // The tenant becomes a part of addresses, so that it has to be one.
        if in_path.as_ref().is_some_and(|name| !frame.tenants.contains(name)) {
            return Err(refusal(frame, &Problem::NotFound("tenant"), "/console"));
        }
        frame.tenant = in_path.or_else(|| frame.tenants.first().cloned()).unwrap_or_default();
        Ok(Self { app, api, frame, tenants, session: sha256(token.as_bytes()) })
    }
}

impl Visitor {
    /// Returns what every page of a part has.
    pub fn frame(&self, part: Part) -> Frame {
        Frame { part, ..self.frame.clone() }
    }

    /// Returns the path of the operator API for something of the chosen tenant.
    pub fn path(&self, rest: &str) -> String {
        format!("/tenants/{}/{rest}", segment(&self.frame.tenant))
    }

    /// Encrypts a state into a text that a page or an address holds for this visitor.
    pub fn seal<T: Serialize>(&self, state: T, lifetime: SignedDuration) -> String {
        seal(&self.app, &HeldState { state, session: self.session, until: self.frame.now + lifetime })
    }

    /// Decrypts a text of [`Self::seal`]; none if it is none, of another session, or too old.
    pub fn open<T: DeserializeOwned>(&self, text: &str) -> Option<T> {
        let held: HeldState<T> = open(&self.app, text)?;
        (held.session == self.session && self.frame.now < held.until).then_some(held.state)
    }

    /// Returns the page of a refusal.
    pub fn refusal(&self, problem: &Problem, back: &str) -> Response {
        refusal(self.frame(Part::Other), problem, back)
    }
}

/// Returns the page of a refusal.
pub fn refusal(frame: Frame, problem: &Problem, back: &str) -> Response {
    let document = problem.document("", "");
    let shown: answers::Problem = serde_json::from_str(&document).unwrap_or_default();
    let status = StatusCode::from_u16(shown.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (title, back) = (shown.title.clone(), back.to_owned());
    with_status(status, html(&Refusal { frame, title, problem: shown, back }))
}

/// Somebody who may not be signed in.
pub struct AnonymousVisitor {
    pub app: App,
    pub frame: Frame,
    pub api: OperatorApi,
    pub headers: HeaderMap,
    peer: ConnectInfo<SocketAddr>,
}

impl FromRequestParts<ConsoleState> for AnonymousVisitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Response> {
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, state).await;
        let peer = peer.map_err(IntoResponse::into_response)?;
        let headers = parts.headers.clone();
        let api = OperatorApi::new(state.operator_routes.clone(), peer, &headers, None);
        let app = state.app.clone();
        let frame = Frame {
            language: language(&headers),
            theme: cookies::read(&headers, cookies::THEME).and_then(Theme::of_name).unwrap_or_default(),
            now: app.clock.now(),
            path: parts.uri.path().to_owned(),
            operator: String::new(),
            tenants: Vec::new(),
            tenant: String::new(),
            part: Part::Other,
            version: env!("CARGO_PKG_VERSION"),
            done: done(parts.uri.query().unwrap_or_default()),
        };
        Ok(Self { app, frame, api, headers, peer })
    }
}

/// Returns the language that was chosen, or that of the browser.
fn language(headers: &HeaderMap) -> Language {
    let chosen = cookies::read(headers, cookies::LANGUAGE).and_then(Language::of_tag);
    let accepted = || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    chosen.unwrap_or_else(|| Language::accepted(accepted().unwrap_or_default()))
}

/// Words for completed actions, in the parameter `done` of the page that follows.
pub const OUTCOMES: [&str; 10] = [
    "revealed", "acted", "asked", "approved", "refused", "confirmed", "withdrawn", "reviewed", "ended",
    "assigned",
];

/// Returns the word for the completed action, if the parameter `done` has a known one.
fn done(query: &str) -> String {
    let sent = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "done");
    let known = sent.and_then(|(_, value)| OUTCOMES.into_iter().find(|one| *one == value));
    known.unwrap_or_default().to_owned()
}
