//! Clients of the API: their keys and secrets, and what changes them.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Method;
use investord_console::answers::{Client, List};
use investord_console::frame::{Part, segment};
use investord_console::pages::register::Clients;
use serde_json::json;

use super::actions::Action;
use super::forms::Form;
use super::html;
use super::visitor::Visitor;
use crate::app::App;
use crate::domain::tenants::SCOPES;
use crate::problem::Problem;

/// Handles `GET /console/tenants/{tenant}/clients`: lists the clients of a tenant and their keys.
pub async fn list(State(app): State<App>, visitor: Visitor) -> Response {
    match visitor.api.get::<List<Client>>(&visitor.path("clients")).await {
        Ok(list) => {
            let (frame, base) = (visitor.frame(Part::Register), app.origin.public_url.clone());
            html(&Clients { frame, clients: list.data, scopes: SCOPES, base })
        }
        Err(problem) => visitor.refusal(&problem, "/console/register"),
    }
}

/// Returns the page of the clients of a tenant.
fn page(visitor: &Visitor) -> String {
    visitor.frame.of_tenant("clients")
}

/// Handles `POST /console/tenants/{tenant}/clients`: asks to create a client.
pub async fn create(visitor: Visitor, body: Bytes) -> Response {
    let (form, page) = (Form::parse(&body), page(&visitor));
    let body = json!({ "scopes": form.all("scope"), "reason": form.text("reason") });
    let path = visitor.path("clients");
    Action::post(path, body, page.clone(), "acted").perform(&visitor, &page).await
}

/// Handles `POST /console/tenants/{tenant}/clients/{client}/act`: asks to change a client.
pub async fn act(visitor: Visitor, Path((_, client)): Path<(String, String)>, body: Bytes) -> Response {
    let (form, page) = (Form::parse(&body), page(&visitor));
    let (path, reason) = (format!("/clients/{}", segment(&client)), form.text("reason"));
    let post = |end: &str, body| Action::post(format!("{path}/{end}"), body, page.clone(), "acted");
    let action = match form.text("action") {
        "add-key" => post("keys", json!({ "public_key": form.text("public_key"), "reason": reason })),
        "replace-secret" => post("secret", json!({ "reason": reason })),
        verb @ ("disable" | "enable") => {
            let body = json!({ "disabled": verb == "disable", "reason": reason });
            post("disabled", body).by(&Method::PUT)
        }
        _ => return visitor.refusal(&Problem::NotFound("page"), &page),
    };
    action.perform(&visitor, &page).await
}

/// Handles `POST /console/tenants/{tenant}/clients/{client}/keys/{key}/revoke`: asks to revoke a key.
pub async fn revoke_key(
    visitor: Visitor,
    Path((_, _, key)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let page = page(&visitor);
    let body = json!({ "reason": Form::parse(&body).text("reason") });
    let path = format!("/client_keys/{}/revocation", segment(&key));
    Action::post(path, body, page.clone(), "acted").perform(&visitor, &page).await
}
