//! `investord copy`: copies a register to another database and verifies the copy.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{lock, single_threaded};
use crate::config;
use crate::store::engine::migrate;
use crate::store::engine::postgres::connection_settings::Tuning;
use crate::store::tools::chains;
use crate::store::tools::copy;
use crate::store::tools::copy::{Content, EVENTS, TABLES};
use crate::store::{Database, Store};

#[derive(Args)]
pub struct CopyArgs {
    /// The register to be copied: `sqlite:PATH` or `postgres://USER@HOST/NAME`. No process may serve it.
    #[arg(long, env = "INVESTORD_COPY_FROM", hide_env_values = true, value_name = "URL")]
    from: String,
    /// Where to; an empty database, or one into which a copy of the same register broke off.
    #[arg(long, env = "INVESTORD_COPY_TO", hide_env_values = true, value_name = "URL")]
    to: String,
    /// Delete the rows of an earlier copy, instead of continuing where it broke off.
    #[arg(long)]
    from_start: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl CopyArgs {
    /// Copies the register, verifies the copy, and prints the number of rows and the digest of each table.
    ///
    /// # Errors
    ///
    /// Fails if a database cannot be opened or is in use, or the copy differs from the source.
    pub fn run(self) -> anyhow::Result<()> {
        // Statements over a whole table exceed the usual timeout. One hour, in seconds, is the maximum of the setting.
        let tuning = Tuning { statement_timeout_seconds: 3600, ..Tuning::default() };
        let database = |what, url| config::database(url, &tuning).with_context(|| format!("--{what}"));
        let (from, to) = (database("from", &self.from)?, database("to", &self.to)?);
        if let Database::Sqlite(file) = &from
            && !file.exists()
        {
            bail!("--from: there is no database {}", file.display());
        }
        let held = migrate::state(&from, &crate::store::CATALOGUE).context("--from")?;
        if let (Database::Sqlite(_), []) = (&from, &held.applied[..]) {
            bail!("--from: {from} holds no register");
        }
        // With --from-start, a copy onto itself would delete the register.
        if copy::same(&from, &to)? {
            bail!("--from and --to are the same database");
        }
        // A server that writes to either database during the copy would make the two differ.
        lock::ensure_not_served(&from)?;
        lock::ensure_not_served(&to)?;
        let source = Store::open(&from).context("--from")?;
        migrate::run(&to, &crate::store::CATALOGUE).context("--to")?;
        single_threaded(self.transfer(&source, &Store::open(&to).context("--to")?))
    }

    /// Copies table by table, compares the digests of source and copy, and verifies the hash chains of the copy.
    async fn transfer(&self, from: &Store, to: &Store) -> anyhow::Result<()> {
        copy::check_target(from, to).await?;
        if self.from_start {
            copy::empty(to).await?;
        }
        for table in TABLES.iter() {
            let bar = bar(table.name, "copied", table.count(from).await?)?;
            copy::copy(table, from, to, |rows| bar.inc(rows)).await?;
            bar.finish();
        }
        let (mut shown, mut different) = (Vec::new(), Vec::new());
        for table in TABLES.iter() {
            let rows = table.count(from).await? + table.count(to).await?;
            let bar = bar(table.name, "verified", rows)?;
            let source = copy::content(table, from, |rows| bar.inc(rows)).await?;
            let target = copy::content(table, to, |rows| bar.inc(rows)).await?;
            bar.finish();
            if source != target {
                different.push(format!("{} ({} rows, {} in the copy)", table.name, source.rows, target.rows));
            }
            let Content { rows, digest } = target;
            shown.push(json!({ "table": table.name, "rows": rows, "digest": digest.to_string() }));
        }
        if !different.is_empty() {
            bail!(
                "the copy differs in {}: one of the two has changed since the copy began; stop what writes to them \
                 and copy again with --from-start",
                different.join(", ")
            );
        }
        // Source and copy are equal at this point, so a broken chain was broken in the source already.
        let events = verify_chains(to).await.context("the source is damaged, and so is its copy")?;
        // After the checkpoint, a SQLite file can be moved to another machine without its write-ahead log.
        to.checkpoint().await;
        let shown = json!(shown);
        println!("{}", if self.json { shown.to_string() } else { super::administration::table(&shown) });
        if !self.json {
            println!("verified: the same content, and {events} events in unbroken chains");
        }
        Ok(())
    }
}

/// Verifies the hash chains of all tenants and returns the number of events.
async fn verify_chains(store: &Store) -> anyhow::Result<i64> {
    let bar = bar("chains", "verified", EVENTS.count(store).await?)?;
    let count = chains::check_chains(store, |rows| bar.inc(rows)).await?;
    bar.finish();
    Ok(count)
}

/// Creates a progress bar on standard error, which is visible on a terminal only.
fn bar(table: &'static str, what: &str, rows: i64) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template(&format!(
        "{{msg:12}} {{bar:30}} {{human_pos}} of {{human_len}} rows {what}, {{eta}} left"
    ))?;
    let bar = ProgressBar::new(u64::try_from(rows)?).with_style(style).with_message(table);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}
