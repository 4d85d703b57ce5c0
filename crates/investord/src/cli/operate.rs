//! `user` and `review`: the operator API from the command line. `operator` and `audit`: on the register itself.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin::{Common, table};
use super::dev;
use super::target::{BaseUrl, segment};
use crate::domain::search::Field;
use crate::operator::session::{hash_password, new_token, shown};
use crate::store::operators::{self, Role};
use crate::store::tenants;
use crate::store::transfer;

/// How the server of operators is reached.
#[derive(Args)]
pub struct Server {
    /// Address of the operator API.
    #[arg(long, env = "INVESTORD_OPERATOR_URL", default_value = "http://127.0.0.1:9080")]
    url: String,
    /// File with a token, as `investord operator token` prints it.
    #[arg(long, env = "INVESTORD_OPERATOR_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The tenant; where there is one alone it need not be named.
    #[arg(long)]
    tenant: Option<String>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

impl Server {
    /// What `dev` has written serves on this machine, where nothing else is named.
    fn token(&self, server: &BaseUrl) -> anyhow::Result<String> {
        ensure!(
            self.token_file.is_some() || server.is_local(),
            "name a file with a token for {} (`investord operator token`) with --token-file",
            self.url
        );
        let beside = PathBuf::from(dev::FOLDER).join(dev::OPERATOR_TOKEN);
        let file = self.token_file.clone().unwrap_or(beside);
        let text = std::fs::read_to_string(&file).with_context(|| {
            format!(
                "{}: name a file with a token (`investord operator token`) with --token-file",
                file.display()
            )
        })?;
        Ok(text.trim().to_owned())
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let server = BaseUrl::parse(&self.url, "--url")?;
        let url = server.join(&path.parse()?)?;
        let request = server.client().build()?.request(method, url.clone()).bearer_auth(self.token(&server)?);
        let request = match body {
            Some(body) => RequestBuilder::body(request, body.to_string()),
            None => request,
        };
        let answer = request.send().await.with_context(|| format!("cannot reach {url}"))?;
        let (status, text) = (answer.status(), answer.text().await?);
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(json);
        }
        match json["detail"].as_str() {
            Some(detail) => bail!("{detail}"),
            None => bail!("{url} answers {status}"),
        }
    }

