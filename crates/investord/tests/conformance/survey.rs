//! Statements that fit, and what the survey says of databases that are good and of those that are not.

use investord::clock::SystemClock;
use investord::config;
use investord::store::Database;
use investord::store::engine::migrate;
use investord::store::engine::postgres::connection_settings::Tuning;
use investord::store::tools::diagnostics::{Diagnosis, DiagnosisLevel, diagnose};
use tokio_postgres::NoTls;

use crate::engine::Engine;

on_every_engine!(
    a_good_database_is_good,
    a_missing_column_is_found,
    a_missing_migration_is_found,
    an_unknown_migration_is_found,
    a_changed_migration_is_found,
);

fn surveyed(database: &Database) -> Vec<Diagnosis> {
    diagnose(database, &SystemClock::default())
}

/// What is said to be bad.
#[track_caller]
fn bad(database: &Database, what: &str) -> String {
    let findings = surveyed(database);
    let bad = findings.iter().find(|finding| finding.level == DiagnosisLevel::Bad && finding.what == what);
    bad.unwrap_or_else(|| panic!("{what}: {findings:#?}")).found.clone()
}

/// The server of these tests may not care for the disk, and the survey says so.
fn is_of_the_server(finding: &Diagnosis) -> bool {
    ["fsync", "full_page_writes", "connections"].contains(&finding.what)
}

async fn a_good_database_is_good(engine: &Engine) {
    drop(engine.open());
    let findings = surveyed(&engine.database());
    let worse =
        findings.iter().filter(|finding| finding.level != DiagnosisLevel::Good && !is_of_the_server(finding));
    assert_eq!(worse.count(), 0, "{findings:#?}");
    let about = |what: &str| findings.iter().any(|finding| finding.what == what);
    assert!(["reachable", "schema", "statements"].into_iter().all(about), "{findings:#?}");
    assert!(!engine.is_shared() || ["clock", "encoding", "role"].into_iter().all(about), "{findings:#?}");
}

async fn a_missing_column_is_found(engine: &Engine) {
    drop(engine.open());
    engine.run("ALTER TABLE users DROP COLUMN person");
    if let Engine::Postgres { pooler: true, .. } = engine {
        // Through a pooler nothing is prepared, so nothing is found.
        return;
    }
    let found = bad(&engine.database(), "statements");
    for name in ["users.insert", "users.by_id"] {
        assert!(found.contains(name), "{found}");
    }
    assert!(!found.contains("heads."), "{found}");
}

async fn a_missing_migration_is_found(engine: &Engine) {
    drop(engine.open());
    engine.run("DELETE FROM refinery_schema_history");
    let found = bad(&engine.database(), "schema");
    assert!(found.contains("V1__register"), "{found}");
    let state = migrate::state(&engine.database(), &investord::store::CATALOGUE).unwrap();
    assert!(state.applied.is_empty() && state.pending.contains(&"V1__register".to_owned()), "{state:?}");
    let opened = investord::store::Store::open(&engine.database());
    assert!(opened.is_err(), "the tables are there, but nobody knows of which version");
}

async fn an_unknown_migration_is_found(engine: &Engine) {
    drop(engine.open());
    engine.run(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         VALUES (999, 'future', '2030-01-01T00:00:00Z', '1')",
    );
    let found = bad(&engine.database(), "schema");
    assert!(found.contains("future") && found.contains("newer"), "{found}");
    let opened = investord::store::Store::open(&engine.database());
    assert!(opened.is_err_and(|error| format!("{error:#}").contains("future")));
}

async fn a_changed_migration_is_found(engine: &Engine) {
    drop(engine.open());
    engine.run("UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1");
    let found = bad(&engine.database(), "schema");
    assert!(found.contains("V1__register"), "{found}");
    assert!(investord::store::Store::open(&engine.database()).is_err());
}

#[tokio::test]
async fn a_database_that_is_not_there_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let found = bad(&Database::Sqlite(folder.path().join("none.db")), "reachable");
    assert!(found.contains("none.db"), "{found}");
    if let Some(Engine::Postgres { database, .. }) = Engine::postgres() {
        let uri = format!("{}_not", database.url());
        let found = bad(&config::database(&uri, &Tuning::default()).unwrap(), "reachable");
        assert!(found.contains("does not exist"), "{found}");
    }
}

#[tokio::test]
async fn an_empty_database_lacks_its_schema() {
    let Some(server) = testing::postgres::shared() else { return };
    let database = server.database();
    let found = bad(&config::database(database.url(), &Tuning::default()).unwrap(), "schema");
    assert!(found.contains("V1__register"), "{found}");
}

/// The same server, first as it comes and then as nobody should run it.
#[tokio::test]
async fn a_careless_server_is_found() {
    let started = testing::postgres::Cluster::start(&[]);
    let Some(cluster) = testing::postgres::or_skip(started) else { return };
    let database = config::database(&cluster.url("postgres"), &Tuning::default()).unwrap();
    migrate::run(&database, &investord::store::CATALOGUE).unwrap();
    let findings = surveyed(&database);
    assert!(findings.iter().all(|finding| finding.level == DiagnosisLevel::Good), "{findings:#?}");
    for (setting, value) in [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")] {
        testing::postgres::sql(&cluster.url("postgres"), &format!("ALTER SYSTEM SET {setting} = {value}"));
    }
    cluster.restart_now();
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        assert!(bad(&database, setting).starts_with("off: "));
    }
}

/// Every statement can be prepared, and gives nothing but the four types that rows can hold.
#[tokio::test]
async fn every_statement_fits_postgres() {
    let Some(Engine::Postgres { database, .. }) = Engine::postgres() else { return };
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut faults = Vec::new();
    for stmt in investord::store::statements() {
        match client.prepare(stmt.text()).await {
            Err(error) => faults.push(format!("{}: {error}", stmt.name())),
            Ok(prepared) => {
                let known = ["int8", "text", "bytea", "uuid"];
                let columns = prepared.columns().iter().map(|column| (column.name(), column.type_()));
                let parameters = prepared.params().iter().map(|kind| ("a parameter", kind));
                let strange = columns.chain(parameters).filter(|(_, kind)| !known.contains(&kind.name()));
                faults.extend(strange.map(|(what, kind)| format!("{}: {what} is {kind}", stmt.name())));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(investord::store::statements().count() > 30);
}
