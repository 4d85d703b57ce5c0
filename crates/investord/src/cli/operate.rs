//! `review`, `operator` and `audit`, and the client of the operator API.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Certificate, ClientBuilder, Identity, Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin::Common;
use super::target::{BaseUrl, segment};
use super::{dev, parse, summary};
use crate::backoffice::reviews::{ReviewDecision, ReviewDecisionBody};
use crate::backoffice::session::{OperatorView, hash_password, new_token};
use crate::domain::suggest::did_you_mean;
use crate::store::tenants;
use crate::store::tenants::operators;
use crate::store::tenants::operators::Role;
use crate::store::tools::chains;

/// The address and the credentials of the operator API.
#[derive(Args)]
pub struct OperatorServer {
    /// Address of the operator API, or `unix:/PATH` of its socket.
    #[arg(long, env = "INVESTORD_OPERATOR_URL", default_value = "http://127.0.0.1:9080")]
    url: String,
    /// File (PEM) of the authorities to trust with https, in the place of those of the machine.
    #[arg(long, env = "INVESTORD_OPERATOR_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// File (PEM) with a certificate and its key, for a server that wants one of its operators.
    #[arg(long, env = "INVESTORD_OPERATOR_CERTIFICATE_FILE", value_name = "FILE")]
    certificate_file: Option<PathBuf>,
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

impl OperatorServer {
    /// Returns the access token. Without an option, a server on this machine gets the token that `dev` has written.
    fn token(&self, server: &BaseUrl) -> anyhow::Result<String> {
        // The token of `dev` must not be sent to another machine.
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
        let token = text.trim();
        let is_token = !token.is_empty() && token.chars().all(|letter| letter.is_ascii_graphic());
        ensure!(is_token, "{}: must hold a token (`investord operator token`) alone", file.display());
        Ok(token.to_owned())
    }

    /// Adds the authorities to trust and the certificate to show.
    fn with_certificates(&self, mut client: ClientBuilder) -> anyhow::Result<ClientBuilder> {
        let read = |file: &Path| std::fs::read(file).with_context(|| file.display().to_string());
        if let Some(file) = &self.ca_file {
            let authorities = Certificate::from_pem_bundle(&read(file)?);
            let authorities = authorities.with_context(|| file.display().to_string())?;
            ensure!(!authorities.is_empty(), "{}: there is no certificate in it", file.display());
            client = client.tls_certs_only(authorities);
        }
        if let Some(file) = &self.certificate_file {
            let what = || format!("{}: must hold a certificate and its key", file.display());
            client = client.identity(Identity::from_pem(&read(file)?).with_context(what)?);
        }
        Ok(client)
    }

    /// Sends a request to the operator API and returns the JSON of the response.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the request.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let server = BaseUrl::parse_with_socket(&self.url, "--url")?;
        let url = server.join(&path.parse()?)?;
        let client = self.with_certificates(server.client())?.build()?;
        let request = client.request(method, url.clone()).bearer_auth(self.token(&server)?);
        let request = match body {
            Some(body) => RequestBuilder::body(request, body.to_string()),
            None => request,
        };
        // The URL of a socket is that of no server.
        let shown = if self.url.starts_with("unix:") { &self.url } else { url.as_str() };
        let answer = request.send().await.with_context(|| format!("cannot reach {shown}"))?;
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

    /// Requests a history page by page and returns all of its events.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the request.
    pub async fn whole_history(&self, path: &str) -> anyhow::Result<Value> {
        let mut history = self.send(Method::GET, path, None).await?;
        while let Some(after) = history["next"].as_i64() {
            let mut part = self.send(Method::GET, &format!("{path}?after={after}"), None).await?;
            if let (Some(all), Some(more)) = (history["data"].as_array_mut(), part["data"].as_array_mut()) {
                all.append(more);
            }
            history["next"] = part["next"].take();
        }
        Ok(history)
    }

    /// Returns the path of the named tenant, or of the only one.
    ///
    /// # Errors
    ///
    /// Fails if the tenant does not exist, or several exist and none is named.
    pub async fn tenant(&self) -> anyhow::Result<String> {
        let all = self.send(Method::GET, "/tenants", None).await?;
        let names: Vec<&str> =
            all["data"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
        let all = names.join(", ");
        if let Some(name) = &self.tenant {
            let meant = did_you_mean(name, names.iter().copied());
            anyhow::ensure!(names.contains(&&**name), "there is no tenant '{name}'{meant}; there are {all}");
            return Ok(format!("/tenants/{}", segment(name)));
        }
        match names[..] {
            [one] => Ok(format!("/tenants/{}", segment(one))),
            [] => bail!("there is no tenant"),
            _ => bail!("there are several tenants: name one of {all} with --tenant"),
        }
    }

    /// Prints a response: as JSON with `--json`, otherwise by the function `form`.
    pub fn show(&self, answer: &Value, form: impl Fn(&Value) -> String) {
        let inner = answer.get("data").unwrap_or(answer);
        if self.json { println!("{inner}") } else { println!("{}", form(inner)) }
    }
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
    /// Give an operator an access token for scripts; it is shown once.
    Token {
        name: String,
        /// Days until it expires.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=366))]
        days: u16,
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
    /// Runs the command on the database and prints the operators.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be opened, the operator exists already or does not exist, or the password is too
    /// short.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            OperatorCommand::Create { name, role, tenant, password_file, common } => {
                let provisioner = common.location.provisioner()?;
                let password = password_file.map(|file| {
                    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                    let password = text.trim_end_matches(['\r', '\n']);
                    hash_password(password, &*provisioner.ids)
                        .with_context(|| format!("the password in {}", file.display()))
                });
                let password = password.transpose()?;
                let new = provisioner.create_operator(name, role, tenant, password).await?;
                common.show(&json!(OperatorView::from(&new)));
            }
            OperatorCommand::List { common } => {
                let all = common.location.store()?.read("operators.list", operators::all).await?;
                let all = json!(all.iter().map(OperatorView::from).collect::<Vec<_>>());
                if common.json { println!("{all}") } else { println!("{}", summary::operators(&all)) }
            }
            OperatorCommand::Token { name, days, common } => {
                let provisioner = common.location.provisioner()?;
                let (token, hash) = new_token(&*provisioner.ids);
                let lifetime = SignedDuration::from_hours(24 * i64::from(days));
                provisioner.add_operator_token(name, hash, Some(lifetime)).await?;
                if common.json { println!("{}", json!({ "token": token })) } else { println!("{token}") }
            }
            OperatorCommand::Disable { name, common } => {
                let provisioner = common.location.provisioner()?;
                common.show(&json!(OperatorView::from(&provisioner.disable_operator(name).await?)));
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
