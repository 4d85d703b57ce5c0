//! What the program takes as its configuration, from wherever it comes, and what it refuses.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;
use testing::home::Home;
use testing::http::peek;
use testing::program::{investord, run};
use testing::server::{Ready, Server};

use crate::call::Dev;

/// All names of variables in the texts below a path.
fn names_in(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            names_in(&entry.unwrap().path(), names);
        }
    } else if let Ok(text) = std::fs::read_to_string(path) {
        for rest in text.split("INVESTORD_").skip(1) {
            let is_part = |letter: &char| letter.is_ascii_uppercase() || *letter == '_';
            let name: String = rest.chars().take_while(is_part).collect();
            if !name.is_empty() {
                names.insert(format!("INVESTORD_{}", name.trim_end_matches('_')));
            }
        }
    }
}

/// A variable that belongs to one command is no fault of another; only their values may be.
#[test]
fn every_variable_that_is_documented_is_known_to_every_command() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut names = BTreeSet::new();
    for place in ["README.md", "docs", "crates/investord/src", "crates/investord/investord.default.toml"] {
        names_in(&root.join(place), &mut names);
    }
    let wanted =
        ["OPERATOR_URL", "OPERATOR_TOKEN_FILE", "TEST_POSTGRES", "PROFILE", "COPY_FROM", "KEY_PASSPHRASE"];
    for name in wanted {
        assert!(names.contains(&format!("INVESTORD_{name}")), "{name}: {names:?}");
    }
    let home = Home::new("");
    run(&mut home.command(&["migrate"])).ok();
    for name in names {
        let of_a_table = name.matches("__").count() > 0;
        for words in [&["tenant", "list"][..], &["migrate", "--dry-run"], &["doctor", "--json"]] {
            let said = run(home.command(words).env(&name, "1"));
            assert!(!said.err.contains("there is no key"), "{name}: {words:?} {}", said.err);
            assert!(of_a_table || !said.err.contains("panicked"), "{name}: {}", said.err);
        }
    }
    // What no command and no key knows is refused, with what was probably meant.
    for (name, meant) in [
        ("INVESTORD_LISENT", "listen"),
        ("INVESTORD_PROFIL", "profile"),
        ("INVESTORD_OPERATOR_URI", "operator_url"),
        ("INVESTORD_LOG__LEVL", "level"),
    ] {
        let refusal = run(home.command(&["tenant", "list"]).env(name, "1")).refusal();
        assert!(refusal.contains(name) && refusal.contains(&format!("did you mean '{meant}'?")), "{refusal}");
    }
}

/// Where a weaker source names the database, a folder would be forgotten or make another register.
#[test]
fn a_folder_beside_a_database_is_refused() {
    let home = Home::new("");
    let other = format!("sqlite:{}", home.path("other.db").display());
    let folder = ["--data", "elsewhere"];
    for words in [&["serve"][..], &["worker"], &["migrate"], &["doctor"], &["tenant", "list"], &["dev"]] {
        let mut command = if words == ["dev"] { home.bare(words) } else { home.command(words) };
        let refusal = run(command.args(folder).env("INVESTORD_DATABASE", &other)).refusal();
        assert!(refusal.contains("--data and INVESTORD_DATABASE name two registers"), "{words:?}: {refusal}");
    }
    home.write("named.toml", &format!("database = \"{other}\"\nmaster_key_file = \"master.key\"\n"));
    let migrate = ["migrate", "--config", "named.toml"];
    let refusal = run(home.bare(&migrate).args(folder)).refusal();
    assert!(refusal.contains("--data and 'database' in named.toml"), "{refusal}");
    let refusal = run(home.bare(&migrate).env("INVESTORD_DATA", "elsewhere")).refusal();
    assert!(refusal.contains("INVESTORD_DATA and 'database' in named.toml"), "{refusal}");
    let refusal = run(home.bare(&migrate).env("INVESTORD_DATA", "")).refusal();
    assert!(refusal.contains("INVESTORD_DATA"), "{refusal}");
    assert!(!home.path("elsewhere").exists() && !home.path("other.db").exists(), "nothing is made");
    // One source that names both, or the database by an option, says what it means.
    let said = run(home.bare(&migrate).args(folder).args(["--database", &other])).ok();
    assert!(said.contains("other.db"), "{said}");
    let mut both = home.bare(&["migrate"]);
    both.env("INVESTORD_DATABASE", &other).env("INVESTORD_DATA", "elsewhere");
    assert!(run(&mut both).ok().contains("other.db"));
}

