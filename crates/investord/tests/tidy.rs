//! What ARCHITECTURE.md claims about the shape of the code, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use investord::store::{Database, Store};

/// Lines of a source file of the server, and of one of the libraries; tests inside it are not counted.
const LONG_FILE: usize = 400;
const LONG_LIBRARY_FILE: usize = 430;
/// Lines of a function.
const LONG_FUNCTION: usize = 50;
/// Lines of a file of tests.
const LONG_TEST_FILE: usize = 600;
/// Letters of a line.
const WIDE: usize = 120;

/// What a room of the server may use of the others. A file at the top is a room of its own.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("domain", &["domain"]),
    ("store", &["store", "domain", "clock"]),
    ("problem", &["domain", "store"]),
    ("config", &["domain", "store"]),
    ("provision", &["store", "domain", "clock", "config"]),
    ("outbound", &["clock", "config", "domain", "store"]),
    ("access", &["access", "clock", "config", "domain", "problem", "store"]),
    ("app", &["access", "clock", "config", "domain", "outbound", "problem", "store"]),
    ("telemetry", &["access", "api", "app", "config", "domain", "problem"]),
    ("tls", &[]),
    ("route", &["app"]),
    ("api", &["access", "api", "app", "clock", "config", "domain", "outbound", "problem", "route", "store"]),
    (
        "backoffice",
        &[
            "backoffice", "access", "app", "clock", "domain", "outbound", "problem", "provision", "route",
            "store",
        ],
    ),
    ("console", &["app", "backoffice", "domain", "problem", "store"]),
    ("worker", &["worker", "access", "app", "clock", "outbound", "store", "domain"]),
    (
        "server",
        &[
            "access", "api", "app", "backoffice", "config", "console", "problem", "store", "telemetry",
            "tls", "worker",
        ],
    ),
    (
        "cli",
        &[
            "cli", "api", "app", "clock", "config", "domain", "backoffice", "outbound", "provision",
            "server", "store", "telemetry", "tls",
        ],
    ),
];

/// Where a crate that belongs to one room may be named.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("refinery", &["store"]),
    ("tokio_postgres", &["store"]),
    ("mifir", &["domain"]),
    ("axum", &["api", "backoffice", "cli", "console", "problem", "route", "server", "telemetry"]),
    ("clap", &["cli"]),
    ("csv", &["cli"]),
    ("calamine", &["cli"]),
    ("encoding_rs", &["cli"]),
    ("argon2", &["backoffice"]),
    ("askama", &["api", "console"]),
    ("investord_console", &["api", "console"]),
    ("totp_rs", &["domain"]),
    ("reqwest", &["cli", "outbound"]),
    ("hickory_resolver", &["outbound"]),
    ("openidconnect", &["outbound"]),
    ("webauthn_rs", &["app", "backoffice", "config"]),
    ("x509_cert", &["tls"]),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files(folder).into_iter().filter(is_rust).collect()
}

