//! Sends actions of a visitor to the operator API, and repeats those for which the person first has to be proved.

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

/// A request to the operator API that changes something.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub method: String,
    /// Path of the operator API.
    pub path: String,
    pub body: Value,
    /// The page that is shown afterwards.
    pub then: String,
    /// One of [`OUTCOMES`](super::visitor::OUTCOMES), told on that page.
    pub done: String,
}

/// An action that waits for the proof of the person, held by the page that asks for it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingAction {
    action: Action,
    back: String,
}

impl Action {
    /// Creates an action that posts a body.
    pub fn post(path: String, body: Value, then: impl Into<String>, done: &str) -> Self {
        Self { method: Method::POST.to_string(), path, body, then: then.into(), done: done.to_owned() }
    }

    /// Returns the same action with another method.
    #[must_use]
    pub fn by(self, method: &Method) -> Self {
        Self { method: method.to_string(), ..self }
    }

    /// Sends the action, and returns the page that follows. `back` is where a refusal leads.
    pub async fn perform(self, visitor: &Visitor, back: &str) -> Response {
        let method = self.method.parse().unwrap_or(Method::POST);
        match visitor.api.send(method, &self.path, &self.body).await {
            Ok(answer) => self.finish(visitor, &answer).await,
            Err(Problem::ProofRequired { .. }) => ask_for_proof(visitor, self, back, String::new()).await,
            Err(problem) => visitor.refusal(&problem, back),
        }
    }

    /// Returns the page that follows a success. What is shown once cannot be behind a redirection.
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

/// Returns the page that asks for a proof, with the action to repeat after it.
async fn ask_for_proof(visitor: &Visitor, action: Action, back: &str, fault: String) -> Response {
    // Without a proof the API says which one it wants.
    let wanted = visitor.api.send(Method::POST, "/me/proof", &json!({})).await;
    let needs_code = matches!(wanted, Err(Problem::SecondFactorRequired { .. }));
    let again = visitor.seal(PendingAction { action, back: back.to_owned() }, PROOF_TIME);
    let status = if fault.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = Prove { frame: visitor.frame(Part::Other), fault, needs_code, again, back: back.to_owned() };
    with_status(status, html(&page))
}

/// Handles `POST /console/prove`: proves the person, and sends the action that waits for it.
pub async fn prove(visitor: Visitor, body: Bytes) -> Response {
    let form = Form::parse(&body);
    let Some(PendingAction { action, back }) = visitor.open(form.text("again")) else {
        return visitor.refusal(&Problem::State("it waits no more: ask for it again"), "/console");
    };
    let back = local_path(&back).unwrap_or("/console");
    let proof = match form.filled("code") {
        Some(code) => json!({ "code": code }),
        None => json!({ "password": form.verbatim("password") }),
    };
    match visitor.api.send(Method::POST, "/me/proof", &proof).await {
        Ok(_) => action.perform(&visitor, back).await,
        Err(problem @ (Problem::InvalidRequest(_) | Problem::TooManyRequests { .. })) => {
            ask_for_proof(&visitor, action, back, problem.detail()).await
        }
        Err(problem) => visitor.refusal(&problem, back),
    }
}
