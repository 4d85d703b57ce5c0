//! The sessions that `investord login` keeps, in a file for their owner alone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use etcetera::{BaseStrategy, choose_base_strategy};
use serde::{Deserialize, Serialize};

use super::private_file;

/// Name of the file, in the folder of `investord` among the user's configuration.
const FILE: &str = "sessions.json";

/// What is kept for a server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeptSession {
    /// The token of the session; none after `investord logout`.
    pub token: Option<String>,
    /// What tells the server that its operator has signed in from here before: wrong passwords from elsewhere do not
    /// delay the next sign-in.
    pub device: Option<String>,
}

/// Returns the path of the file.
fn path() -> anyhow::Result<PathBuf> {
    let strategy = choose_base_strategy().context("the home folder of the user is unknown")?;
    Ok(strategy.config_dir().join("investord").join(FILE))
}

/// Returns what is kept, by the URL of the server.
fn all() -> anyhow::Result<BTreeMap<String, KeptSession>> {
    let path = path()?;
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Returns what is kept for a server.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub fn of_server(url: &str) -> anyhow::Result<KeptSession> {
    Ok(all()?.remove(url).unwrap_or_default())
}

/// Keeps a session for a server in the place of another one, and returns the path of the file.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub fn keep(url: &str, session: KeptSession) -> anyhow::Result<PathBuf> {
    let (path, mut kept) = (path()?, all()?);
    kept.insert(url.to_owned(), session);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    private_file::replace(&path, &serde_json::to_string(&kept)?)?;
    Ok(path)
}
