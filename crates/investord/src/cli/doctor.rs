//! `investord doctor`: reports whether a configuration is fit to serve, and if not, why.

use std::fs::OpenOptions;
use std::io;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::checks::{self, CheckedConfig};
use super::{Location, certificates, lock, provisioner, risks, single_threaded, strictness};
use crate::app::Mode;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::provision::{DeclaredTenants, Provisioner};
use crate::store::engine::sqlite_file;
use crate::store::tools::diagnostics::{Diagnosis, DiagnosisLevel, diagnose, finding};
use crate::store::{Database, Store, Tx, tenants};

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    location: Location,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Runs all diagnoses and prints them. The exit code is a failure if one of them is bad; doubtful ones do not
    /// count.
    ///
    /// # Errors
    ///
    /// Fails if the configuration cannot be read.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut config = self.location.config()?;
        let (database, clock) = (config.database()?, SystemClock::default());
        let mut findings = diagnose_risks(&config);
        findings.extend(certificates::examine(&config, clock.now()));
        let mut checked = checks::check_server(&mut config, Mode::Production);
        findings.extend(diagnose_settings(&mut checked, &database));
        let mut surveyed = diagnose(&database, &clock);
        surveyed.extend(file(&database));
        // The rows are read only without a bad finding, because opening an outdated SQLite file would migrate it.
        let is_fit = surveyed.iter().all(|finding| finding.level != DiagnosisLevel::Bad);
        findings.extend(surveyed);
        if is_fit {
            findings.extend(diagnose_rows(checked, &database, clock.now()));
        } else if checked.master_key.is_some() {
            let text = "is a key; not tried on a database with something bad";
            findings.push(finding(DiagnosisLevel::Good, "master_key", text));
        }
        let bad = findings.iter().any(|finding| finding.level == DiagnosisLevel::Bad);
        let shown: Vec<Value> = findings.iter().map(show).collect();
        println!(
            "{}",
            if self.json { json!(shown).to_string() } else { super::administration::table(&json!(shown)) }
        );
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Formats a diagnosis as JSON.
fn show(finding: &Diagnosis) -> Value {
    let level = match finding.level {
        DiagnosisLevel::Good => "good",
        DiagnosisLevel::Doubtful => "doubtful",
        DiagnosisLevel::Bad => "bad",
    };
    json!({ "level": level, "what": finding.what, "found": finding.found })
}

/// Diagnoses the settings for which `serve` would refuse to start. An address that is taken by the running server of
/// the same register counts as good.
fn diagnose_settings(checked: &mut CheckedConfig, database: &Database) -> Vec<Diagnosis> {
    let unusable = std::mem::take(&mut checked.unusable).into_iter();
    unusable
        .map(|(what, error)| {
            let cause = error.downcast_ref::<io::Error>().map(io::Error::kind);
            let is_own = cause == Some(io::ErrorKind::AddrInUse) && lock::is_served(database);
            let text = format!("{error:#}");
            if is_own {
                finding(DiagnosisLevel::Good, what, format!("{text}: a server of this register runs"))
            } else {
                finding(DiagnosisLevel::Bad, what, text)
            }
        })
        .collect()
}

/// Diagnoses settings that are permitted but risky.
fn diagnose_risks(config: &Config) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    let mut doubt = |what, objection: Option<String>| {
        found.extend(objection.map(|text| finding(DiagnosisLevel::Doubtful, what, text)));
    };
    for (what, risk, text) in risks::objections(config, Mode::Production) {
        doubt(what, Some(text).filter(|_| config.allow.contains(&risk)));
    }
    let unlimited = config.failed_checks_per_second == 0;
    doubt("failed_checks_per_second", unlimited.then(|| "0: strangers can keep the processor busy".into()));
    let chatty = ["debug", "trace"].iter().any(|level| config.log.level.contains(level));
    doubt("log.level", chatty.then(|| format!("{}: costs more than the work itself", config.log.level)));
    found
}

/// Checks that a server can write to an existing SQLite file, and that the file has a single name.
fn file(database: &Database) -> Vec<Diagnosis> {
    let Database::Sqlite(path) = database else { return Vec::new() };
    if !path.exists() {
        return Vec::new();
    }
    let opened = OpenOptions::new().append(true).open(path).map_err(anyhow::Error::from);
    let outcomes = [("writable", opened.map(|_| ())), ("links", sqlite_file::check_names(path))];
    let bad = outcomes.into_iter().filter_map(|(what, outcome)| Some((what, outcome.err()?)));
    bad.map(|(what, error)| finding(DiagnosisLevel::Bad, what, format!("{error:#}"))).collect()
}

/// Diagnoses the stored rows against the configuration: a server would refuse a master key that does not open them, and
/// a tenants file that contradicts them.
fn diagnose_rows(checked: CheckedConfig, database: &Database, now: Timestamp) -> Vec<Diagnosis> {
    let CheckedConfig { master_key, tenants: wanted, .. } = checked;
    let Some(master_key) = master_key else { return Vec::new() };
    let store = match Store::open(database) {
        Ok(store) => store,
        Err(error) => return vec![finding(DiagnosisLevel::Bad, "open", format!("{error:#}"))],
    };
    let provisioner = provisioner(master_key, store);
    match single_threaded(verify_master_key(&provisioner)) {
        Ok(text) => {
            let mut found = vec![finding(DiagnosisLevel::Good, "master_key", text)];
            found.extend(wanted.map(|wanted| diagnose_tenants_file(&provisioner, wanted)));
            found.push(strict_signatures(&provisioner.store, now));
            found
        }
        Err(error) => vec![finding(DiagnosisLevel::Bad, "master_key", format!("{error:#}"))],
    }
}

/// Verifies that the master key is the one of all tenants, and returns the text of the diagnosis.
async fn verify_master_key(provisioner: &Provisioner) -> anyhow::Result<String> {
    let all = provisioner.store.read("tenants.all", tenants::all).await?;
    provisioner.check_master_key(&all)?;
    Ok(format!("seals the {} tenants", all.len()))
}

/// Diagnoses the effect of strict signatures on the tenants that do not demand them (decision W21).
fn strict_signatures(store: &Store, now: Timestamp) -> Diagnosis {
    let unit = move |tx: &Tx<'_>| strictness::diagnose(tx, now);
    single_threaded(async { Ok(store.read("signature_counts.judge", unit).await?) })
        .unwrap_or_else(|error| finding(DiagnosisLevel::Bad, "strict_signatures", format!("{error:#}")))
}

/// Diagnoses the tenants file by applying it in a transaction that is rolled back.
fn diagnose_tenants_file(provisioner: &Provisioner, wanted: DeclaredTenants) -> Diagnosis {
    match single_threaded(async { Ok(provisioner.dry_run(wanted).await?) }) {
        Ok(()) => finding(DiagnosisLevel::Good, "tenants", "the file can be applied"),
        Err(error) => finding(DiagnosisLevel::Bad, "tenants", format!("{error:#}")),
    }
}
