//! What there is with SQLite only: one serving process, and a file that may be missing.

use testing::home::Home;
use testing::program::{investord, run};

#[test]
fn a_second_process_on_the_same_file_is_refused() {
    let home = Home::new("");
    let server = home.serve();
    for command in [&["serve"][..], &["serve", "--no-worker"], &["worker"]] {
        let refusal = run(&mut home.command(command)).refusal();
        for word in ["a server is running on", "investord.db", "PostgreSQL"] {
            assert!(refusal.contains(word), "{command:?}: {refusal}");
        }
    }
    // The lock is the process's: it goes with it, however it ends.
    server.kill();
    home.serve().stop();
}

/// The same file by another name is the same register: a link to it, a link to its folder, a second name.
#[cfg(unix)]
#[test]
fn a_second_process_by_another_path_is_refused() {
    use std::os::unix::fs::symlink;
    let home = Home::new("");
    let server = home.serve();
    std::fs::create_dir(home.path("else")).unwrap();
    symlink(home.database(), home.path("else/linked.db")).unwrap();
    symlink(home.path("data"), home.path("folder")).unwrap();
    std::fs::hard_link(home.database(), home.path("else/hard.db")).unwrap();
    for path in ["else/linked.db", "folder/investord.db", "data/../data/investord.db", "else/hard.db"] {
        for words in [&["serve"][..], &["worker"]] {
            let database = format!("sqlite:{}", home.path(path).display());
            let refusal = run(home.command(words).args(["--database", &database])).refusal();
            assert!(refusal.contains("a server is running on"), "{path}: {refusal}");
        }
    }
    // The log of SQLite belongs to one name: no command writes by another, and the server does not start by it.
    let hard = format!("sqlite:{}", home.path("else/hard.db").display());
    let refusal = run(&mut home.command(&["tenant", "list", "--database", &hard])).refusal();
    assert!(refusal.contains("2 names") && refusal.contains("hard links"), "{refusal}");
    server.kill();
    let refusal = run(&mut home.command(&["serve", "--database", &hard])).refusal();
    assert!(refusal.contains("hard links"), "{refusal}");
    let doctor = run(&mut home.command(&["doctor"]));
    assert!(!doctor.success && doctor.out.contains("hard links"), "{doctor:?}");
    std::fs::remove_file(home.path("else/hard.db")).unwrap();
    // A link serves, and holds for the file that it leads to.
    let linked = format!("sqlite:{}", home.path("else/linked.db").display());
    let server = home.serve_as("server", &["--database", &linked], &[]);
    let refusal = run(&mut home.command(&["serve"])).refusal();
    assert!(refusal.contains("a server is running on"), "{refusal}");
    let beside =
        ["linked.db-wal", "linked.db-shm", "linked.db.lock"].map(|name| home.path("else").join(name));
    assert!(beside.iter().all(|file| !file.exists()), "log and lock lie beside the file itself");
    server.stop();
}

/// Another database in the place of one that is served: its files beside it are still in use.
#[test]
fn a_database_put_in_the_place_of_another_is_refused() {
    let home = Home::new("");
    let server = home.serve();
    std::fs::rename(home.database(), home.path("data/away.db")).unwrap();
    let refusal = run(&mut home.command(&["serve"])).refusal();
    assert!(refusal.contains("a server is running on"), "{refusal}");
    server.kill();
}

#[test]
fn a_register_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["tenant", "list"][..],
        &["tenant", "create", "acme"],
        &["key", "list", "--tenant", "acme"],
        &["tenant", "list", "--data", "else"],
    ] {
        let refusal = run(investord(folder.path()).args(words)).refusal();
        assert!(refusal.contains("there is no database") && refusal.contains("investord.db"), "{refusal}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "and nothing is made");
}
