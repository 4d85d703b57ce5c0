//! `investord doctor`: nothing to object to on a good installation, and a line for each thing that is wrong.

use std::fs::{Permissions, set_permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use investord::clock::{Clock as _, SystemClock};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use testing::home::master_key;
use testing::postgres::{self, Cluster, number, or_skip};
use testing::program::{Said, run};
use time::OffsetDateTime;

use crate::place::{Place, Talk};

/// What the doctor has said.
#[derive(Debug)]
struct Findings {
    /// (level, what, found)
    all: Vec<[String; 3]>,
    success: bool,
}

impl Findings {
    fn of(said: Said) -> Self {
        let Said { success, out, err } = said;
        let parsed: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("not JSON ({error}): {out}{err}"));
        let one = |found: &Value| {
            assert_eq!(found.as_object().unwrap().len(), 3, "{found}");
            ["level", "what", "found"].map(|key| found[key].as_str().unwrap().to_owned())
        };
        let all = parsed.as_array().unwrap().iter().map(one).collect();
        Self { all, success }
    }

    /// Fails unless the only thing that is not good is this one, with this in its text.
    #[track_caller]
    fn object(&self, level: &str, what: &str, text: &str) {
        let objections: Vec<_> = self.all.iter().filter(|found| found[0] != "good").collect();
        assert!(
            objections.len() == 1 && objections[0][..2] == [level, what] && objections[0][2].contains(text),
            "{level} {what} '{text}' expected: {self:#?}"
        );
        assert_eq!(self.success, level != "bad", "the exit status is about what is bad");
    }

    #[track_caller]
    fn good(&self) {
        assert!(self.success && self.all.iter().all(|found| found[0] == "good"), "{self:#?}");
    }

    #[track_caller]
    fn has(&self, level: &str, what: &str, text: &str) {
        let found = self.all.iter().any(|found| found[..2] == [level, what] && found[2].contains(text));
        assert!(found, "{level} {what} '{text}' expected: {self:#?}");
    }
}

/// The doctor on a place, called as a careful operator would.
fn doctor(place: &Place) -> Command {
    only_for_owner(&place.home.path("master.key"));
    let mut command = place.home.command(&["doctor", "--json"]);
    command.env("INVESTORD_FAILED_CHECKS_PER_SECOND", "100");
    command
}

fn examine(place: &Place) -> Findings {
    Findings::of(run(&mut doctor(place)))
}

