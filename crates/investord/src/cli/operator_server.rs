//! The client of the operator API: address, certificates, credentials.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use reqwest::{Certificate, ClientBuilder, Identity, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::target::{BaseUrl, segment};
use super::{dev, kept_session};
use crate::domain::suggest::did_you_mean;

/// The address and the credentials of the operator API.
#[derive(Args)]
pub struct OperatorServer {
    /// Address of the operator API, or `unix:/PATH` of its socket.
    #[arg(long, env = "INVESTORD_OPERATOR_URL", default_value = "http://127.0.0.1:9080")]
    pub url: String,
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
    /// Returns the token: that of `--token-file`, or of the session that `investord login` has kept for this server,
    /// or, for a server on this machine, the token that `dev` has written.
    fn token(&self, server: &BaseUrl) -> anyhow::Result<String> {
        if self.token_file.is_none()
            && let Some(token) = kept_session::of_server(&self.url)?.token
        {
            return Ok(token);
        }
        // The token of `dev` must not be sent to another machine.
        ensure!(
            self.token_file.is_some() || server.is_local(),
            "sign in at {} with `investord login`, or name a file with a token with --token-file",
            self.url
        );
        let beside = PathBuf::from(dev::FOLDER).join(dev::OPERATOR_TOKEN);
        let file = self.token_file.clone().unwrap_or(beside);
        let text = std::fs::read_to_string(&file).with_context(|| {
            format!(
                "{}: sign in with `investord login`, or name a file with a token (`investord operator token`) with \
                 --token-file",
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
        let (server, request) = self.request(method, path)?;
        let request = request.bearer_auth(self.token(&server)?);
        let request = match body {
            Some(body) => RequestBuilder::body(request, body.to_string()),
            None => request,
        };
        self.receive(request).await
    }

    /// Sends a request that needs no token and returns the JSON of the response.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the request.
    pub async fn send_public(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        let (_, request) = self.request(method, path)?;
        self.receive(RequestBuilder::body(request, body.to_string())).await
    }

    /// Sends a POST request that needs no token and returns the JSON of the response; none while the server answers
    /// that something is still to happen (409).
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the request.
    pub async fn try_public(&self, path: &str, body: Value) -> anyhow::Result<Option<Value>> {
        let (_, request) = self.request(Method::POST, path)?;
        let (status, json) = self.exchange(RequestBuilder::body(request, body.to_string())).await?;
        if status == StatusCode::CONFLICT { Ok(None) } else { self.success(status, json).map(Some) }
    }

    /// Signs in and returns the response, which has the token of the session.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the sign-in.
    pub async fn sign_in(&self, name: &str, password: &str, code: Option<String>) -> anyhow::Result<Value> {
        let device = kept_session::of_server(&self.url)?.device;
        let mut body = json!({ "name": name, "password": password, "device": device });
        if let Some(code) = code {
            body["code"] = code.into();
        }
        self.send_public(Method::POST, "/sessions", body).await
    }

    /// Begins a request without credentials.
    fn request(&self, method: Method, path: &str) -> anyhow::Result<(BaseUrl, RequestBuilder)> {
        let server = BaseUrl::parse_with_socket(&self.url, "--url")?;
        let url = server.join(&path.parse()?)?;
        let client = self.with_certificates(server.client())?.build()?;
        Ok((server, client.request(method, url)))
    }

    /// Sends a request and returns the JSON of a successful response.
    async fn receive(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let (status, json) = self.exchange(request).await?;
        self.success(status, json)
    }

    /// Sends a request and returns status and JSON of the response.
    async fn exchange(&self, request: RequestBuilder) -> anyhow::Result<(StatusCode, Value)> {
        let answer = request.send().await.with_context(|| format!("cannot reach {}", self.url))?;
        let (status, text) = (answer.status(), answer.text().await?);
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Returns the JSON of a successful response.
    fn success(&self, status: StatusCode, json: Value) -> anyhow::Result<Value> {
        if status.is_success() {
            return Ok(json);
        }
        match json["detail"].as_str() {
            Some(detail) => bail!("{detail}"),
            None => bail!("{} answers {status}", self.url),
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