#[test]
fn an_address_may_be_a_name() {
    let home = Home::new("");
    let text = std::fs::read_to_string(home.path("investord.toml")).unwrap();
    home.write("investord.toml", &text.replace("listen = \"127.0.0.1:0\"", "listen = \"localhost:0\""));
    let mut command = home.command(&["serve"]);
    command.env("INVESTORD_OPERATOR_LISTEN", "localhost:0").env("INVESTORD_METRICS_LISTEN", "localhost:0");
    let server = Server::start(command, &home.path("server"), Ready::Answers);
    let line = started(&home.log());
    for listener in ["listen", "operator_listen", "metrics_listen"] {
        let address = line[listener].as_str().unwrap().parse().unwrap();
        assert!(peek(address, "/healthz").is_some(), "{line}");
    }
    server.stop();
    let server = Server::start(
        {
            let mut command = home.command(&["serve"]);
            command.args(["--listen", "localhost:0", "--operator-listen", "localhost:0"]);
            command
        },
        &home.path("server"),
        Ready::Answers,
    );
    server.stop();
    for (address, words) in [
        ("no-such-host.invalid:8080", "cannot resolve no-such-host.invalid:8080"),
        ("localhost", "must be HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or localhost:8080"),
        (":8080", "must be HOST:PORT"),
    ] {
        let refusal = run(&mut home.command(&["serve", "--listen", address])).refusal();
        assert!(refusal.contains(words), "{refusal}");
    }
}

/// The line that says what is served.
pub fn started(log: &str) -> Value {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found: Vec<Value> = lines.filter(|line| line["message"] == "serving").collect();
    found.last().cloned().unwrap_or_else(|| panic!("no line says that it serves: {log}"))
}

#[test]
fn a_start_says_in_one_line_what_is_served() {
    let home = Home::new("metrics_listen = \"127.0.0.1:0\"\n");
    let text = home.tenants("acme", "model = \"TOL\"") + "\n[[tenant]]\nname = \"bank\"\n";
    home.write("tenants.toml", &text);
    let server = home.serve();
    let line = started(&home.log());
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(line["listen"], server.address.to_string());
    assert_eq!((&line["models"], &line["tls"]), (&"BYOL TOL".into(), &false.into()), "{line}");
    assert!(line["database"].as_str().unwrap().ends_with("investord.db"), "{line}");
    assert!(line["operator_listen"].is_string() && line["metrics_listen"].is_string(), "{line}");
    server.stop();
    // Where one listener fails, nothing has been said of the others.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new("");
    let said = run(home.command(&["serve"]).env("INVESTORD_METRICS_LISTEN", &address));
    assert!(!said.out.contains("serves") && !said.err.contains("serving"), "{said:?}");
    assert!(said.refusal().contains("metrics_listen"));
}

#[test]
fn a_level_that_would_silence_the_log_is_refused() {
    for level in ["warning", "off", "", "investrod=debug", "info,hyperr=debug", "investord::servr=trace"] {
        let home = Home::new(&format!("[log]\nlevel = \"{level}\"\n"));
        for words in [&["serve"][..], &["worker"]] {
            let refusal = run(&mut home.command(words)).refusal();
            assert!(refusal.contains("log.level"), "{level}: {refusal}");
        }
        assert!(!home.database().exists());
    }
    let home = Home::new("[log]\nlevel = \"WARN,investord::server=info\"\n");
    home.serve().stop();
    assert!(home.log().contains("stopping"), "{}", home.log());
}

#[test]
fn text_in_a_file_has_no_colours_and_health_is_not_logged() {
    for format in ["text", "json"] {
        let home = Home::new(&format!("[log]\nformat = \"{format}\"\n"));
        let server = home.serve();
        for path in ["/healthz", "/readyz"] {
            assert_eq!(peek(server.address, path).unwrap().0, 200);
        }
        server.metrics();
        assert_eq!(peek(server.address, "/nowhere").unwrap().0, 404);
        server.stop();
        let log = home.log();
        assert!(log.contains("(none)") && !log.contains('\u{1b}'), "{log}");
        assert!(!["healthz", "readyz", "metrics\""].iter().any(|path| log.contains(path)), "{log}");
    }
    let home = Home::new("[log]\nlevel = \"debug\"\n");
    home.serve().stop();
    assert!(home.log().contains("/readyz"));
}

