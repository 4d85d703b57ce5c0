//! The files and folders that the program makes: for their owner alone under every mask, and never made through a link
//! that lies in their place. Those of `dev` that hold secrets stand in `configuration.rs`.

use std::collections::BTreeMap;
use std::fs::{create_dir, read_dir, read_to_string, write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use testing::home::Home;
use testing::program::{clean, run};
use testing::server::{Ready, Server};

const FILE: u32 = 0o600;
const FOLDER: u32 = 0o700;

/// The command under a mask of file modes.
fn masked(mask: &str, command: &Command) -> Command {
    let mut shell = clean(Command::new("sh"), command.get_current_dir().unwrap());
    shell.args(["-c", "umask \"$0\" && exec \"$@\"", mask]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

/// Everything below a folder, by its path from there, with its mode; links are not followed.
fn modes(folder: &Path, prefix: &str) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for entry in read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let known = entry.metadata().unwrap();
        if known.is_dir() {
            found.extend(modes(&entry.path(), &format!("{name}/")));
        }
        found.insert(name, known.permissions().mode() & 0o7777);
    }
    found
}

fn expected(folders: &[&str], files: &[&str]) -> BTreeMap<String, u32> {
    let all = folders.iter().map(|name| (*name, FOLDER)).chain(files.iter().map(|name| (*name, FILE)));
    all.map(|(name, mode)| (name.to_owned(), mode)).collect()
}

#[test]
fn what_is_made_is_for_its_owner_whatever_the_mask() {
    for mask in ["000", "077"] {
        let (home, logs) = (Home::new(""), tempfile::tempdir().unwrap());
        let start = |command: &Command, log: &str| {
            Server::start(masked(mask, command), &logs.path().join(log), Ready::Answers)
        };
        let words =
            ["dev", "--data", "made/dev", "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"];
        let dev = start(&home.bare(&words), "dev");
        let call = home.bare(&["call", "--profile", "made/dev/profile.toml", "GET", "/users"]);
        run(&mut masked(mask, &call)).ok();
        let server = start(&home.command(&["serve", "--data", "made/more/serve"]), "serve");
        let while_served = expected(
            &["dev", "more", "more/serve"],
            &[
                "dev/demo-ed25519.pem",
                "dev/demo-p521.pem",
                "dev/investord.db",
                "dev/investord.db-shm",
                "dev/investord.db-wal",
                "dev/investord.db.lock",
                "dev/master.key",
                "dev/operator.token",
                "dev/profile.token.json",
                "dev/profile.toml",
                "more/serve/investord.db",
                "more/serve/investord.db-shm",
                "more/serve/investord.db-wal",
                "more/serve/investord.db.lock",
            ],
        );
        assert_eq!(modes(&home.path("made"), ""), while_served, "{mask}");
        server.stop();
        dev.stop();

        home.write("people.csv", "first_name,last_name,birth_date,nationality\nAnna,Muster,1972-01-30,DE\n");
        create_dir(home.path("ended")).unwrap();
        for words in [
            &["migrate", "--database", "sqlite:ended/migrate/investord.db"][..],
            &[
                "copy",
                "--from",
                "sqlite:made/more/serve/investord.db",
                "--to",
                "sqlite:ended/copy/investord.db",
            ],
            &["mifir", "check", "people.csv", "--output", "ended/answers.txt"],
        ] {
            run(&mut masked(mask, &home.bare(words)));
        }
        let ended = home.path("ended");
        let mut files =
            vec!["answers.txt", "copy/investord.db", "copy/investord.db.lock", "migrate/investord.db"];
        // A process that ends may leave the log.
        let log = ["copy/investord.db-shm", "copy/investord.db-wal"];
        files.extend(log.into_iter().filter(|name| ended.join(name).exists()));
        assert_eq!(modes(&ended, ""), expected(&["copy", "migrate"], &files), "{mask}");
    }
}

/// What lies beside a database has a name that anybody can guess.
#[test]
fn what_is_beside_a_register_is_not_made_through_a_link() {
    let copy = ["copy", "--from", "sqlite:data/investord.db", "--to", "sqlite:copy/investord.db"];
    for (name, words) in [
        ("investord.db.lock", &copy[..]),
        ("investord.db-wal", &["migrate", "--data", "data"]),
        ("investord.db-shm", &["migrate", "--data", "data"]),
    ] {
        for target in ["stolen", "nowhere"] {
            let home = Home::new("");
            run(&mut home.bare(&["migrate", "--data", "data"])).ok();
            write(home.path("stolen"), "of somebody else").unwrap();
            symlink(home.path(target), home.path("data").join(name)).unwrap();
            let said = run(&mut home.bare(words));
            let link = home.path("data").join(name);
            assert!(!said.success || !link.is_symlink(), "{name}: {said:?}");
            assert_eq!(read_to_string(home.path("stolen")).unwrap(), "of somebody else", "{name}");
            assert!(!home.path("nowhere").exists(), "{name}");
        }
    }
}
