//! What there is with SQLite only: one serving process, and a file that may be missing.

use crate::harness::{Home, investord, run};

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