#[test]
fn dev_takes_the_environment() {
    let dev = Dev::new();
    let mut command = investord(dev.folder.path());
    command.args(["dev", "--operator-listen", "localhost:0"]);
    command.env("INVESTORD_LISTEN", "localhost:0").env("INVESTORD_DATA", "mine");
    command.env("INVESTORD_LOG__FORMAT", "json").env("INVESTORD_LOG__LEVEL", "info");
    command.env("INVESTORD_TOKEN_LIFETIME_SECONDS", "77");
    let server = Server::start(command, &dev.folder.path().join("dev"), Ready::Answers);
    assert!(dev.folder.path().join("mine/profile.toml").exists());
    let log = std::fs::read_to_string(dev.folder.path().join("dev.err")).unwrap();
    let line = started(&log);
    assert!(line["operator_listen"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(dev.printed().contains(line["operator_listen"].as_str().unwrap()));
    let said = dev.call(&["GET", "/users", "--profile", "mine/profile.toml"]).json();
    assert_eq!(said["meta"]["total_count"], 0);
    let kept = std::fs::read_to_string(dev.folder.path().join("mine/profile.token.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert!(kept["until"].as_i64().is_some());
    server.stop();
    for (name, value, word) in [
        ("INVESTORD_LISENT", "1", "did you mean 'listen'?"),
        ("INVESTORD_LOG__LEVEL", "warning", "did you mean 'warn'?"),
        ("INVESTORD_TOKEN_LIFETIME_SECONDS", "0", "token_lifetime_seconds"),
    ] {
        let refusal = run(investord(dev.folder.path()).arg("dev").env(name, value)).refusal();
        assert!(refusal.contains(word), "{refusal}");
    }
}

/// No link leads a secret to another place, and no mask or older file lets others read it.
#[cfg(unix)]
#[test]
fn secrets_are_written_to_files_of_their_own() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let secrets = ["master.key", "operator.token", "profile.toml"];
    for name in secrets {
        let dev = Dev::new();
        let folder = dev.folder.path().join("investord-dev");
        std::fs::create_dir(&folder).unwrap();
        symlink(dev.folder.path().join("stolen"), folder.join(name)).unwrap();
        let mut command = investord(dev.folder.path());
        let refusal =
            run(command.args(["dev", "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"]));
        let refusal = refusal.refusal();
        assert!(refusal.contains(name) && refusal.contains("is a link"), "{refusal}");
        assert!(!dev.folder.path().join("stolen").exists());
    }
    let dev = Dev::new();
    let folder = dev.folder.path().join("investord-dev");
    std::fs::create_dir(&folder).unwrap();
    let stolen = dev.folder.path().join("stolen");
    std::fs::write(&stolen, "of somebody else").unwrap();
    for name in ["demo-p521.pem", "profile.token.json"] {
        symlink(&stolen, folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("demo-ed25519.pem"), "old").unwrap();
    std::fs::set_permissions(folder.join("demo-ed25519.pem"), std::fs::Permissions::from_mode(0o666))
        .unwrap();
    let program = investord(dev.folder.path()).get_program().to_owned();
    let mut shell = testing::program::clean(std::process::Command::new("sh"), dev.folder.path());
    shell
        .args(["-c", "umask 0; exec \"$0\" dev --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0"])
        .arg(program);
    let server = Server::start(shell, &dev.folder.path().join("dev"), Ready::Answers);
    dev.call(&["GET", "/users"]).ok();
    let files = ["demo-p521.pem", "demo-ed25519.pem", "profile.token.json"];
    for name in secrets.iter().chain(&files) {
        let known = folder.join(name).symlink_metadata().unwrap();
        assert_eq!((known.is_symlink(), known.permissions().mode() & 0o777), (false, 0o600), "{name}");
    }
    assert_eq!(std::fs::read_to_string(&stolen).unwrap(), "of somebody else");
    server.stop();
}