fn only_for_owner(path: &PathBuf) {
    set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// A server with the settings of a fresh installation.
fn usual_server() -> Option<Cluster> {
    or_skip(Cluster::start(&[("max_connections", "30")]))
}

#[test]
fn a_good_installation_gives_no_objection() {
    let cluster = usual_server();
    let mut places = vec![Place::sqlite("")];
    places.extend(cluster.iter().map(|cluster| Place::at(&cluster.url("postgres"), "")));
    for place in places {
        let place = place.migrated();
        let findings = examine(&place);
        findings.good();
        findings.has("good", "schema", "V1__register");
        findings.has("good", "statements", "can be prepared");
        findings.has("good", "master_key", "0 tenants");
        // The same beside a server, which has brought a tenant; and as a table.
        let server = place.home.serve();
        let findings = examine(&place);
        findings.good();
        findings.has("good", "master_key", "1 tenants");
        findings.has("good", "strict_signatures", "cannot be judged yet");
        let table = place.run(&["doctor"]).ok();
        assert!(table.lines().any(|line| line.contains("statements") && line.contains("good")), "{table}");
        server.stop();
    }
}

#[test]
fn a_database_that_is_not_there_is_bad() {
    let place = Place::sqlite("");
    let findings = examine(&place);
    findings.object("bad", "reachable", "investord.db");
    assert!(!place.home.database().exists(), "looking makes nothing");
    let nobody = Place::at("postgres://nobody@127.0.0.1:1/nothing", "");
    examine(&nobody).object("bad", "reachable", "cannot reach postgres://nobody@127.0.0.1:1/nothing");
    let Some(place) = Place::postgres("") else { return };
    let findings = examine(&place);
    findings.has("bad", "schema", "lacks V1__register: run `investord migrate`");
    assert_eq!(place.tables(), Vec::<String>::new(), "looking makes nothing");
}

#[test]
fn a_file_that_is_no_database_is_bad() {
    let place = Place::sqlite("").migrated();
    std::fs::write(place.home.database(), "x".repeat(100_000)).unwrap();
    let findings = examine(&place);
    findings.object("bad", "reachable", "not a database");
}

/// Somebody has changed the schema by hand: the statements that no longer fit are named.
#[test]
fn a_dropped_column_is_bad() {
    let cluster = usual_server();
    let mut places = vec![Place::sqlite("")];
    places.extend(cluster.iter().map(|cluster| Place::at(&cluster.url("postgres"), "")));
    for place in places {
        let place = place.migrated();
        place.sql("ALTER TABLE users DROP COLUMN person");
        let findings = examine(&place);
        for statement in ["users.insert", "users.by_id", "users.by_creation:"] {
            findings.object("bad", "statements", statement);
        }
        findings.object("bad", "statements", "person");
    }
}

#[test]
fn a_master_key_that_does_not_fit_is_bad() {
    let cluster = usual_server();
    let mut places = vec![Place::sqlite("")];
    places.extend(cluster.iter().map(|cluster| Place::at(&cluster.url("postgres"), "")));
    for place in places {
        let place = place.migrated();
        place.home.serve().stop();
        place.home.write("master.key", &master_key());
        examine(&place).object("bad", "master_key", "master key");
        place.home.write("master.key", "c2hvcnQ=");
        examine(&place).object("bad", "master_key", "32");
        std::fs::remove_file(place.home.path("master.key")).unwrap();
        let mut doctor = place.home.command(&["doctor", "--json"]);
        doctor.env("INVESTORD_FAILED_CHECKS_PER_SECOND", "100");
        Findings::of(run(&mut doctor)).object("bad", "master_key", "master.key");
    }
}

#[test]
fn what_others_can_read_is_doubtful() {
    let place = Place::sqlite("").migrated();
    set_permissions(place.home.database(), Permissions::from_mode(0o644)).unwrap();
    examine(&place).object("doubtful", "permissions", "644");
    only_for_owner(&place.home.database());
    let mut doctor = doctor(&place);
    set_permissions(place.home.path("master.key"), Permissions::from_mode(0o640)).unwrap();
    Findings::of(run(&mut doctor)).object("bad", "master_key_file", "640");
    doctor.env("INVESTORD_ALLOW", "[\"readable-keys\"]");
    Findings::of(run(&mut doctor)).object("doubtful", "master_key_file", "640");
}

#[test]
fn a_configuration_that_will_hurt_is_doubtful() {
    let place = Place::sqlite("").migrated();
    for (name, value, what) in [
        ("INVESTORD_FAILED_CHECKS_PER_SECOND", "0", "failed_checks_per_second"),
        ("INVESTORD_LOG__LEVEL", "info,investord=debug", "log.level"),
    ] {
        Findings::of(run(doctor(&place).env(name, value))).object("doubtful", what, value);
    }
    for address in ["0.0.0.0:0", "[::]:0"] {
        let mut open = doctor(&place);
        Findings::of(run(open.env("INVESTORD_LISTEN", address))).object("bad", "listen", "plain-http");
        open.env("INVESTORD_ALLOW", "[\"plain-http\"]");
        Findings::of(run(&mut open)).object("doubtful", "listen", "in clear");
    }
    // Behind a proxy that speaks TLS it is as it should be.
    let mut behind = doctor(&place);
    behind.env("INVESTORD_LISTEN", "0.0.0.0:0").env("INVESTORD_PUBLIC_URL", "https://register.example");
    Findings::of(run(&mut behind)).good();
    place.sql("PRAGMA journal_mode = delete");
    examine(&place).object("doubtful", "journal", "delete");
}

/// One server, badly set up in one way after the other.
#[test]
fn settings_of_the_server_that_will_hurt_are_named() {
    let Some(cluster) = usual_server() else { return };
    let admin = cluster.url("postgres");
    let place = Place::at(&admin, "").migrated();
    for (name, value, level) in [
        ("fsync", "off", "bad"),
        ("full_page_writes", "off", "bad"),
        ("synchronous_commit", "off", "bad"),
        ("default_transaction_read_only", "on", "doubtful"),
        ("autovacuum", "off", "doubtful"),
    ] {
        postgres::sql(&admin, &format!("ALTER SYSTEM SET {name} = {value}"));
        postgres::sql(&admin, "SELECT pg_reload_conf()");
        // A new connection sees the new value a moment later.
        testing::patience::until("the setting", || {
            let now = postgres::sql(&admin, &format!("SHOW {name}"))[0][0].clone();
            if now.as_deref() == Some(value) { Ok(()) } else { Err(format!("{now:?}")) }
        });
        examine(&place).object(level, name, value);
        postgres::sql(&admin, &format!("ALTER SYSTEM RESET {name}"));
        postgres::sql(&admin, "SELECT pg_reload_conf()");
        testing::patience::until("the setting", || {
            let now = postgres::sql(&admin, &format!("SHOW {name}"))[0][0].clone();
            if now.as_deref() == Some(value) { Err(format!("{now:?}")) } else { Ok(()) }
        });
    }
    examine(&place).good();

    // 27 connections for everybody: two processes of 8 fit, two of 14 do not.
    let mut many = doctor(&place);
    many.env("INVESTORD_POSTGRES__READERS", "12");
    Findings::of(run(&mut many)).object("doubtful", "connections", "two processes do not fit");
    // The same for a role that may not look at what others do.
    let others = Talk::several(&admin, 12);
    postgres::sql(&admin, "CREATE ROLE clerk LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk");
    let clerk = Place::at(&admin.replace("postgres@", "clerk@"), "");
    clerk.home.write("master.key", &std::fs::read_to_string(place.home.path("master.key")).unwrap());
    examine(&clerk).object("doubtful", "connections", "two processes do not fit");
    drop(others);

    // A server that follows another one, or believes so.
    let data = postgres::sql(&admin, "SHOW data_directory")[0][0].clone().unwrap();
    std::fs::write(format!("{data}/standby.signal"), "").unwrap();
    cluster.restart_now();
    examine(&place).object("bad", "role", "standby");
}

#[test]
fn a_table_that_may_not_be_used_is_bad() {
    let Some(cluster) = usual_server() else { return };
    let admin = cluster.url("postgres");
    let place = Place::at(&admin, "").migrated();
    let tables = place.tables().join(", ");
    postgres::sql(&admin, &format!("CREATE ROLE clerk LOGIN; GRANT SELECT ON {tables} TO clerk"));
    let clerk = Place::at(&admin.replace("postgres@", "clerk@"), "");
    let findings = examine(&clerk);
    findings.object("bad", "rights", "may not DELETE on account_groups, INSERT on account_groups");
    findings.object("bad", "rights", "UPDATE on users");
    // With the rights that it asks for a server does everything that it has to.
    postgres::sql(&admin, &format!("GRANT INSERT, UPDATE, DELETE ON {tables} TO clerk"));
    examine(&clerk).good();
    let server = clerk.home.serve();
    assert!(clerk.run(&["tenant", "create", "bank"]).success);
    server.stop();
}

/// The server's clock as the session sees it: a function of the same name found first.
#[test]
fn clocks_that_differ_are_doubtful() {
    let Some(cluster) = usual_server() else { return };
    let admin = cluster.url("postgres");
    let place = Place::at(&admin, "").migrated();
    for (shift, told) in [("3 seconds", "ahead of"), ("-3 seconds", "behind")] {
        postgres::sql(
            &admin,
            &format!(
                "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql
                 AS $$ SELECT pg_catalog.clock_timestamp() + interval '{shift}' $$;
                 ALTER DATABASE postgres SET search_path = public, pg_catalog"
            ),
        );
        let findings = examine(&place);
        let clock = findings.all.iter().find(|found| found[1] == "clock").unwrap();
        assert_eq!(clock[0], "doubtful", "{findings:?}");
        assert!(clock[2].contains(told) && !clock[2].contains("ago"), "{told}: {clock:?}");
    }
    assert_eq!(number(&admin, "SELECT count(*) FROM tenants"), 0);
}

#[test]
fn files_that_are_named_and_not_there_are_bad() {
    let place = Place::sqlite("[tls]\ncert_file = \"tls.crt\"\nkey_file = \"nowhere.key\"").migrated();
    certify(&place, "tls", 90);
    examine(&place).object("bad", "tls.key_file", "nowhere.key");
    let place = Place::sqlite("").migrated();
    place.home.write("tenants.toml", "[[tenant]]\nnames = 1");
    examine(&place).object("bad", "tenants", "tenants.toml");
}

/// Writes a certificate that is good for so many days, and its key.
fn certify(place: &Place, name: &str, days: i64) {
    let key = KeyPair::generate().unwrap();
    let mut wanted = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let now = OffsetDateTime::from_unix_timestamp(SystemClock::default().now().as_second()).unwrap();
    wanted.not_before = now - time::Duration::days(100);
    wanted.not_after = now + time::Duration::days(days) + time::Duration::minutes(10);
    place.home.write(&format!("{name}.crt"), &wanted.self_signed(&key).unwrap().pem());
    only_for_owner(&place.home.write(&format!("{name}.key"), &key.serialize_pem()));
}

const TLS: &str = "[tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n";
const OPERATOR_TLS: &str = "[operator_tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n";

#[test]
fn certificates_that_end_soon_are_named() {
    for (config, what) in [(TLS, "tls.cert_file"), (OPERATOR_TLS, "operator_tls.cert_file")] {
        let place = Place::sqlite(config).migrated();
        for (days, level, text) in [
            (31, "good", "valid until"),
            (30, "doubtful", "expires in 30 days"),
            (1, "doubtful", "expires in 1 day,"),
            (-1, "bad", "has expired at"),
        ] {
            certify(&place, "tls", days);
            let findings = examine(&place);
            findings.has(level, what, text);
            assert_eq!(findings.success, level != "bad");
        }
    }
    let place = Place::sqlite(&format!("{OPERATOR_TLS}client_ca_file = \"ca.crt\"\n")).migrated();
    certify(&place, "tls", 90);
    certify(&place, "ca", -1);
    examine(&place).object("doubtful", "operator_tls.client_ca_file", "has expired");
    let place = Place::sqlite("[webhooks]\nca_file = \"ca.crt\"\n").migrated();
    certify(&place, "ca", -1);
    examine(&place).object("doubtful", "webhooks.ca_file", "has expired");
    certify(&place, "ca", 90);
    examine(&place).good();
}

/// Whatever `serve` refuses, the doctor has called bad, under the same name.
#[test]
fn what_serve_refuses_is_bad() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (webhooks, proxied) = ("[webhooks]\nca_file = ", "operator_plaintext_behind_proxy = true\n");
    for (config, what, text) in [
        ("[log]\nlevel = \"warning\"\n".to_owned(), "log.level", "did you mean 'warn'?"),
        ("[log]\nlevel = \"info,investrod=debug\"\n".to_owned(), "log.level", "investrod"),
        (format!("{webhooks}\"nowhere.pem\"\n"), "webhooks.ca_file", "nowhere.pem"),
        (format!("{webhooks}\"broken.pem\"\n"), "webhooks.ca_file", "broken.pem"),
        (format!("{webhooks}\"empty.pem\"\n"), "webhooks.ca_file", "empty.pem"),
        (TLS.replace("tls.crt", "nowhere.crt"), "tls.cert_file", "nowhere.crt"),
        (TLS.replace("tls.crt", "empty.pem"), "tls.cert_file", "empty.pem"),
        (TLS.replace("tls.crt", "broken.pem"), "tls.cert_file", "broken.pem"),
        (TLS.replace("tls.key", "empty.pem"), "tls.key_file", "empty.pem"),
        (TLS.replace("tls.key", "other.key"), "tls.key_file", "does not fit"),
        (format!("metrics_listen = \"{taken}\"\n"), "metrics_listen", &taken),
        (format!("operator_listen = \"{taken}\"\n"), "operator_listen", &taken),
        ("operator_listen = \"192.0.2.1:0\"\n".to_owned(), "operator_listen", "192.0.2.1"),
        ("operator_listen = \"0.0.0.0:0\"\n".to_owned(), "operator_listen", "operator_tls.cert_file"),
        (
            format!("{proxied}operator_listen = \"0.0.0.0:0\"\n"),
            "operator_plaintext_behind_proxy",
            "proxy.trusted",
        ),
        (format!("{proxied}{OPERATOR_TLS}"), "operator_plaintext_behind_proxy", "operator_tls is set"),
        (format!("operator_listen = \"unix:/tmp/a\"\n{OPERATOR_TLS}"), "operator_tls", "takes no TLS"),
        (OPERATOR_TLS.replace("tls.crt", "nowhere.crt"), "operator_tls.cert_file", "nowhere.crt"),
        (OPERATOR_TLS.replace("tls.key", "other.key"), "operator_tls.key_file", "does not fit"),
        (
            format!("{OPERATOR_TLS}client_ca_file = \"nowhere.pem\""),
            "operator_tls.client_ca_file",
            "nowhere.pem",
        ),
        (format!("{OPERATOR_TLS}client_ca_file = \"empty.pem\""), "operator_tls.client_ca_file", "empty.pem"),
        (
            format!("{OPERATOR_TLS}client_ca_file = \"broken.pem\""),
            "operator_tls.client_ca_file",
            "broken.pem",
        ),
        ("metrics_listen = \"no-such-host.invalid:1\"\n".to_owned(), "metrics_listen", "cannot resolve"),
    ] {
        let place = Place::sqlite(&config).migrated();
        for (name, days) in [("tls", 90), ("other", 90)] {
            certify(&place, name, days);
        }
        place.home.write("empty.pem", "");
        place.home.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let findings = examine(&place);
        findings.has("bad", what, text);
        assert!(!findings.success);
        let refusal = run(&mut place.home.command(&["serve"])).refusal();
        assert!(refusal.contains(text), "{what} '{text}' expected: {refusal}");
    }
}

