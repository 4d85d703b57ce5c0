//! `investord doctor`: is this configuration fit to serve, and if not, why.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Location, parse_master_key, provisioner, single_threaded};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::provision::Wanted;
use crate::store::survey::{Finding, Level, finding, readable_by_others, survey};
use crate::store::{Store, tenants};

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    location: Location,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Fails if anything is bad; what is doubtful does not.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.location.config()?;
        let mut findings = own(&config);
        let database = survey(&config.database()?, &SystemClock::default());
        let fit = database.iter().all(|finding| finding.level != Level::Bad);
        findings.extend(database);
        findings.push(sealed(&config, fit));
        let bad = findings.iter().any(|finding| finding.level == Level::Bad);
        let shown: Vec<Value> = findings.iter().map(show).collect();
        println!("{}", if self.json { json!(shown).to_string() } else { super::admin::table(&json!(shown)) });
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn show(finding: &Finding) -> Value {
    let level = match finding.level {
        Level::Good => "good",
        Level::Doubtful => "doubtful",
        Level::Bad => "bad",
    };
    json!({ "level": level, "what": finding.what, "found": finding.found })
}

/// What the configuration itself tells.
fn own(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut doubt = |what, objection: Option<String>| {
        found.extend(objection.map(|text| finding(Level::Doubtful, what, text)));
    };
    doubt("master_key_file", config.master_key_file.as_deref().and_then(readable_by_others));
    let behind_tls = config.tls.is_some()
        || config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
        || config.listen.ip().is_loopback();
    doubt(
        "listen",
        (!behind_tls).then(|| format!("{} in clear: set tls, or public_url of a proxy", config.listen)),
    );
    let unlimited = config.failed_checks_per_second == 0;
    doubt("failed_checks_per_second", unlimited.then(|| "0: strangers can keep the processor busy".into()));
    let chatty = ["debug", "trace"].iter().any(|level| config.log.level.contains(level));
    doubt("log.level", chatty.then(|| format!("{}: costs more than the work itself", config.log.level)));
    let tls = config.tls.iter();
    let files = tls.flat_map(|tls| [("tls.cert_file", &tls.cert_file), ("tls.key_file", &tls.key_file)]);
    for (what, file) in files {
        let unread = std::fs::read(file).err();
        found.extend(unread.map(|error| finding(Level::Bad, what, format!("{}: {error}", file.display()))));
    }
    let tenants = config.tenants.as_deref().and_then(|file| Wanted::read(file).err());
    found.extend(tenants.map(|error| finding(Level::Bad, "tenants", format!("{error:#}"))));
    found
}

/// Whether the master key opens what is there.
fn sealed(config: &Config, fit: bool) -> Finding {
    let opened = || -> anyhow::Result<String> {
        let master_key = parse_master_key(&Location::master_key(config.clone())?)?;
        if !fit {
            return Ok("is a key; not tried on a database with something bad".into());
        }
        let provisioner = provisioner(master_key, Store::open(&config.database()?)?);
        let all = single_threaded(async { Ok(provisioner.store.read("tenants.all", tenants::all).await?) })?;
        provisioner.check_master_key(&all)?;
        Ok(format!("seals the {} tenants", all.len()))
    };
    match opened() {
        Ok(text) => finding(Level::Good, "master_key", text),
        Err(error) => finding(Level::Bad, "master_key", format!("{error:#}")),
    }
}
