//! Group commit by itself, over a toy table: units per second, beside the same inserts in a transaction each.
//!
//! `cargo bench -p investord --bench group_commit`; PostgreSQL is measured where its server programs are installed.
//! Both sides use the same driver, disk and durability: SQLite with `synchronous = FULL`, PostgreSQL with its defaults.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use investord::config;
use investord::store::engine::catalogue::Catalogue;
use investord::store::engine::migrate;
use investord::store::engine::postgres::connection_settings::Tuning;
use investord::store::{Database, Insert, Store, StoreError, Tx, Value};
use testing::postgres;

/// How long each figure is measured.
const TIME: Duration = Duration::from_secs(5);
const CALLERS: [usize; 3] = [1, 16, 64];
/// Bytes of a toy.
const CONTENT: [u8; 200] = [7; 200];

static TOYS: Catalogue = Catalogue {
    migrations: &[(
        "V1__toys",
        "CREATE TABLE toys (number {int} NOT NULL PRIMARY KEY, content {bytes} NOT NULL) {strict};",
    )],
    tables: &["toys"],
    serializable_lock: "LOCK TABLE toys IN SHARE ROW EXCLUSIVE MODE",
};
static TOY: Insert = Insert::new("toys.insert", "toys", &["number", "content"]);
const ALONE: &str = "INSERT INTO toys (number, content) VALUES ($1, $2)";

/// Numbers that no row has yet.
static NEXT: AtomicI64 = AtomicI64::new(0);

fn next() -> i64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("| engine | callers | units/s | a transaction each | ratio |\n|---|--:|--:|--:|--:|");
    let folder = tempfile::tempdir_in(".")?;
    let path = folder.path().join("toys.db");
    let store = Store::open_with(&Database::Sqlite(path.clone()), &TOYS)?;
    for callers in CALLERS {
        let grouped = through_store(&store, callers).await?;
        row("SQLite", callers, grouped, alone_on_sqlite(&path)?);
    }
    let Some(cluster) = postgres::or_skip(postgres::Cluster::start(&[])) else { return Ok(()) };
    let database = config::database(&cluster.url("postgres"), &Tuning::default())?;
    migrate::run(&database, &TOYS)?;
    let store = Store::open_with(&database, &TOYS)?;
    for callers in CALLERS {
        let grouped = through_store(&store, callers).await?;
        row("PostgreSQL", callers, grouped, alone_on_postgres(&cluster.url("postgres"), callers).await?);
    }
    Ok(())
}

fn row(engine: &str, callers: usize, grouped: f64, alone: f64) {
    println!("| {engine} | {callers} | {grouped:.0} | {alone:.0} | {:.2} |", grouped / alone);
}

/// Units per second of callers that each wait for one unit before they begin the next.
async fn through_store(store: &Store, callers: usize) -> anyhow::Result<f64> {
    let unit = |tx: &Tx<'_>| tx.insert(&TOY, &[Value::Int(next()), Value::Bytes(&CONTENT)]);
    let one = |_| {
        let store = store.clone();
        move || {
            let store = store.clone();
            async move { store.write("bench.toy", 1, unit).await.map_err(|error: StoreError| error.into()) }
        }
    };
    per_second((0..callers).map(one)).await
}

/// Transactions per second of the driver. SQLite has one writer, however many callers there are.
fn alone_on_sqlite(path: &std::path::Path) -> anyhow::Result<f64> {
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.busy_timeout(TIME)?;
    let (begun, mut done) = (Instant::now(), 0_u32);
    while begun.elapsed() < TIME {
        connection.prepare_cached(ALONE)?.execute((next(), &CONTENT[..]))?;
        done += 1;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// Transactions per second of the driver, with a connection for each caller.
async fn alone_on_postgres(url: &str, callers: usize) -> anyhow::Result<f64> {
    let mut connections = Vec::new();
    for _ in 0..callers {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let insert = client.prepare(ALONE).await?;
        connections.push(Arc::new((client, insert)));
    }
    let one = |own: Arc<(tokio_postgres::Client, tokio_postgres::Statement)>| {
        move || {
            let own = Arc::clone(&own);
            async move {
                own.0.execute(&own.1, &[&next(), &&CONTENT[..]]).await?;
                Ok(())
            }
        }
    };
    per_second(connections.into_iter().map(one)).await
}

/// Runs callers side by side for a while and returns what they have done per second.
async fn per_second<F, W>(callers: impl Iterator<Item = F>) -> anyhow::Result<f64>
where
    F: Fn() -> W + Send + 'static,
    W: Future<Output = anyhow::Result<()>> + Send,
{
    let begun = Instant::now();
    let tasks = callers.map(|one| {
        tokio::spawn(async move {
            let mut done = 0_u32;
            while begun.elapsed() < TIME {
                one().await?;
                done += 1;
            }
            anyhow::Ok(done)
        })
    });
    let mut all = 0;
    for done in join_all(tasks).await {
        all += done??;
    }
    Ok(f64::from(all) / begun.elapsed().as_secs_f64())
}