/// A tenants file is tried against what is there, and nothing of it stays.
#[test]
fn tenants_that_cannot_be_applied_are_bad() {
    let cluster = usual_server();
    let mut places = vec![Place::sqlite("")];
    places.extend(cluster.iter().map(|cluster| Place::at(&cluster.url("postgres"), "")));
    for place in places {
        let place = place.migrated();
        examine(&place).has("good", "tenants", "can be applied");
        assert_eq!(
            place.sql("SELECT count(*) FROM tenants")[0][0].as_deref(),
            Some("0"),
            "and nothing is kept"
        );
        place.home.serve().stop();
        let good = std::fs::read_to_string(place.home.path("tenants.toml")).unwrap();
        for (known, bad, text) in [
            ("users:read", "users:raed", "users:raed"),
            ("name = \"acme\"", "name = \"acme\"\nmodel = \"NEITHER\"", "model"),
            ("name = \"acme\"", "name = \"bank\"", "another tenant"),
            ("name = \"acme\"", "name = \"acme\"\ncolour = 1", "colour"),
        ] {
            place.home.write("tenants.toml", &good.replace(known, bad));
            examine(&place).object("bad", "tenants", text);
            assert!(run(&mut place.home.command(&["serve"])).refusal().contains(text));
        }
    }
}

