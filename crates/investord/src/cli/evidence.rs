//! `investord evidence`: what auditors ask for.

use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::json;

use super::operator_server::OperatorServer;
use super::summary;
use super::target::segment;
use crate::backoffice::access::{AccessDecision, ReviewAccessBody};

#[derive(Subcommand)]
pub enum EvidenceCommand {
    /// Who may what, since when, given by whom, last used, and when that has to be reviewed.
    Access {
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Record the review of what an operator may do.
    ReviewAccess {
        name: String,
        decision: Decision,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        server: OperatorServer,
    },
}

/// The outcome of a review, on the command line.
#[derive(Clone, Copy, ValueEnum)]
pub enum Decision {
    /// The operator still needs what they may do.
    Keep,
    /// The operator is to be disabled, which takes two persons.
    Remove,
}

impl EvidenceCommand {
    /// Shows who may what, or records a review.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the request.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            EvidenceCommand::Access { server } => {
                server.show(&server.send(Method::GET, "/access", None).await?, summary::access);
            }
            EvidenceCommand::ReviewAccess { name, decision, reason, server } => {
                let decision = match decision {
                    Decision::Keep => AccessDecision::Keep,
                    Decision::Remove => AccessDecision::Remove,
                };
                let path = format!("/operators/{}/access_review", segment(&name));
                let body = json!(ReviewAccessBody { decision, reason });
                let answer = server.send(Method::POST, &path, Some(body)).await?;
                let waits = answer["proposal"]["state"] == "waiting";
                server.show(&answer, |_| {
                    let more = if waits { "; to disable them waits for a second person" } else { "" };
                    format!("the review of {name} is on record{more}")
                });
            }
        }
        Ok(())
    }
}
