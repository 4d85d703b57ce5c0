//! `investord migrate`: what it does, what it only says, and what it refuses.

use std::process::Stdio;
use std::time::Duration;

use testing::client::uuid;
use testing::home::person;
use testing::patience::until;
use testing::postgres::{self, Cluster, number, or_skip};
use testing::program::Said;

use crate::place::{ENCODED, Place, assert_silent, demand_password};

#[test]
fn a_dry_run_says_what_there_is_to_do_and_changes_nothing() {
    for place in Place::on_each() {
        let said = place.run(&["migrate", "--dry-run"]).ok();
        assert!(said.contains("V1__register: to be applied"), "{said}");
        assert!(said.contains("lacks 1; nothing was changed"), "{said}");
        assert_eq!(place.tables(), Vec::<String>::new());
        assert!(!place.home.database().exists(), "not even a file");

        let said = place.run(&["migrate"]).ok();
        assert!(said.contains("V1__register: applied") && said.contains("up to date"), "{said}");
        assert_eq!(place.tables().len(), 41, "{:?}", place.tables());

        for words in [&["migrate"][..], &["migrate", "--dry-run"]] {
            let said = place.run(words).ok();
            assert!(said.contains("V1__register: there") && said.contains("is up to date"), "{said}");
            assert!(!said.contains("applied"), "{said}");
        }
        place.home.serve().stop();
    }
}

/// The rows of the history when every migration has been applied.
fn all_versions() -> Vec<Vec<Option<String>>> {
    (1..=1).map(|version: u8| vec![Some(version.to_string())]).collect()
}

/// All of them succeed, and one says that it has done the work.
#[test]
fn of_four_runners_at_once_one_does_it() {
    for _ in 0..5 {
        for place in Place::on_each() {
            let said: Vec<Said> = std::thread::scope(|scope| {
                let runners: Vec<_> = (0..4).map(|_| scope.spawn(|| place.run(&["migrate"]))).collect();
                runners.into_iter().map(|runner| runner.join().unwrap()).collect()
            });
            let said: Vec<String> = said.into_iter().map(Said::ok).collect();
            assert!(said.iter().all(|said| said.contains("up to date")), "{said:?}");
            let done = said.iter().filter(|said| said.contains("V1__register: applied")).count();
            assert_eq!(done, 1, "{said:?}");
            let history = place.sql("SELECT version FROM refinery_schema_history ORDER BY version");
            assert_eq!(history, all_versions());
        }
    }
}

/// A migration that this version does not know, or knows otherwise, is refused by whatever would write.
#[test]
fn the_schema_of_another_version_is_refused() {
    let changed = "UPDATE refinery_schema_history SET checksum = '12345' WHERE version = 1";
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (99, 'tomorrow', '2030-01-01T00:00:00Z', '1')";
    for (damage, name, help) in [
        (changed, "V1__register", "use the version of Investord"),
        (newer, "V99__tomorrow", "use the newer version of Investord"),
    ] {
        for place in Place::on_each() {
            let place = place.migrated();
            place.sql(damage);
            let history = place.sql("SELECT * FROM refinery_schema_history ORDER BY version");
            for words in
                [&["migrate"][..], &["migrate", "--dry-run"], &["serve"], &["worker"], &["tenant", "list"]]
            {
                let refusal = place.run(words).refusal();
                assert!(refusal.contains(name) && refusal.contains(help), "{words:?}: {refusal}");
            }
            let doctor = place.run(&["doctor"]);
            assert!(!doctor.success && doctor.out.contains(name) && doctor.out.contains(help), "{doctor:?}");
            assert_eq!(place.sql("SELECT * FROM refinery_schema_history ORDER BY version"), history);
        }
    }
}