/// The addresses of a server that runs are its own.
#[test]
fn addresses_of_the_running_server_are_good() {
    let place = Place::sqlite("").migrated();
    let server = place.home.serve();
    let listen = server.address.to_string();
    let findings = Findings::of(run(doctor(&place).env("INVESTORD_LISTEN", &listen)));
    findings.has("good", "listen", "a server of this register runs");
    findings.good();
    server.stop();
}

/// `dev` keeps a master key beside its database; `serve` wants to be told.
#[test]
fn a_master_key_that_serve_does_not_find_is_bad() {
    let place = Place::sqlite("").migrated();
    let text = std::fs::read_to_string(place.home.path("investord.toml")).unwrap();
    place.home.write("investord.toml", &text.replace("master_key_file = \"master.key\"\n", ""));
    std::fs::copy(place.home.path("master.key"), place.home.path("data/master.key")).unwrap();
    examine(&place).object("bad", "master_key", "master_key_file is not set");
    run(&mut place.home.command(&["serve"])).refusal();
}

#[test]
fn a_configuration_that_is_none_is_told_without_its_secrets() {
    let place = Place::sqlite("");
    place.home.write("broken.toml", "database = \"postgres://a:hidden@h/d?sslmode=maybe\"\n");
    let refusal = run(&mut place.home.bare(&["doctor", "--config", "broken.toml"])).refusal();
    assert!(refusal.contains("maybe") && !refusal.contains("hidden"), "{refusal}");
}
