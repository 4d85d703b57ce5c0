//! `investord login` and `logout`: sessions of a person, for the commands that speak to the operator API.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use reqwest::Method;

use super::kept_session;
use super::kept_session::KeptSession;
use super::operate::read_password;
use super::operator_server::OperatorServer;

#[derive(Args)]
pub struct Login {
    /// Name of the operator.
    name: String,
    /// File with the password; without one it is asked for.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// What the authenticator app shows, or a recovery code, if the operator has a second factor.
    #[arg(long)]
    code: Option<String>,
    #[command(flatten)]
    server: OperatorServer,
}

impl Login {
    /// Signs in, and keeps the token of the session for further commands.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the sign-in, or the token cannot be kept.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { name, password_file, code, server } = self;
        let password = match password_file {
            Some(file) => read_password(&file)?,
            None => rpassword::prompt_password("password: ")
                .context("there is no terminal to ask for the password: name a file with --password-file")?,
        };
        let begun = server.sign_in(&name, &password, code).await?;
        let text = |member: &str| begun[member].as_str().map(str::to_owned);
        let token = text("token").context("the server answered no token")?;
        let session = KeptSession { token: Some(token), device: text("device") };
        let file = kept_session::keep(&server.url, session)?;
        let until = begun["expires_at"].as_str().unwrap_or_default();
        println!("signed in as {name} until {until}; the session is kept in {}", file.display());
        Ok(())
    }
}

#[derive(Args)]
pub struct Logout {
    #[command(flatten)]
    server: OperatorServer,
}

impl Logout {
    /// Ends the session that is kept for a server.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached, or the file cannot be written.
    pub async fn run(self) -> anyhow::Result<()> {
        let ended = self.server.send(Method::DELETE, "/sessions", None).await;
        let kept = kept_session::of_server(&self.server.url)?;
        kept_session::keep(&self.server.url, KeptSession { token: None, ..kept })?;
        ended?;
        println!("signed out");
        Ok(())
    }
}
