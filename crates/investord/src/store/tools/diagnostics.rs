//! Diagnoses a database for `doctor`.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::copy::TABLES;
use crate::clock::Clock;
use crate::store::engine::catalogue::Database;
use crate::store::engine::postgres::connection_settings::PostgresSettings;
use crate::store::engine::statement::Statement;
use crate::store::engine::{migrate, sqlite};

/// Maximum clock difference between this machine and the database. Beyond it, timestamps of several processes cannot be
/// ordered reliably.
const SKEW: SignedDuration = SignedDuration::from_millis(500);

/// The severity of a diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiagnosisLevel {
    /// No problem.
    Good,
    /// A problem that does not stop the server yet.
    Doubtful,
    /// A problem that stops the server or loses data.
    Bad,
}

/// The result of one check.
#[derive(Debug)]
pub struct Diagnosis {
    pub level: DiagnosisLevel,
    /// The name of the check.
    pub what: &'static str,
    /// The result in words, with the remedy for a problem.
    pub found: String,
}

/// Creates a diagnosis.
pub fn finding(level: DiagnosisLevel, what: &'static str, found: impl Into<String>) -> Diagnosis {
    Diagnosis { level, what, found: found.into() }
}

/// Returns a diagnosis of the level `bad` if there is an objection, a good one otherwise.
fn unless(bad: DiagnosisLevel, what: &'static str, objection: Option<String>, good: &str) -> Diagnosis {
    objection.map_or_else(|| finding(DiagnosisLevel::Good, what, good), |text| finding(bad, what, text))
}

/// Checks whether the database can be reached, has the right schema, can prepare every statement, and has settings that
/// cause harm. Checks that depend on a failed one are left out.
pub fn diagnose(database: &Database, clock: &dyn Clock) -> Vec<Diagnosis> {
    let mut found = match database {
        Database::Sqlite(path) => file(path),
        Database::Postgres(server) => reach(server),
    };
    if found.iter().any(|finding| finding.level == DiagnosisLevel::Bad) {
        return found;
    }
    match migrate::state(database, &crate::store::CATALOGUE) {
        Ok(state) => {
            let lacking = (!state.pending.is_empty())
                .then(|| format!("lacks {}: run `investord migrate`", state.pending.join(", ")));
            let fits = lacking.is_none();
            found.push(unless(DiagnosisLevel::Bad, "schema", lacking, &state.applied.join(", ")));
            if fits {
                found.push(statements(database));
            }
        }
        Err(error) => found.push(finding(DiagnosisLevel::Bad, "schema", format!("{error:#}"))),
    }
    if let Database::Postgres(server) = database {
        found.extend(settings(server, clock));
    }
    found
}

/// Checks the integrity, the journal mode and the permissions of a SQLite file.
fn file(path: &Path) -> Vec<Diagnosis> {
    let looked = || -> anyhow::Result<Vec<Diagnosis>> {
        let connection = sqlite::open_to_read(path)?;
        let faults: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        let journal: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        let faults = (faults != "ok").then_some(faults);
        let journal = (journal != "wal").then(|| format!("is {journal}: readers will block the writer"));
        Ok(vec![
            finding(DiagnosisLevel::Good, "reachable", path.display().to_string()),
            unless(DiagnosisLevel::Bad, "integrity", faults, "quick_check finds no fault"),
            unless(DiagnosisLevel::Doubtful, "journal", journal, "wal"),
            unless(DiagnosisLevel::Doubtful, "permissions", readable_by_others(path), "for the owner alone"),
        ])
    };
    looked().unwrap_or_else(|error| {
        vec![finding(DiagnosisLevel::Bad, "reachable", format!("{}: {error:#}", path.display()))]
    })
}

/// Returns a warning if other users of this machine can read the file.
pub fn readable_by_others(path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = path.metadata().ok()?.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then(|| format!("{} has mode {mode:o}: others can read it", path.display()))
    }
    #[cfg(not(unix))]
    None
}

