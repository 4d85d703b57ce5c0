//! `investord login` and `logout`: sessions of a person, for the commands that speak to the operator API.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;

use super::kept_session;
use super::kept_session::KeptSession;
use super::operate::read_password;
use super::operator_server::OperatorServer;
use super::provider_login;

#[derive(Args)]
pub struct Login {
    /// Name of the operator, for a sign-in with a password.
    #[arg(required_unless_present_any = ["browser", "device"])]
    name: Option<String>,
    /// Sign in at the identity provider with a browser on this machine.
    #[arg(long, conflicts_with_all = ["name", "password_file", "code", "device"])]
    browser: bool,
    /// Have the identity provider ask again who you are, even if you are signed in there: for what needs a proof of
    /// the last minutes.
    #[arg(long, requires = "browser", conflicts_with = "device")]
    fresh: bool,
    /// Sign in at the identity provider with a code that is confirmed on any device.
    #[arg(long, conflicts_with_all = ["name", "password_file", "code"])]
    device: bool,
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
        let Self { name, browser, fresh, device, password_file, code, server } = self;
        let begun = match name {
            _ if browser => provider_login::in_browser(&server, fresh).await?,
            _ if device => provider_login::on_device(&server).await?,
            None => bail!("name the operator, or sign in with --browser or --device"),
            Some(name) => {
                let password = match password_file {
                    Some(file) => read_password(&file)?,
                    None => rpassword::prompt_password("password: ").context(
                        "there is no terminal to ask for the password: name a file with --password-file",
                    )?,
                };
                server.sign_in(&name, &password, code).await?
            }
        };
        let text = |member: &str| begun[member].as_str().map(str::to_owned);
        let token = text("token").context("the server answered no token")?;
        let device = match text("device") {
            Some(device) => Some(device),
            None => kept_session::of_server(&server.url)?.device,
        };
        let session = KeptSession { token: Some(token), device };
        let file = kept_session::keep(&server.url, session)?;
        let until = begun["expires_at"].as_str().unwrap_or_default();
        let name = text("name").unwrap_or_default();
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