/// A migration that needs the keys of the tenants leaves backfills to the worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backfills_of_a_migration_are_done_by_the_worker() {
    for place in Place::on_each() {
        let place = place.migrated();
        let server = place.home.serve();
        let client = place.home.caller(&server).await;
        let mut users = Vec::new();
        for number in 0..6 {
            users.push(
                client.creation(&person(number), &uuid()).ask().await.json()["id"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        server.stop();
        for undo in [
            "DELETE FROM identifiers",
            "DELETE FROM search_index",
            "INSERT INTO backfills (tenant, name, done, last) VALUES (1, 'refresh-concats', 0, 6)",
            "INSERT INTO backfills (tenant, name, done, last) VALUES (1, 'rebuild-search-index', 0, 6)",
        ] {
            place.sql(undo);
        }
        let server = place.home.serve();
        let client = place.home.caller(&server).await;
        until("the backfills to be done", || {
            let left = place.sql("SELECT name, done, last FROM backfills");
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
        for (number, user) in users.iter().enumerate() {
            let list = client.get(&format!("/users/{user}/identifiers")).ask().await.json();
            // Every other one is Polish.
            assert_eq!(list["data"].as_array().unwrap().len(), 1 - number % 2, "{list}");
        }
        server.stop();
    }
}

/// During an upgrade: the migration first, and processes of the version before go on until they are replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_goes_on_beside_a_newer_schema() {
    let Some(place) = Place::postgres("") else { return };
    let place = place.migrated();
    let server = place.home.serve();
    let client = place.home.caller(&server).await;
    place.sql(
        "ALTER TABLE users ADD COLUMN nickname TEXT;
         INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         VALUES (99, 'tomorrow', '2030-01-01T00:00:00Z', '1')",
    );
    for number in 0..5 {
        assert_eq!(client.creation(&person(number), &uuid()).ask().await.status, 200);
        assert_eq!(client.get("/users").ask().await.status, 200);
    }
    assert!(place.run(&["serve"]).refusal().contains("V99__tomorrow"));
    server.stop();
}

#[test]
fn a_server_does_not_migrate_postgresql_by_itself() {
    let Some(place) = Place::postgres("") else { return };
    for words in [&["serve"][..], &["worker"], &["tenant", "list"]] {
        let refusal = place.run(words).refusal();
        assert!(refusal.contains("V1__register") && refusal.contains("run `investord migrate`"), "{refusal}");
    }
    assert_eq!(place.tables(), Vec::<String>::new());
}

/// Whatever stands between the operator and the database is told in words, and never with the password.
#[test]
fn what_cannot_be_reached_is_told_without_the_password() {
    let Some(cluster) = or_skip(Cluster::start(&[])) else { return };
    demand_password(&cluster.url("postgres"), "host");
    let port = cluster.port();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = nobody.local_addr().unwrap().port();
    let cases = [
        (format!("postgres://keeper:wrong@127.0.0.1:{port}/register"), "password authentication failed"),
        (format!("postgres://nobody:{ENCODED}@127.0.0.1:{port}/register"), "password authentication failed"),
        (format!("postgres://keeper:{ENCODED}@127.0.0.1:{port}/elsewhere"), "\"elsewhere\" does not exist"),
        (format!("postgres://keeper@127.0.0.1:{port}/register"), "password missing"),
        (format!("postgres://keeper:{ENCODED}@127.0.0.1:1/register"), "refused"),
        (format!("postgres://keeper:{ENCODED}@nowhere.invalid:{port}/register"), "nowhere.invalid"),
        // Takes connections and never says a word.
        (format!("postgres://keeper:{ENCODED}@127.0.0.1:{mute}/register"), "no connection within 1 s"),
    ];
    for (url, reason) in cases {
        // A server that answers may take its time for it.
        let limit = if reason.starts_with("no connection") { 1 } else { 600 };
        let place = Place::at(
            &url,
            &format!("allow = [\"plain-postgres\"]\n[postgres]\nconnect_timeout_seconds = {limit}"),
        );
        for words in [&["migrate"][..], &["migrate", "--dry-run"], &["serve"], &["tenant", "list"]] {
            let said = place.run(words);
            assert_silent(&[&said.out, &said.err]);
            let refusal = said.refusal();
            assert!(refusal.contains("cannot reach postgres://"), "{words:?}: {refusal}");
            assert!(refusal.contains(reason), "{words:?}: {refusal}");
        }
        let doctor = place.run(&["doctor"]);
        assert_silent(&[&doctor.out, &doctor.err]);
        assert!(!doctor.success && doctor.out.contains(reason), "{doctor:?}");
    }
    let good = Place::at(&format!("postgres://keeper:{ENCODED}@127.0.0.1:{port}/register"), "");
    let said = good.run(&["migrate"]);
    assert_silent(&[&said.out, &said.err]);
    said.ok();
}

#[test]
fn a_role_without_rights_is_told_so() {
    let Some(cluster) = or_skip(Cluster::start(&[])) else { return };
    let admin = cluster.url("postgres");
    postgres::sql(&admin, "CREATE ROLE clerk LOGIN");
    let url = format!("postgres://clerk@127.0.0.1:{}/postgres", cluster.port());
    postgres::sql(&admin, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let refusal = Place::at(&url, "").run(&["migrate"]).refusal();
    assert!(refusal.contains("permission denied for schema public"), "{refusal}");
    // Another role has migrated, and has not let this one at the tables.
    Place::at(&admin, "").migrated();
    let clerk = Place::at(&url, "");
    let refusal = clerk.run(&["serve"]).refusal();
    assert!(refusal.contains("permission denied for table refinery_schema_history"), "{refusal}");
}

/// Stopped in the middle of a migration for good: nothing of it stays, and the next run does all of it.
#[test]
fn a_killed_migrate_is_completed_by_the_next() {
    let Some(place) = Place::postgres("") else { return };
    place.sql(
        "CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql
         AS $$ BEGIN PERFORM pg_sleep(3); END $$",
    );
    place.sql(
        "CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION wait()",
    );
    let mut migrate = place.home.command(&["migrate"]).stdout(Stdio::null()).spawn().unwrap();
    until("the migration to be half done", || {
        let sleeping = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event = 'PgSleep'";
        match number(&place.url, sleeping) {
            1 => Ok(()),
            count => Err(format!("{count} connections that sleep")),
        }
    });
    migrate.kill().unwrap();
    migrate.wait().unwrap();
    place.sql("DROP EVENT TRIGGER slow");
    let refusal = place.run(&["serve"]).refusal();
    assert!(refusal.contains("run `investord migrate`"), "{refusal}");
    let said = place.run(&["migrate"]).ok();
    assert!(said.contains("V1__register: applied"), "{said}");
    assert_eq!(place.tables().len(), 41);
    place.home.serve().stop();
}

#[test]
fn a_migrate_killed_at_any_moment_is_completed_by_the_next() {
    for round in 0..12 {
        for place in Place::on_each() {
            let mut migrate = place.home.command(&["migrate"]).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(4 * round));
            migrate.kill().unwrap();
            migrate.wait().unwrap();
            place.run(&["migrate"]).ok();
            assert_eq!(place.tables().len(), 41, "after {} ms", 4 * round);
            let history = place.sql("SELECT version FROM refinery_schema_history ORDER BY version");
            assert_eq!(history, all_versions());
        }
    }
}
