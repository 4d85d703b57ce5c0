//! `review`, `operator` and `audit`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::administration::{Common, Why};
use super::operator_server::OperatorServer;
use super::{parse, summary};
use crate::backoffice::reviews::{ReviewDecision, ReviewDecisionBody};
use crate::backoffice::session::{OperatorView, new_token};
use crate::domain::administration::{Act, GivenRole};
use crate::domain::permissions::Permission;
use crate::store::tenants;
use crate::store::tenants::operators;
use crate::store::tools::chains;

/// Reads a file with a password, without the line end after it.
pub fn read_password(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[derive(Subcommand)]
pub enum ReviewCommand {
    /// Data changes and checks that wait for a decision: age, user, current and proposed values.
    List {
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Say that one is good.
    Approve(DecisionArgs),
    /// Say that one is not.
    Refuse(DecisionArgs),
    /// Withdraw one.
    Cancel(DecisionArgs),
}

#[derive(Args)]
pub struct DecisionArgs {
    #[arg(value_parser = parse::uuid)]
    user: Uuid,
    /// Id of the data change or check.
    #[arg(value_parser = parse::uuid)]
    subject: Uuid,
    /// Why; needed unless it is good.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    server: OperatorServer,
}

impl ReviewCommand {
    /// Lists the pending reviews, or decides one.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the request.
    pub async fn run(self) -> anyhow::Result<()> {
        let (verdict, DecisionArgs { user, subject, reason, server }) = match self {
            ReviewCommand::List { server } => {
                let path = format!("{}/reviews", server.tenant().await?);
                server.show(&server.send(Method::GET, &path, None).await?, summary::reviews);
                return Ok(());
            }
            ReviewCommand::Approve(said) => (ReviewDecision::Approve, said),
            ReviewCommand::Refuse(said) => (ReviewDecision::Refuse, said),
            ReviewCommand::Cancel(said) => (ReviewDecision::Cancel, said),
        };
        let path = format!("{}/users/{user}/reviews/{subject}", server.tenant().await?);
        let body = json!(ReviewDecisionBody { verdict, reason });
        server.show(&server.send(Method::POST, &path, Some(body)).await?, summary::action);
        Ok(())
    }
}

/// People who may look at the register.
#[derive(Subcommand)]
pub enum OperatorCommand {
    /// Make an operator and print an invitation, with which they choose a password.
    Create {
        name: String,
        /// A role, as in compliance; repeatable.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// A tenant in which they have these roles; repeatable. All tenants and the register itself without one.
        #[arg(long = "tenant")]
        tenants: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// End the password, the sessions and the tokens of an operator, and print another invitation.
    Invite {
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// Choose the password of an operator who was invited, at the operator API.
    Accept {
        /// File with the invitation.
        #[arg(long, value_name = "FILE")]
        invitation_file: PathBuf,
        /// File with a password of at least 12 characters.
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// All operators.
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Give an operator an access token for scripts; it is shown once.
    Token {
        name: String,
        /// Days until it expires.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=366))]
        days: u16,
        /// A permission, as in people:read, to which the token is limited; repeatable. All of the operator's without
        /// one.
        #[arg(long = "permission")]
        permissions: Vec<Permission>,
        #[command(flatten)]
        common: Common,
    },
    /// Sign in and print the token of the session, for commands that need a person and no script.
    SignIn {
        name: String,
        /// File with the password.
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
        /// What the authenticator app shows, or a recovery code.
        #[arg(long)]
        code: Option<String>,
        #[command(flatten)]
        server: OperatorServer,
    },
    /// Take away the second factor that an operator has lost, and end their sessions.
    ResetFactor {
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// Refuse an operator and all their tokens from now on.
    Disable {
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// Let a disabled operator in again.
    Enable {
        name: String,
        #[command(flatten)]
        why: Why,
    },
}

/// Returns every role for every tenant.
fn given_roles(roles: &[String], tenants: &[String]) -> Vec<GivenRole> {
    let tenants = if tenants.is_empty() { vec![None] } else { tenants.iter().cloned().map(Some).collect() };
    let given = |tenant: &Option<String>| {
        let role = |role: &String| GivenRole { role: role.clone(), tenant: tenant.clone() };
        roles.iter().map(role).collect::<Vec<_>>()
    };
    tenants.iter().flat_map(given).collect()
}

impl OperatorCommand {
    /// Runs the command on the database and prints the operators.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be opened, the operator exists already or does not exist, or the act is refused.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            OperatorCommand::Create { name, roles, tenants, why } => {
                let grants = given_roles(&roles, &tenants);
                why.administer(Act::CreateOperator { operator: name, grants }).await?;
            }
            OperatorCommand::Invite { name, why } => {
                why.administer(Act::ResetOperator { operator: name }).await?;
            }
            OperatorCommand::Accept { invitation_file, password_file, server } => {
                let (invitation, password) =
                    (read_password(&invitation_file)?, read_password(&password_file)?);
                let body = json!({ "invitation": invitation, "password": password });
                let accepted = server.send_public(Method::POST, "/invitations", body).await?;
                server.show(&accepted, |one| summary::operators(&json!([one])));
            }
            OperatorCommand::List { common } => {
                let all = common.location.store()?.read("operators.list", operators::all).await?;
                let all = json!(all.iter().map(OperatorView::from).collect::<Vec<_>>());
                if common.json { println!("{all}") } else { println!("{}", summary::operators(&all)) }
            }
            OperatorCommand::Token { name, days, permissions, common } => {
                let provisioner = common.location.provisioner()?;
                let (token, hash) = new_token(&*provisioner.ids);
                let lifetime = SignedDuration::from_hours(24 * i64::from(days));
                let limited = (!permissions.is_empty()).then(|| permissions.into_iter().collect());
                provisioner.add_operator_token(name, hash, Some(lifetime), limited).await?;
                if common.json { println!("{}", json!({ "token": token })) } else { println!("{token}") }
            }
            OperatorCommand::SignIn { name, password_file, code, server } => {
                let begun = server.sign_in(&name, &read_password(&password_file)?, code).await?;
                println!("{}", begun["token"].as_str().unwrap_or_default());
            }
            OperatorCommand::ResetFactor { name, why } => {
                why.administer(Act::ResetSecondFactor { operator: name }).await?;
            }
            OperatorCommand::Disable { name, why } => {
                why.administer(Act::DisableOperator { operator: name }).await?;
            }
            OperatorCommand::Enable { name, why } => {
                why.administer(Act::EnableOperator { operator: name }).await?;
            }
        }
        Ok(())
    }
}

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Check the chain of events and operators' actions of every tenant from end to end.
    Verify {
        #[command(flatten)]
        common: Common,
    },
}

impl AuditCommand {
    /// Verifies the hash chains of all tenants and prints the number of events.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be opened, or a chain is broken.
    pub async fn run(self) -> anyhow::Result<()> {
        let AuditCommand::Verify { common } = self;
        let store = common.location.store()?;
        let events = chains::check_chains(&store, |_| {}).await?;
        let tenants = store.read("tenants.all", tenants::all).await?.len();
        let now: Timestamp = crate::clock::Clock::now(&crate::clock::SystemClock::default());
        common.show(&json!({ "verified_at": now, "tenants": tenants, "events": events, "chain": "whole" }));
        Ok(())
    }
}