/// The source without the tests at its end.
fn production(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// (room, file, text) of the server.
fn server_sources() -> Vec<(String, PathBuf, String)> {
    let source = workspace().join("crates/investord/src");
    let rooms = rust_files(&source).into_iter().map(|path| {
        let inside = path.strip_prefix(&source).unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        (room, path.clone(), production(&path))
    });
    rooms.filter(|(room, ..)| !["lib", "main"].contains(&room.as_str())).collect()
}

/// The module path of a file of the server, as in `store::users`.
fn module_of(path: &Path) -> String {
    let source = workspace().join("crates/investord/src");
    let inside = path.strip_prefix(source).unwrap().with_extension("");
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("::").trim_end_matches("::mod").to_owned()
}

/// The modules of a graph of imports that are in a circle, or import one that is.
fn in_circle<'a>(mut left: BTreeMap<&'a str, Vec<&'a str>>) -> Vec<&'a str> {
    loop {
        let is_free =
            |own: &str, used: &[&str]| used.iter().all(|name| *name == own || !left.contains_key(name));
        let free: Vec<&str> =
            left.iter().filter(|(own, used)| is_free(own, used)).map(|(own, _)| *own).collect();
        if free.is_empty() {
            return left.into_keys().collect();
        }
        left.retain(|name, _| !free.contains(name));
    }
}

#[test]
fn imports_follow_the_direction() {
    let allowed: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (room, path, text) in server_sources() {
        let may = allowed
            .get(room.as_str())
            .unwrap_or_else(|| panic!("{room} is a room that the map does not have"));
        for import in imports(&text, &module_of(&path)) {
            let used = import.split("::").next().unwrap();
            if !may.contains(&used) && used != room {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
        for (name, rooms) in ONLY_IN {
            let mentions = [format!("use {name}"), format!(" {name}::"), format!("({name}::")];
            if mentions.iter().any(|mention| text.contains(mention.as_str()))
                && !rooms.contains(&room.as_str())
            {
                wrong.push(format!("{} names the crate {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A change to a room concerns the rooms above it alone.
#[test]
fn rooms_do_not_import_one_another_in_a_circle() {
    let graph = MAY_USE.iter().map(|(room, used)| (*room, used.to_vec())).collect();
    assert_eq!(in_circle(graph), [""; 0]);
}

/// An engine knows no table: nothing in it imports the store around it.
const ENGINE: &str = "store::engine";

#[test]
fn files_do_not_import_one_another_in_a_circle() {
    let files: Vec<(String, String)> =
        server_sources().into_iter().map(|(_, path, text)| (module_of(&path), text)).collect();
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (own, text) in &files {
        let mut used = Vec::new();
        for import in imports(text, own) {
            let longest =
                files.iter().filter(|(name, _)| is_below(&import, name)).max_by_key(|(name, _)| name.len());
            // Rooms are in no circle: another test sees to that.
            let room = own.split("::").next().unwrap();
            used.extend(
                longest.map(|(name, _)| name.as_str()).filter(|name| name != own && is_below(name, room)),
            );
            let leaves = is_below(own, ENGINE) && import.starts_with("store") && !is_below(&import, ENGINE);
            assert!(!leaves, "{own} imports {import}");
        }
        graph.insert(own, used);
    }
    assert_eq!(in_circle(graph), [""; 0]);
}

fn is_below(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The paths from the root of the crate that a file imports or names.
fn imports(text: &str, own: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    // A visibility is no import.
    let code = code.join("\n").replace("pub(in crate::", "pub(in ").replace("pub(super)", "pub");
    let mut found = Vec::new();
    for statement in code.split("use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        expand("", &statement.split_whitespace().collect::<String>(), &mut found);
    }
    for prefix in ["crate::", "super::"] {
        for rest in code.split(prefix).skip(1) {
            let path: String =
                rest.chars().take_while(|one| one.is_alphanumeric() || ['_', ':'].contains(one)).collect();
            // A group behind it has been expanded above.
            found.extend((!path.is_empty()).then(|| format!("{prefix}{path}")));
        }
    }
    found.into_iter().filter_map(|path| absolute(&path, own)).collect()
}

/// Adds the paths of a tree such as `crate::store::{Tx, users::{self, list}}`.
fn expand(before: &str, tree: &str, found: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        found.push(format!("{before}{tree}"));
        return;
    };
    let (mut depth, mut start, inner) = (0, 0, rest.strip_suffix('}').unwrap_or(rest));
    for (at, letter) in inner.char_indices().chain([(inner.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if start < at {
                    expand(&format!("{before}{head}"), &inner[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

fn absolute(path: &str, own: &str) -> Option<String> {
    if let Some(path) = path.strip_prefix("crate::") {
        return Some(path.to_owned());
    }
    let (mut module, mut rest) = (own, path.strip_prefix("self::").unwrap_or(path));
    if rest == path && !path.starts_with("super::") {
        return None;
    }
    while let Some(outer) = rest.strip_prefix("super::") {
        module = module.rsplit_once("::").map_or("", |(parent, _)| parent);
        rest = outer;
    }
    Some(if module.is_empty() { rest.to_owned() } else { format!("{module}::{rest}") })
}

#[test]
fn the_domain_is_pure() {
    let forbidden =
        ["async ", "rusqlite", "axum", "tokio", "http::", "std::fs", "std::net", "std::env", "::now()"];
    let mut wrong = Vec::new();
    for (room, path, text) in server_sources() {
        if room == "domain" {
            wrong.extend(
                forbidden
                    .iter()
                    .filter(|word| text.contains(**word))
                    .map(|word| format!("{}: {word}", path.display())),
            );
        }
    }
    for library in ["http-message-signatures", "mifir"] {
        for path in rust_files(&workspace().join("crates").join(library).join("src")) {
            let text: String =
                production(&path).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let words = ["async ", "std::fs", "std::net", "std::env", "std::time", "tokio"];
            wrong.extend(
                words
                    .iter()
                    .filter(|word| text.contains(**word))
                    .map(|word| format!("{}: {word}", path.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for krate in ["http-message-signatures", "mifir", "investord"] {
        for path in rust_files(&workspace().join("crates").join(krate).join("src")) {
            let text = production(&path);
            let most = if krate == "investord" { LONG_FILE } else { LONG_LIBRARY_FILE };
            let (length, widest) =
                (text.lines().count(), text.lines().map(|line| line.chars().count()).max());
            if length > most || widest > Some(WIDE) {
                long.push(format!("{}: {length} lines of at most {widest:?} letters", path.display()));
            }
            long.extend(
                long_functions(&text).into_iter().map(|function| format!("{}: {function}", path.display())),
            );
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// What is of one subject is read in one sitting, and beside something else.
#[test]
fn tests_are_short_and_narrow() {
    let crates = workspace().join("crates");
    let folders = ["investord/tests", "investord/benches", "testing"];
    let mut wrong = Vec::new();
    for path in folders.iter().flat_map(|folder| rust_files(&crates.join(folder))) {
        let text = fs::read_to_string(&path).unwrap();
        let (length, widest) = (text.lines().count(), text.lines().map(|line| line.chars().count()).max());
        if length > LONG_TEST_FILE || widest > Some(WIDE) {
            wrong.push(format!("{}: {length} lines of at most {widest:?} letters", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Functions end at the first closing brace with the indentation of their `fn` line: the formatter sees to it.
fn long_functions(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub const fn ", "const fn "]
            .iter()
            .any(|start| code.starts_with(start));
        // One without a body belongs to a trait.
        if is_function && !line.ends_with(';') {
            let close = format!("{}}}", " ".repeat(line.len() - code.len()));
            let length = lines[at..].iter().position(|line| *line == close).map_or(0, |last| last + 1);
            if length > LONG_FUNCTION {
                long.push(format!("{length} lines: {code}"));
            }
        }
    }
    long
}

/// ARCHITECTURE.md has a line for every file of the server, which is the file's own first sentence.
#[test]
fn the_map_is_that_of_the_files() {
    let document = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let source = workspace().join("crates/investord/src");
    let mut expected: Vec<String> = Vec::new();
    for path in rust_files(&source) {
        let text = fs::read_to_string(&path).unwrap();
        let first: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
        let sentence = first.join(" ").replace('|', "\\|").replace("[`Signed`]", "`Signed`");
        let file = path.strip_prefix(&source).unwrap().display();
        expected.push(format!("| `{file}` | {sentence} |"));
    }
    expected.retain(|line| !line.starts_with("| `main.rs`"));
    let map = document.split("## Map of").nth(1).unwrap().split("### Beside the server").next().unwrap();
    let mut found: Vec<&str> = map.lines().filter(|line| line.starts_with("| `")).collect();
    expected.sort_unstable();
    found.sort_unstable();
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(&line.as_str())).collect();
    let extra: Vec<_> = found.iter().filter(|line| !expected.iter().any(|one| one == *line)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nnot there: {extra:#?}");
}

/// Checks that every path in ARCHITECTURE.md exists, those of the recipes among them.
#[test]
fn the_map_names_files_that_exist() {
    let document = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let roots =
        ["", "crates/investord/src", "crates/investord", "crates/mifir", "crates/mifir/src", "crates"];
    let is_path = |word: &&str| {
        word.contains('/') && [".rs", ".toml", ".md", ".py", ".json"].iter().any(|end| word.ends_with(end))
    };
    let paths: BTreeSet<&str> = document.split('`').skip(1).step_by(2).filter(is_path).collect();
    let missing: Vec<_> = paths
        .iter()
        .filter(|path| !roots.iter().any(|root| workspace().join(root).join(path).exists()))
        .collect();
    assert!(paths.len() > 200 && missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_file_says_why_it_exists() {
    let silent: Vec<_> = ["http-message-signatures", "mifir", "investord", "testing"]
        .iter()
        .flat_map(|krate| rust_files(&workspace().join("crates").join(krate).join("src")))
        .filter(|path| !path.ends_with("main.rs"))
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            !text.starts_with("//!") && !text.starts_with("#![doc = include_str!(")
        })
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

/// Comments give reasons: too few leave a newcomer without them, too many repeat the code.
#[test]
fn comments_have_their_share() {
    let (mut comments, mut all) = (0, 0);
    for (_, _, text) in server_sources() {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        for line in lines {
            all += 1;
            comments += usize::from(line.starts_with("//"));
        }
    }
    let share = 100 * comments / all;
    assert!((12..=25).contains(&share), "{share} % of the lines of the server are comments");
}

/// A search for a type name finds one type. `Engine` is an exception: each of the two engines has one.
#[test]
fn a_type_name_stands_once() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, path, text) in server_sources() {
        for line in text.lines().map(str::trim) {
            let code = line.strip_prefix("pub ").or_else(|| line.split_once(") ").map(|(_, rest)| rest));
            let rest =
                ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| code?.strip_prefix(kind));
            let Some(rest) = rest.filter(|_| line.starts_with("pub")) else { continue };
            let name = rest.chars().take_while(|one| one.is_alphanumeric()).collect();
            found.entry(name).or_default().push(path.display().to_string());
        }
    }
    assert!(found.len() > 200, "{} types", found.len());
    found.retain(|name, places| places.len() > 1 && name != "Engine");
    assert!(found.is_empty(), "{found:#?}");
}

/// Private names that were replaced by terms of the field.
const PRIVATE_WORDS: [&str; 23] = [
    "Courier", "Custody", "Chore", "Heads", "Head", "KeyKind", "Once", "Outbox", "Portion", "Presented",
    "PutOff", "Raced", "Spoilt", "acceptors", "chores", "courier", "custody", "heads", "outbox", "put_off",
    "surely", "sweep", "write_alone",
];

#[test]
fn private_words_do_not_come_back() {
    let mut found = Vec::new();
    for krate in ["http-message-signatures", "mifir", "investord"] {
        for path in rust_files(&workspace().join("crates").join(krate).join("src")) {
            let text = production(&path);
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                // Texts in quotes are names of the API, or messages.
                let code: String = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
                let words = code.split(|one: char| !one.is_alphanumeric() && one != '_');
                found.extend(
                    words
                        .filter(|word| PRIVATE_WORDS.contains(word))
                        .map(|word| format!("{}: {word}", path.display())),
                );
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// A released migration is part of somebody's database. Add a line for a new one; never change one. (Nothing has been
/// released yet: until then the first one may change.)
#[test]
fn released_migrations_never_change() {
    let released: &[(&str, &str)] = &[("V1__register.sql", "2ea8b6829042d642")];
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(workspace().join("migrations")).unwrap() {
        let path = entry.unwrap().path();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &fs::read(&path).unwrap());
        let first = u64::from_be_bytes(hash.as_ref()[..8].try_into().unwrap());
        found.insert(path.file_name().unwrap().to_string_lossy().into_owned(), format!("{first:016x}"));
    }
    let released: BTreeMap<_, _> =
        released.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
    assert_eq!(found, released);
}

/// Every statement, prepared against the migrated schema, with its parameters in order of first use.
#[test]
fn every_statement_fits_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("register.db");
    let _store = Store::open(&Database::Sqlite(path.clone())).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let mut names = Vec::new();
    for stmt in investord::store::statements() {
        connection.prepare(stmt.text()).unwrap_or_else(|error| panic!("{}: {error}", stmt.name()));
        let mut seen = 0;
        for part in stmt.text().split('$').skip(1) {
            let number: usize =
                part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
            assert!(number <= seen + 1, "{}: ${number} comes before ${}", stmt.name(), seen + 1);
            seen = seen.max(number);
        }
        names.push(stmt.name());
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two statements of one name");
    let constants: usize = rust_files(&workspace().join("crates/investord/src/store"))
        .iter()
        .map(|path| {
            // As one line, wherever the formatter breaks it.
            let text = production(path).split_whitespace().collect::<Vec<_>>().join(" ");
            let of = |what: &str, each: usize| each * text.matches(what).count();
            of(": Stmt =", 1)
                + of(": Insert =", 1)
                + of(": PageStatements = pages!(", 4)
                + of(": AccountStatements = table!(", 9)
                + of(": UserListStatements = user_list!(", 3)
        })
        .sum();
    assert_eq!(count, constants, "a statement is missing in the list of its file");
}

/// A comment that cites a decision, as in "decision W6", cites one that a reader finds.
#[test]
fn cited_decisions_exist() {
    let folder = workspace().join("docs/decisions");
    let documents =
        fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let documents: String = documents.collect();
    let mut missing = Vec::new();
    for path in ["crates", "migrations"].iter().flat_map(|folder| files(&workspace().join(folder))) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let cited = text.split("decision ").chain(text.split("decisions ")).skip(1).filter_map(|rest| {
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            let number = name.strip_prefix(['W', 'U', 'I', 'H', 'S'])?;
            number.parse::<u8>().is_ok().then_some(name)
        });
        missing.extend(
            cited
                .filter(|name| !documents.contains(&format!("| {name} |")))
                .map(|name| format!("{}: {name}", path.display())),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A limit that nobody can look up is met by surprise.
#[test]
fn every_limit_is_documented() {
    let read = |path: &str| fs::read_to_string(workspace().join(path)).unwrap();
    let defaults: toml::Table = read("crates/investord/investord.default.toml").parse().unwrap();
    let document = read("docs/limits.md");
    let limits = defaults["limits"].as_table().unwrap();
    let missing: Vec<_> =
        limits.keys().filter(|key| !document.contains(&format!("`limits.{key}`"))).collect();
    assert!(limits.len() > 10 && missing.is_empty(), "{missing:?}");
}

/// Links in the documents lead somewhere.
#[test]
fn documents_name_files_that_exist() {
    let mut missing = Vec::new();
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "docs/choices.md",
        "docs/decisions/README.md",
        "docs/decisions/identifiers.md",
        "SECURITY.md",
        "docs/divergences.md",
        "docs/limits.md",
        "docs/benchmark-figures.md",
        "docs/benchmarks.md",
        "docs/distribution.md",
        "docs/development.md",
        "docs/first-steps.md",
        "docs/releasing.md",
        "docs/tenants.md",
        "docs/mifir-check.md",
        "docs/operating.md",
        "docs/operators.md",
        "docs/webhooks.md",
    ] {
        let path = workspace().join(document);
        let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{document} is missing"));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !path.parent().unwrap().join(target).exists()
            {
                missing.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
