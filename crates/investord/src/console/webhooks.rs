//! Webhooks: whether they work, why not, and what mends them.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use investord_console::answers::{List, Package, Webhook, WholePackage};
use investord_console::frame::{Part, segment};
use investord_console::pages::webhooks::{PackagePage, WebhookPage, Webhooks};
use serde_json::json;

use super::actions::Action;
use super::forms::Form;
use super::html;
use super::visitor::Visitor;
use crate::problem::Problem;

/// Handles `GET /console/tenants/{tenant}/webhooks`: lists the webhooks of a tenant.
pub async fn list(visitor: Visitor) -> Response {
    match visitor.api.get::<List<Webhook>>(&visitor.path("webhooks")).await {
        Ok(list) => html(&Webhooks { frame: visitor.frame(Part::Webhooks), webhooks: list.data }),
        Err(problem) => visitor.refusal(&problem, "/console"),
    }
}

/// Handles `GET /console/tenants/{tenant}/webhooks/{webhook}`: shows a webhook and its packages.
pub async fn show(
    visitor: Visitor,
    Path((_, webhook)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Form::of_query(query.as_deref());
    let before = query.text("before").parse::<i64>().map(|before| format!("?before={before}"));
    let path = visitor.path(&format!("webhooks/{}", segment(&webhook)));
    let read = async {
        let webhook: Webhook = visitor.api.get(&path).await?;
        let packages = format!("{path}/packages{}", before.unwrap_or_default());
        let packages = visitor.api.get::<List<Package>>(&packages).await?.data;
        let open = packages.iter().rev().find(|one| one.state == "open");
        let cause = match open.filter(|_| webhook.delivery.state == "failing") {
            Some(open) => last_cause(&visitor, &path, open.number).await?,
            None => String::new(),
        };
        Ok((webhook, packages, cause))
    };
    match read.await {
        Ok((webhook, packages, cause)) => {
            html(&WebhookPage { frame: visitor.frame(Part::Webhooks), webhook, cause, packages })
        }
        Err(problem) => visitor.refusal(&problem, &visitor.frame.of_tenant("webhooks")),
    }
}

/// Returns in words why the last attempt to send a package has failed.
async fn last_cause(visitor: &Visitor, webhook: &str, package: i64) -> Result<String, Problem> {
    let whole: WholePackage = visitor.api.get(&format!("{webhook}/packages/{package}")).await?;
    let last = whole.attempts.first();
    let status = last.and_then(|one| one.status).map(|status| format!(" ({status})")).unwrap_or_default();
    Ok(last.map(|one| visitor.frame.word("cause", &one.outcome) + &status).unwrap_or_default())
}

/// Handles `GET /console/tenants/{tenant}/webhooks/{webhook}/packages/{package}`: shows a package.
pub async fn package(
    visitor: Visitor,
    Path((_, webhook, package)): Path<(String, String, String)>,
) -> Response {
    let path = visitor.path(&format!("webhooks/{}", segment(&webhook)));
    let read = async {
        let webhook: Webhook = visitor.api.get(&path).await?;
        let whole: WholePackage = visitor.api.get(&format!("{path}/packages/{}", segment(&package))).await?;
        Ok((webhook, whole))
    };
    match read.await {
        Ok((webhook, whole)) => html(&PackagePage { frame: visitor.frame(Part::Webhooks), webhook, whole }),
        Err(problem) => visitor.refusal(&problem, &visitor.frame.of_tenant("webhooks")),
    }
}

/// Handles `POST /console/tenants/{tenant}/webhooks/{webhook}/act`: mends a webhook.
pub async fn act(visitor: Visitor, Path((_, webhook)): Path<(String, String)>, body: Bytes) -> Response {
    let (form, page) =
        (Form::parse(&body), visitor.frame.of_tenant(&format!("webhooks/{}", segment(&webhook))));
    let action = form.text("action");
    let mut body = json!({ "action": action, "reason": form.text("reason") });
    // The fields of other actions stay empty or are left over.
    match action {
        "replay" => body["from"] = form.filled("from").into(),
        "resend" => body["package"] = form.filled("package").into(),
        _ => {}
    }
    let path = visitor.path(&format!("webhooks/{}/actions", segment(&webhook)));
    Action::post(path, body, page.clone(), "acted").perform(&visitor, &page).await
}
