//! The sessions that `investord login` keeps, in a file for their owner alone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use etcetera::{BaseStrategy, choose_base_strategy};

use super::private_file;

/// Name of the file, in the folder of `investord` among the user's configuration.
const FILE: &str = "sessions.json";

/// Returns the path of the file.
fn path() -> anyhow::Result<PathBuf> {
    let strategy = choose_base_strategy().context("the home folder of the user is unknown")?;
    Ok(strategy.config_dir().join("investord").join(FILE))
}

/// Returns the kept tokens by the URL of their server.
fn all() -> anyhow::Result<BTreeMap<String, String>> {
    let path = path()?;
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Returns the token that is kept for a server.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub fn of_server(url: &str) -> anyhow::Result<Option<String>> {
    Ok(all()?.remove(url))
}

/// Keeps a token for a server in the place of another one, or removes it, and returns the path of the file.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub fn keep(url: &str, token: Option<&str>) -> anyhow::Result<PathBuf> {
    let (path, mut kept) = (path()?, all()?);
    match token {
        Some(token) => drop(kept.insert(url.to_owned(), token.to_owned())),
        None => drop(kept.remove(url)),
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    private_file::replace(&path, &serde_json::to_string(&kept)?)?;
    Ok(path)
}