/// Checks the connection to a PostgreSQL server and its encryption.
fn reach(server: &PostgresSettings) -> Vec<Diagnosis> {
    let reached = server.ask(async |client| {
        let version: String = client.query_one("SHOW server_version", &[]).await?.get(0);
        let encrypted =
            "SELECT coalesce((SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()), false)";
        let encrypted: bool = client.query_one(encrypted, &[]).await?.get(0);
        Ok((version, encrypted))
    });
    match reached {
        Err(error) => vec![finding(DiagnosisLevel::Bad, "reachable", format!("{error:#}"))],
        Ok((version, encrypted)) => {
            let objection = match (server.is_remote(), encrypted, server.verified()) {
                (_, true, true) | (false, ..) => None,
                (true, true, false) => {
                    Some("encrypted, but anybody could be the server: set sslmode=verify-full")
                }
                (true, false, _) => Some("not encrypted: set sslmode=verify-full"),
            };
            let good = if encrypted { "encrypted" } else { "not needed on this machine" };
            vec![
                finding(DiagnosisLevel::Good, "reachable", format!("{server}, PostgreSQL {version}")),
                unless(DiagnosisLevel::Doubtful, "tls", objection.map(str::to_owned), good),
            ]
        }
    }
}

/// Checks that every statement of the server can be prepared.
fn statements(database: &Database) -> Diagnosis {
    let outcome: anyhow::Result<Vec<String>> = match database {
        Database::Sqlite(path) => sqlite::open_to_read(path).map_err(anyhow::Error::from).map(|connection| {
            let prepare = |stmt: &dyn Statement| {
                connection.prepare(stmt.text()).map(|_| ()).map_err(|error| error.to_string())
            };
            crate::store::statements()
                .filter_map(|stmt| Some(format!("{}: {}", stmt.name(), prepare(stmt).err()?)))
                .collect()
        }),
        Database::Postgres(server) => {
            server.ask(async |client| Ok(unfit(client, server.tuning.pooler).await))
        }
    };
    let good = format!("all {} can be prepared", crate::store::statements().count());
    let objection = match outcome {
        Ok(faults) => (!faults.is_empty()).then(|| faults.join("; ")),
        Err(error) => Some(format!("{error:#}")),
    };
    unless(DiagnosisLevel::Bad, "statements", objection, &good)
}

/// Returns the statements that the server cannot prepare or whose columns have unsupported types. With `first` it stops
/// at the first failure, because a failed statement aborts the transaction that a pooler requires.
async fn unfit(client: &Client, first: bool) -> Vec<String> {
    let known = [Type::INT8, Type::TEXT, Type::BYTEA, Type::UUID];
    let mut faults = Vec::new();
    for stmt in crate::store::statements() {
        match client.prepare(stmt.text()).await {
            Ok(prepared) => {
                let strange = prepared.columns().iter().find(|column| !known.contains(column.type_()));
                faults.extend(
                    strange.map(|column| format!("{}: {} is {}", stmt.name(), column.name(), column.type_())),
                );
            }
            Err(error) => {
                let why =
                    error.as_db_error().map_or_else(|| error.to_string(), |told| told.message().to_owned());
                faults.push(format!("{}: {why}", stmt.name()));
                if first {
                    break;
                }
            }
        }
    }
    faults
}

/// Checks for server settings that lose data, refuse writes or slow them down.
fn settings(server: &PostgresSettings, clock: &dyn Clock) -> Vec<Diagnosis> {
    let asked = server.ask(async |client| {
        let mut found = vec![skew(client, clock).await?];
        for (name, level, hurts, why) in HARMFUL {
            let value: String = client.query_one("SELECT current_setting($1)", &[name]).await?.get(0);
            let objection = hurts.contains(&value.as_str()).then(|| format!("{value}: {why}"));
            found.push(unless(*level, name, objection, &value));
        }
        let encoding: String = client.query_one("SHOW server_encoding", &[]).await?.get(0);
        let other = (encoding != "UTF8").then(|| format!("{encoding}: names need UTF8"));
        found.push(unless(DiagnosisLevel::Bad, "encoding", other, "UTF8"));
        let standby: bool = client.query_one("SELECT pg_is_in_recovery()", &[]).await?.get(0);
        let standby = standby.then(|| "a standby: writes will be refused".to_owned());
        found.push(unless(DiagnosisLevel::Bad, "role", standby, "primary"));
        found.push(rights(client).await?);
        found.push(room(client, server).await?);
        Ok(found)
    });
    asked.unwrap_or_else(|error| vec![finding(DiagnosisLevel::Bad, "settings", format!("{error:#}"))])
}

