//! What a visitor asks to be done: sent to the operator API, and continued after the proof that it may ask for.

use axum::body::Bytes;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use investord_console::answers::{List, Proposal};
use investord_console::frame::Part;
use investord_console::pages::register::{Proposals, shown_once};
use investord_console::pages::sign_in::Prove;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::forms::{Form, local_path};
use super::visitor::Visitor;
use super::{html, with_status};
use crate::problem::Problem;

/// How long a visitor has for the proof.
const PROOF_TIME: SignedDuration = SignedDuration::from_mins(10);

/// Something that a visitor asks to be done.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deed {
    pub method: String,
    /// Path of the operator API.
    pub path: String,
    pub body: Value,
    /// The page that is shown afterwards.
    pub then: String,
    /// One of [`DEEDS`](super::visitor::DEEDS), told on that page.
    pub done: String,
}

/// A deed that waits for the proof of the person, held by the page that asks for it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitingDeed {
    deed: Deed,
    back: String,
}

impl Deed {
    /// Creates a deed that posts a body.
    pub fn post(path: String, body: Value, then: impl Into<String>, done: &str) -> Self {
        Self { method: Method::POST.to_string(), path, body, then: then.into(), done: done.to_owned() }
    }

    /// Creates a deed of another method.
    #[must_use]
    pub fn by(self, method: &Method) -> Self {
        Self { method: method.to_string(), ..self }
    }

    /// Does it, and shows the page that follows: `back` if it is refused.
    pub async fn perform(self, visitor: &Visitor, back: &str) -> Response {
        let method = self.method.parse().unwrap_or(Method::POST);
        match visitor.api.send(method, &self.path, &self.body).await {
            Ok(answer) => self.finish(visitor, &answer).await,
            Err(Problem::ProofRequired { .. }) => ask_for_proof(visitor, self, back, String::new()).await,
            Err(problem) => visitor.refusal(&problem, back),
        }
    }

    /// Shows what follows. What is shown once cannot be behind a redirection.
    async fn finish(self, visitor: &Visitor, answer: &Value) -> Response {
        let shown = shown_once(Some(&answer["shown_once"]));
        if !shown.is_empty() {
            let proposals = visitor.api.get::<List<Proposal>>("/proposals").await;
            let proposals = proposals.map(|list| list.data).unwrap_or_default();
            let mut frame = visitor.frame(Part::Proposals);
            frame.done = self.done;
            return html(&Proposals { frame, proposals, shown_once: shown });
        }
        let is_waiting = answer["state"] == "waiting" || answer["action"] == "ask_deactivation";
        let done = if is_waiting { "asked" } else { &self.done };
        let separator = if self.then.contains('?') { '&' } else { '?' };
        Redirect::to(&format!("{}{separator}done={done}", self.then)).into_response()
    }
}

/// Asks the person to prove who they are; then the deed is done.
async fn ask_for_proof(visitor: &Visitor, deed: Deed, back: &str, fault: String) -> Response {
    // Without a proof the API says which one it wants.
    let wanted = visitor.api.send(Method::POST, "/me/proof", &json!({})).await;
    let needs_code = matches!(wanted, Err(Problem::SecondFactorRequired { .. }));
    let again = visitor.seal(WaitingDeed { deed, back: back.to_owned() }, PROOF_TIME);
    let status = if fault.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = Prove { frame: visitor.frame(Part::Other), fault, needs_code, again, back: back.to_owned() };
    with_status(status, html(&page))
}

/// Handles `POST /console/prove`: proves the person, and does what waits for it.
pub async fn prove(visitor: Visitor, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let Some(WaitingDeed { deed, back }) = visitor.open(form.text("again")) else {
        return visitor.refusal(&Problem::State("it waits no more: ask for it again"), "/console");
    };
    let back = local_path(&back).unwrap_or("/console");
    let proof = match form.filled("code") {
        Some(code) => json!({ "code": code }),
        None => json!({ "password": form.verbatim("password") }),
    };
    match visitor.api.send(Method::POST, "/me/proof", &proof).await {
        Ok(_) => deed.perform(&visitor, back).await,
        Err(problem @ (Problem::InvalidRequest(_) | Problem::TooManyRequests { .. })) => {
            ask_for_proof(&visitor, deed, back, problem.detail()).await
        }
        Err(problem) => visitor.refusal(&problem, back),
    }
}
