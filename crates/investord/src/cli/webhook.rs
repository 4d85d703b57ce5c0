//! `webhook`: show and mend webhooks through the operator API.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::operator_server::OperatorServer;
use super::{parse, summary, table};
use crate::backoffice::webhook_actions::{SigningKeyRotation, WebhookActionBody, WebhookActionName};

#[derive(Subcommand)]
pub enum WebhookCommand {
    /// All webhooks, with the state of their delivery.
    List {
        #[command(flatten)]
        server: OperatorServer,
    },
    /// One webhook: configuration, last success, failures in a row, backlog, next attempt.
    Show {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Packages that were sent or are to be, the newest first.
    Packages {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        /// Only those before this one.
        #[arg(long, value_name = "NUMBER", value_parser = parse::number)]
        before: Option<i64>,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// A package: its body, and every attempt with status, duration and the first bytes of the answer.
    Package {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[arg(value_parser = parse::number)]
        number: i64,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// The actions of clients and operators on a webhook.
    History {
        #[arg(value_parser = parse::uuid)]
        id: Uuid,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Send nothing until it is resumed; events wait meanwhile.
    Pause(MendArgs),
    /// Send again.
    Resume(MendArgs),
    /// Retry a failed package at once.
    Retry(MendArgs),
    /// Never send the next package, because its receiver cannot process it.
    Skip(MendArgs),
    /// Send a package once more, behind those that are open.
    Resend {
        /// Number of the package.
        #[arg(long, value_parser = parse::number)]
        package: i64,
        #[command(flatten)]
        mend: MendArgs,
    },
    /// Send all events again from a position on.
    Replay {
        /// Id or position of an event, or an instant as in 2026-03-02T08:30:00Z.
        #[arg(long)]
        from: String,
        #[command(flatten)]
        mend: MendArgs,
    },
    /// Sign with a new key from now on; the old one is published for another day.
    RotateKey {
        /// Why; stays on record.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        server: OperatorServer,
    },
}

#[derive(Args)]
pub struct MendArgs {
    #[arg(value_parser = parse::uuid)]
    id: Uuid,
    /// Why; stays on record.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    server: OperatorServer,
}

impl WebhookCommand {
    /// Sends the request of the command and prints the response.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the request.
    pub async fn run(self) -> anyhow::Result<()> {
        let (action, MendArgs { id, reason, server }, package, from) = match self {
            WebhookCommand::List { server } => {
                let all = get(&server, "/webhooks").await?;
                server.show(&all, |all| table::of(&list_columns(all)));
                return Ok(());
            }
            WebhookCommand::Show { id, server } => {
                return print_resource(&server, &format!("/webhooks/{id}")).await;
            }
            WebhookCommand::Packages { id, before, server } => {
                let before = before.map(|number| format!("?before={number}")).unwrap_or_default();
                return print_resource(&server, &format!("/webhooks/{id}/packages{before}")).await;
            }
            WebhookCommand::Package { id, number, server } => {
                return print_resource(&server, &format!("/webhooks/{id}/packages/{number}")).await;
            }
            WebhookCommand::History { id, server } => {
                let path = format!("{}/webhooks/{id}/history", server.tenant().await?);
                server.show(&server.whole_history(&path).await?, summary::history);
                return Ok(());
            }
            WebhookCommand::RotateKey { reason, server } => {
                let path = format!("{}/signing_keys", server.tenant().await?);
                server.show(
                    &server.send(Method::POST, &path, Some(json!(SigningKeyRotation { reason }))).await?,
                    summary::action,
                );
                return Ok(());
            }
            WebhookCommand::Pause(mend) => (WebhookActionName::Pause, mend, None, None),
            WebhookCommand::Resume(mend) => (WebhookActionName::Resume, mend, None, None),
            WebhookCommand::Retry(mend) => (WebhookActionName::Retry, mend, None, None),
            WebhookCommand::Skip(mend) => (WebhookActionName::Skip, mend, None, None),
            WebhookCommand::Resend { package, mend } => {
                (WebhookActionName::Resend, mend, Some(package.to_string()), None)
            }
            WebhookCommand::Replay { from, mend } => (WebhookActionName::Replay, mend, None, Some(from)),
        };
        let path = format!("{}/webhooks/{id}/actions", server.tenant().await?);
        let body = json!(WebhookActionBody { action, reason, package, from });
        server.show(&server.send(Method::POST, &path, Some(body)).await?, summary::action);
        Ok(())
    }
}

/// Requests a resource of the tenant.
async fn get(server: &OperatorServer, path: &str) -> anyhow::Result<Value> {
    server.send(Method::GET, &format!("{}{path}", server.tenant().await?), None).await
}

/// Requests a resource of the tenant and prints it.
async fn print_resource(server: &OperatorServer, path: &str) -> anyhow::Result<()> {
    server.show(&get(server, path).await?, table::of);
    Ok(())
}

/// Reduces webhooks to the members by which an operator distinguishes them.
fn list_columns(all: &Value) -> Value {
    let rows = all.as_array().into_iter().flatten();
    rows.map(|webhook| {
        let delivery = &webhook["delivery"];
        json!({
            "id": webhook["id"],
            "title": webhook["title"],
            "url": webhook["url"],
            "state": delivery["state"],
            "backlog": delivery["backlog_events"],
            "failures": delivery["failures_in_a_row"],
            "last_success_at": delivery["last_success_at"],
            "next_attempt_at": delivery["next_attempt_at"],
        })
    })
    .collect()
}