/// Harmful settings: name, level, harmful values and the reason.
const HARMFUL: &[(&str, DiagnosisLevel, &[&str], &str)] = &[
    ("fsync", DiagnosisLevel::Bad, &["off"], "what was acknowledged is lost when the machine fails"),
    ("full_page_writes", DiagnosisLevel::Bad, &["off"], "a failure of the machine can damage pages"),
    (
        "synchronous_commit",
        DiagnosisLevel::Bad,
        &["off"],
        "what was acknowledged is lost when the server fails",
    ),
    (
        "default_transaction_read_only",
        DiagnosisLevel::Doubtful,
        &["on"],
        "somebody wants no writes here; they are done all the same",
    ),
    ("autovacuum", DiagnosisLevel::Doubtful, &["off"], "tables grow and slow down"),
];

/// Compares the clock of the server with the middle of the request, which halves the error of the round trip.
async fn skew(client: &Client, clock: &dyn Clock) -> anyhow::Result<Diagnosis> {
    let question = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let before = clock.now();
    let there: i64 = client.query_one(question, &[]).await?.get(0);
    let after = clock.now();
    let (there, midway) = (Timestamp::from_microsecond(there)?, before + after.duration_since(before) / 2);
    let ahead = there.duration_since(midway);
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    let objection = (ahead.abs() > SKEW).then(|| {
        format!("the database is {} ms {side} this machine: keep both on time", ahead.as_millis().abs())
    });
    let good = format!("{} ms apart", ahead.as_millis().abs());
    Ok(unless(DiagnosisLevel::Doubtful, "clock", objection, &good))
}

/// Checks the table privileges of the role, because the server checks them at execution and not at preparation.
async fn rights(client: &Client) -> anyhow::Result<Diagnosis> {
    let question = "SELECT t.name, p.name FROM unnest($1::text[]) AS t (name), unnest($2::text[]) AS p (name)
                    WHERE to_regclass(t.name) IS NOT NULL
                    AND NOT has_table_privilege(to_regclass(t.name), p.name) ORDER BY 1, 2";
    let tables: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    let rows =
        client.query(question, &[&tables, &["SELECT", "INSERT", "UPDATE", "DELETE"].as_slice()]).await?;
    let lacking: Vec<String> =
        rows.iter().map(|row| format!("{} on {}", row.get::<_, &str>(1), row.get::<_, &str>(0))).collect();
    let objection = (!lacking.is_empty()).then(|| format!("the role may not {}", lacking.join(", ")));
    Ok(unless(DiagnosisLevel::Bad, "rights", objection, "on all tables"))
}

/// Checks whether the server has connections left for this process and for a second one during an upgrade.
async fn room(client: &Client, server: &PostgresSettings) -> anyhow::Result<Diagnosis> {
    let question = "SELECT current_setting('max_connections')::bigint
                           - current_setting('superuser_reserved_connections')::bigint,
                           (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datid IS NOT NULL)";
    // Any role may see the number of sessions but not their `backend_type`, so background processes are excluded by
    // `datid`.
    let row = client.query_one(question, &[]).await?;
    let (most, used): (i64, i64) = (row.get(0), row.get(1));
    let own = i64::from(server.tuning.writers) + i64::from(server.tuning.readers);
    let objection = (2 * own > most - used).then(|| {
        format!(
            "a process takes {own} connections, {used} of {most} are in use: two processes do not fit during an \
             upgrade; raise max_connections or put a pooler in between"
        )
    });
    Ok(unless(DiagnosisLevel::Doubtful, "connections", objection, &format!("{own} of {most}, {used} in use")))
}
