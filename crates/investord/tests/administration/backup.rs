//! Backups taken as `docs/operating.md` says, while the register is written to, and what is brought back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use testing::client::{Client, uuid};
use testing::home::person;
use testing::postgres::{self, Cluster, or_skip};
use testing::program::run;
use tokio::task::block_in_place;

use crate::place::{Place, sqlite};

/// Creates users on a few connections for as long as `work` takes; those that were made before it began.
async fn under_load(client: &Client, work: impl FnOnce()) -> Vec<Vec<u8>> {
    const CLIENTS: u64 = 4;
    for number in 0..50 {
        assert_eq!(client.creation(&person(number), &uuid()).ask().await.status, 200);
    }
    let before = client.all_users().await.0;
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..CLIENTS)
        .map(|task| {
            let (client, stop, made) = (client.clone(), Arc::clone(&stop), Arc::clone(&made));
            tokio::spawn(async move {
                for number in 0.. {
                    let body = person(1000 * (task + 1) + number);
                    assert_eq!(client.creation(&body, &uuid()).ask().await.status, 200);
                    made.fetch_add(1, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            })
        })
        .collect();
    while made.load(Ordering::Relaxed) < CLIENTS {
        tokio::task::yield_now().await;
    }
    block_in_place(work);
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    before
}

/// What has been brought back is fit to serve, and holds a beginning of what there was.
async fn judge(copy: &Place, original: &Place, before: &[Vec<u8>], all: &[Vec<u8>]) {
    copy.home.write("master.key", &std::fs::read_to_string(original.home.path("master.key")).unwrap());
    copy.home.write("tenants.toml", "");
    let doctor = copy.run(&["doctor"]);
    assert!(doctor.success && doctor.out.contains("seals the 1 tenants"), "{doctor:?}");
    let server = copy.home.serve();
    let mut client = original.home.stranger(&server);
    client.renew().await;
    let (users, total) = client.all_users().await;
    assert_eq!(users.len(), total);
    assert!(users.starts_with(before) && all.starts_with(&users), "{total} of {}", all.len());
    assert_eq!(client.creation(&person(7), &uuid()).ask().await.status, 200);
    server.stop();
    // The whole chain, the new end included.
    let verified = Place::sqlite("");
    let words = ["copy", "--from", &copy.url, "--to", &verified.url];
    assert!(run(&mut copy.home.bare(&words)).ok().contains("in unbroken chains"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_backed_up_while_it_is_served() {
    let place = Place::sqlite("");
    let server = place.home.serve();
    let client = place.home.caller(&server).await;
    let copy = Place::sqlite("");
    std::fs::create_dir_all(copy.home.path("data")).unwrap();
    let backup = copy.home.database();
    let vacuum = || drop(sqlite(&place.home.database(), &format!("VACUUM INTO '{}'", backup.display())));
    let before = under_load(&client, vacuum).await;
    let all = client.all_users().await.0;
    judge(&copy, &place, &before, &all).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_database_is_backed_up_while_it_is_served() {
    let Some(cluster) = or_skip(Cluster::start(&[])) else { return };
    let admin = cluster.url("postgres");
    let (Some(dump), Some(restore)) = (beside(&admin, "pg_dump"), beside(&admin, "pg_restore")) else {
        return;
    };
    for database in ["register", "restored"] {
        postgres::sql(&admin, &format!("CREATE DATABASE {database}"));
    }
    let (url, other) = (cluster.url("register"), cluster.url("restored"));
    let place = Place::at(&url, "").migrated();
    let server = place.home.serve();
    let client = place.home.caller(&server).await;
    let file = place.home.path("register.dump");
    let call = |program: &Path, words: &[&str]| {
        let said = run(Command::new(program).args(words).arg(&file));
        assert!(said.success, "{said:?}");
    };
    let before = under_load(&client, || call(&dump, &["--format=custom", "--dbname", &url, "--file"])).await;
    let all = client.all_users().await.0;
    block_in_place(|| call(&restore, &["--exit-on-error", "--dbname", &other]));
    judge(&Place::at(&other, ""), &place, &before, &all).await;
    server.stop();
}

/// A program of the same version as the server.
fn beside(admin: &str, program: &str) -> Option<PathBuf> {
    let folder = postgres::sql(admin, "SELECT setting FROM pg_config WHERE name = 'BINDIR'");
    Some(Path::new(folder.first()?.first()?.as_ref()?).join(program)).filter(|program| program.is_file())
}
