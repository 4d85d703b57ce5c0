//! `investord call`: calls this server or the vendor's with a signed request.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use http::{Method, StatusCode};

use super::profile::ProfileOptions;
use super::signing_client::{SignedSend, SigningClient};
use super::target::Target;
use crate::api;
use crate::domain::signatures::SignatureVersion;
use crate::domain::suggest::nearest;

#[derive(Args)]
pub struct CallCommand {
    /// GET, POST, PATCH, DELETE, …
    method: Method,
    /// Path and query, as in '/users?limit=10'.
    target: Target,
    /// JSON, @FILE, or @- for standard input.
    body: Option<String>,
    #[command(flatten)]
    profile: ProfileOptions,
    /// Which of the profile's keys: the beginning of its id, or a part of its file's name.
    #[arg(long)]
    key: Option<String>,
    #[arg(long, default_value = "15", value_name = "VERSION")]
    signature_version: SignatureVersion,
    /// The idempotency key; a random one otherwise.
    #[arg(long, value_name = "UUID")]
    idempotency_key: Option<String>,
    /// A further header, as in 'accept: text/csv'; repeatable.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Show the signature base and all headers.
    #[arg(long, short)]
    verbose: bool,
    /// Print the body exactly as it came.
    #[arg(long)]
    raw: bool,
}

impl ValueEnum for SignatureVersion {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Draft6, Self::Draft15, Self::Rfc9421]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Draft6 => "6",
            Self::Draft15 => "15",
            Self::Rfc9421 => "9421",
        }))
    }
}

impl CallCommand {
    /// Sends the request and prints the response. The exit code is a failure unless the status is 2xx.
    ///
    /// # Errors
    ///
    /// Fails if the profile, the key or the body cannot be read, or the server cannot be reached.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let session =
            SigningClient::open(&self.profile, self.key.as_deref(), self.signature_version, self.verbose)?;
        let body = self.body()?;
        let sending = SignedSend {
            body: self.body.as_ref().map(|_| body.as_slice()),
            idempotency_key: self.idempotency_key.as_deref(),
            headers: &self.headers,
        };
        let answer = session.call(&self.method, &self.target, &sending).await?;
        let status = answer.status();
        self.show(answer).await?;
        Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Reads the request body from the argument, a file (`@FILE`) or standard input (`@-`).
    fn body(&self) -> anyhow::Result<Vec<u8>> {
        match self.body.as_deref() {
            None => Ok(Vec::new()),
            Some("@-") => {
                let mut body = Vec::new();
                std::io::stdin().read_to_end(&mut body)?;
                Ok(body)
            }
            Some(text) => match text.strip_prefix('@') {
                Some(file) => std::fs::read(file).with_context(|| file.to_owned()),
                None => Ok(text.as_bytes().to_vec()),
            },
        }
    }

    /// Prints the body to standard output and everything else to standard error, so that the output can be piped into a
    /// JSON tool.
    async fn show(&self, answer: reqwest::Response) -> anyhow::Result<()> {
        let status = answer.status();
        let request_id =
            answer.headers().get("upvest-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        if self.verbose {
            eprintln!("\n< {status}");
            for (name, value) in answer.headers() {
                eprintln!("< {name}: {}", String::from_utf8_lossy(value.as_bytes()));
            }
            eprintln!();
        }
        let body = answer.bytes().await?;
        let pretty = serde_json::from_slice(&body)
            .and_then(|json: serde_json::Value| serde_json::to_string_pretty(&json));
        let mut out = std::io::stdout();
        match pretty {
            Ok(pretty) if !self.raw => writeln!(out, "{pretty}")?,
            _ => out.write_all(&body)?,
        }
        if !status.is_success() || body.is_empty() {
            eprintln!("{status}, request {}", request_id.as_deref().unwrap_or("without id"));
        }
        if status == StatusCode::NOT_FOUND
            && let Some(path) = nearest_path(self.target.as_str())
        {
            eprintln!("did you mean '{path}'?");
        }
        Ok(())
    }
}

/// Suggests the path of the API that is nearest to a path that does not exist.
fn nearest_path(target: &str) -> Option<String> {
    let path = target.split('?').next().unwrap_or_default();
    let sent: Vec<&str> = path.split('/').collect();
    let as_template = |template: &str| -> Option<String> {
        let parts: Vec<&str> = template.split('/').collect();
        // A parameter of the template, as in `{user_id}`, keeps the value of the request.
        let fits = |(sent, part): (&&str, &&str)| {
            let stays = part.starts_with('{') || sent == part;
            if stays { Some((*sent).to_owned()) } else { nearest(sent, [*part]).map(str::to_owned) }
        };
        let same = parts.len() == sent.len();
        same.then(|| sent.iter().zip(&parts).map(fits).collect::<Option<Vec<_>>>())?.map(|all| all.join("/"))
    };
    let candidates: Vec<String> = api::paths().into_iter().filter_map(as_template).collect();
    let known = candidates.iter().any(|candidate| candidate == path);
    if known { None } else { nearest(path, candidates.iter().map(String::as_str)).map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_none_finds_the_one_that_was_meant() {
        let id = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
        for (target, meant) in [
            ("/user", Some("/users".to_owned())),
            ("/Users?limit=10", Some("/users".to_owned())),
            (&format!("/user/{id}"), Some(format!("/users/{id}"))),
            (&format!("/users/{id}/identifier?x"), Some(format!("/users/{id}/identifiers"))),
            ("/account-groups", Some("/account_groups".to_owned())),
            ("/users", None),
            (&format!("/users/{id}"), None),
            (&format!("/users/{id}/colours"), None),
            ("/weather", None),
            ("", None),
        ] {
            assert_eq!(nearest_path(target), meant, "{target}");
        }
    }
}