    /// The path of the tenant, which is asked for if it is not named.
    pub async fn tenant(&self) -> anyhow::Result<String> {
        if let Some(tenant) = &self.tenant {
            return Ok(format!("/tenants/{}", segment(tenant)));
        }
        let all = self.send(Method::GET, "/tenants", None).await?;
        let names: Vec<&str> =
            all["data"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
        match names[..] {
            [one] => Ok(format!("/tenants/{}", segment(one))),
            [] => bail!("there is no tenant"),
            _ => bail!("there are several tenants: name one of {} with --tenant", names.join(", ")),
        }
    }

    pub fn show(&self, answer: &Value) {
        let inner = answer.get("data").unwrap_or(answer);
        if self.json { println!("{inner}") } else { println!("{}", table(inner)) }
    }
}

#[derive(Subcommand)]
pub enum User {
    /// Find users by exact values; of several all have to be theirs.
    Find {
        #[command(flatten)]
        wanted: Wanted,
        #[command(flatten)]
        server: Server,
    },
    /// All that is known of a user now.
    Show {
        id: Uuid,
        #[command(flatten)]
        server: Server,
    },
    /// All that has happened to a user: events, changes, decisions.
    History {
        id: Uuid,
        #[command(flatten)]
        server: Server,
    },
    /// Order what happens to a user next; under `review_policy = "simulate"` alone.
    Order {
        next: Next,
        id: Uuid,
        /// Why a data change or check fails; without it it is good.
        #[arg(long)]
        refusal: Option<String>,
        /// How long an activation takes.
        #[arg(long)]
        seconds: Option<u32>,
        #[command(flatten)]
        server: Server,
    },
    /// Do something to a user.
    Act {
        action: Action,
        id: Uuid,
        /// Why; stays on record.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Args)]
pub struct Wanted {
    #[arg(long)]
    id: Option<Uuid>,
    /// First and last name, last name, or birth name.
    #[arg(long)]
    name: Option<String>,
    /// YYYY-MM-DD.
    #[arg(long)]
    birth_date: Option<String>,
    #[arg(long)]
    email: Option<String>,
    /// Of a national identifier or passport.
    #[arg(long)]
    identifier: Option<String>,
    #[arg(long)]
    securities_account_number: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Next {
    /// The next data change has this outcome.
    DataChange,
    /// The next check has this outcome.
    Check,
    /// The next offboarding is held until somebody releases it.
    Offboarding,
    /// The next activation takes so many seconds.
    Activation,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Action {
    /// Take out of trading.
    Deactivate,
    /// Undo that.
    Reactivate,
    /// Let an offboarding wait.
    HoldOffboarding,
    /// Let it go on.
    ReleaseOffboarding,
    /// End it now, whatever the settings wait for.
    FinishOffboarding,
}

impl User {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            User::Find { wanted, server } => {
                let values = [
                    (Field::Name, wanted.name),
                    (Field::BirthDate, wanted.birth_date),
                    (Field::Email, wanted.email),
                    (Field::Identifier, wanted.identifier),
                    (Field::SecuritiesAccountNumber, wanted.securities_account_number),
                ];
                let mut query = form_urlencoded::Serializer::new(String::new());
                if let Some(id) = wanted.id {
                    query.append_pair("id", &id.to_string());
                }
                for (field, value) in values {
                    if let Some(value) = value {
                        query.append_pair(field.as_str(), &value);
                    }
                }
                let path = format!("{}/users?{}", server.tenant().await?, query.finish());
                let found = server.send(Method::GET, &path, None).await?;
                server.show(&if server.json { found } else { brief(&found) });
            }
            User::Show { id, server } => {
                let path = format!("{}/users/{id}", server.tenant().await?);
                server.show(&server.send(Method::GET, &path, None).await?);
            }
            User::History { id, server } => {
                let path = format!("{}/users/{id}/history", server.tenant().await?);
                server.show(&server.send(Method::GET, &path, None).await?);
            }
            User::Order { next, id, refusal, seconds, server } => {
                let path = format!("{}/users/{id}/outcomes", server.tenant().await?);
                let next = next.to_possible_value().map(|value| value.get_name().to_owned());
                let seconds = seconds.map(|seconds| seconds.to_string());
                let body = json!({ "next": next, "refusal": refusal, "seconds": seconds });
                server.show(&server.send(Method::POST, &path, Some(body)).await?);
            }
            User::Act { action, id, reason, server } => {
                let path = format!("{}/users/{id}/actions", server.tenant().await?);
                let action = action.to_possible_value().map(|value| value.get_name().replace('-', "_"));
                let body = json!({ "action": action, "reason": reason });
                server.show(&server.send(Method::POST, &path, Some(body)).await?);
            }
        }
        Ok(())
    }
}

/// What tells people apart at a glance.
fn brief(found: &Value) -> Value {
    let names = ["id", "first_name", "last_name", "birth_date", "status", "created_at"];
    let rows = found["data"].as_array().into_iter().flatten();
    rows.map(|user| names.iter().map(|name| ((*name).to_owned(), user[*name].clone())).collect::<Value>())
        .collect()
}

#[derive(Subcommand)]
pub enum Review {
    /// Data changes and checks that wait for somebody to decide.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Say that one is good.
    Approve(Said),
    /// Say that one is not.
    Refuse(Said),
    /// Withdraw one.
    Cancel(Said),
}

#[derive(Args)]
pub struct Said {
    user: Uuid,
    /// Id of the data change or check.
    subject: Uuid,
    /// Why; needed unless it is good.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Review {
    pub async fn run(self) -> anyhow::Result<()> {
        let (verdict, Said { user, subject, reason, server }) = match self {
            Review::List { server } => {
                let path = format!("{}/reviews", server.tenant().await?);
                server.show(&server.send(Method::GET, &path, None).await?);
                return Ok(());
            }
            Review::Approve(said) => ("approve", said),
            Review::Refuse(said) => ("refuse", said),
            Review::Cancel(said) => ("cancel", said),
        };
        let path = format!("{}/users/{user}/reviews/{subject}", server.tenant().await?);
        let body = json!({ "verdict": verdict, "reason": reason });
        server.show(&server.send(Method::POST, &path, Some(body)).await?);
        Ok(())
    }
}

/// People who may look at the register.
#[derive(Subcommand)]
pub enum OperatorCommand {
    /// Make an operator; without a password they come with an access token only.
    Create {
        name: String,
        /// viewer, operator or administrator.
        #[arg(long)]
        role: Role,
        /// Whose people they see; of all tenants without one.
        #[arg(long)]
        tenant: Option<String>,
        /// File with a password of at least 12 characters.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// All operators.
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Give an operator an access token; it is shown once and lives until the operator is disabled.
    Token {
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Refuse an operator and all their tokens from now on.
    Disable {
        name: String,
        #[command(flatten)]
        common: Common,
    },
}

impl OperatorCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            OperatorCommand::Create { name, role, tenant, password_file, common } => {
                let provisioner = common.location.provisioner()?;
                let password = password_file.map(|file| {
                    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                    hash_password(text.trim_end_matches(['\r', '\n']), &*provisioner.ids)
                });
                let password = password.transpose()?;
                let new = provisioner.create_operator(name, role, tenant, password).await?;
                common.show(&shown(&new));
            }
            OperatorCommand::List { common } => {
                let all = common.location.store()?.read("operators.list", operators::all).await?;
                common.show(&all.iter().map(shown).collect());
            }
            OperatorCommand::Token { name, common } => {
                let provisioner = common.location.provisioner()?;
                let (token, hash) = new_token(&*provisioner.ids);
                provisioner.add_operator_token(name, hash).await?;
                if common.json { println!("{}", json!({ "token": token })) } else { println!("{token}") }
            }
            OperatorCommand::Disable { name, common } => {
                let provisioner = common.location.provisioner()?;
                common.show(&shown(&provisioner.disable_operator(name).await?));
            }
        }
        Ok(())
    }
}

#[derive(Subcommand)]
pub enum Audit {
    /// Check the chain of events and operators' actions of every tenant from end to end.
    Verify {
        #[command(flatten)]
        common: Common,
    },
}

impl Audit {
    pub async fn run(self) -> anyhow::Result<()> {
        let Audit::Verify { common } = self;
        let store = common.location.store()?;
        let events = transfer::check_chains(&store, |_| {}).await?;
        let tenants = store.read("tenants.all", tenants::all).await?.len();
        let now: Timestamp = crate::clock::Clock::now(&crate::clock::SystemClock::default());
        common.show(&json!({ "verified_at": now, "tenants": tenants, "events": events, "chain": "whole" }));
        Ok(())
    }
}
