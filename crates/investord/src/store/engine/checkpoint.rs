//! Checkpoints of SQLite: a thread moves the write-ahead log into the database file while the writer commits.
//!
//! SQLite's automatic checkpoint runs inside a commit: thousands of pages are copied and synced while every write
//! waits. Here the writer moves only the last pages. It has to, because SQLite restarts the log (writes it from its
//! beginning again) only when all pages have been moved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use super::queue::TaskSender;
use super::sqlite_file::{BUSY_TIMEOUT, stop_if_unsynced};
use super::unit::{CheckpointMode, WriterTask};

/// Growth of the log, in pages of 4 KiB, after which the thread moves it (8 MiB). Unit tests have a small log, which is
/// moved all the time.
const STEP_PAGES: u32 = if cfg!(test) { 20 } else { 2_000 };
/// Size of the log, in pages (31 MiB), at which the writer restarts it. A checkpoint writes a page once however many
/// commits changed it, so a larger log is cheaper; the price is disk space.
pub const LOG_PAGES: u32 = 4 * STEP_PAGES;
/// Size of the log, in pages (312 MiB), at which a warning is logged: a read transaction that does not end prevents the
/// restart.
const LARGE_LOG_PAGES: u32 = 10 * LOG_PAGES;
/// Number of pages that may be left to the writer.
const PAGES_FOR_WRITER: u32 = 200;
/// Maximum number of passes over the log in a row. Each moves what commits have added during the pass before.
const PASSES: usize = 8;
/// Maximum time for which the writer waits for readers to leave the log.
const READERS_TIMEOUT: Duration = Duration::from_millis(10);
/// Pause of the writer while another connection moves the log.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(5);

/// The size of the log in pages, which each commit reports.
pub type LogSize = watch::Sender<u32>;

/// Starts the thread, which ends when the returned sender is dropped.
///
/// # Errors
///
/// Fails if the system has no further thread.
pub fn start(connection: Connection, queue: TaskSender) -> anyhow::Result<LogSize> {
    let runtime = Builder::new_current_thread().build()?;
    let (size, reported) = watch::channel(0);
    std::thread::Builder::new()
        .name("checkpoint".into())
        .spawn(move || runtime.block_on(run(&connection, &queue, reported)))?;
    Ok(size)
}

/// Makes each commit of the connection report the size of the log, instead of running the automatic checkpoint.
///
/// # Errors
///
/// Fails if SQLite does not take the hook.
pub fn report_size(connection: &mut Connection, size: &Arc<LogSize>) -> rusqlite::Result<()> {
    let (size, mut last) = (Arc::downgrade(size), 0);
    connection.wal_hook(Some(move |_: &mut _, pages| {
        let pages = u32::try_from(pages).unwrap_or_default();
        // A thread is woken per step and not per commit.
        let is_step = pages / STEP_PAGES > last / STEP_PAGES;
        last = pages;
        if let Some(size) = size.upgrade() {
            size.send_if_modified(|known| {
                *known = pages;
                is_step
            });
        }
        metrics::gauge!("investord_store_log_pages").set(pages);
        Ok(())
    }))
}

async fn run(connection: &Connection, queue: &TaskSender, mut size: watch::Receiver<u32>) {
    let mut reported = 0;
    while size.changed().await.is_ok() {
        if let Err(error) = move_pages(connection, &size) {
            report(&error);
        }
        let pages = *size.borrow();
        if pages < LOG_PAGES {
            continue;
        }
        let (done, finished) = oneshot::channel();
        if queue.send(WriterTask::Checkpoint(CheckpointMode::Restart, done)).await.is_err() {
            return;
        }
        let _ = finished.await;
        if pages / LARGE_LOG_PAGES > reported / LARGE_LOG_PAGES {
            tracing::warn!(pages, "the write-ahead log grows, because a read transaction does not end");
        }
        reported = pages;
    }
}

/// Moves the log as far as readers allow, until few pages are left.
fn move_pages(connection: &Connection, size: &watch::Receiver<u32>) -> rusqlite::Result<()> {
    let mut before = 0;
    for _ in 0..PASSES {
        // Negative if another connection moves the log at the moment.
        let moved: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2))?;
        let moved = u32::try_from(moved).unwrap_or_default();
        // A pass syncs the file only if no commit came meanwhile: the last of several short ones does.
        if moved == before || (before > 0 && size.borrow().saturating_sub(moved) <= PAGES_FOR_WRITER) {
            break;
        }
        before = moved;
    }
    Ok(())
}

/// Moves the log on the connection of the writer, between two transactions.
pub fn by_writer(connection: &Connection, mode: CheckpointMode) {
    let done = match mode {
        CheckpointMode::Restart => restart(connection),
        CheckpointMode::Truncate => truncate(connection),
    };
    if let Err(error) = done {
        report(&error);
    }
}

fn restart(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(READERS_TIMEOUT)?;
    let done = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    done
}

/// Truncates the log. SQLite waits for readers, but not for another connection that moves the log.
fn truncate(connection: &Connection) -> rusqlite::Result<()> {
    let started = Instant::now();
    let mut is_busy = true;
    while is_busy && started.elapsed() < BUSY_TIMEOUT {
        is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if is_busy {
            std::thread::sleep(CHECKPOINT_PAUSE);
        }
    }
    Ok(())
}

fn report(error: &rusqlite::Error) {
    stop_if_unsynced(error);
    tracing::warn!(%error, "cannot move the log into the database");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::StoreError;
    use super::super::catalogue::{Catalogue, Database};
    use super::super::sql::{Tx, Value};
    use super::super::statement::Insert;
    use super::super::unit::Owner;
    use super::super::{Store, sqlite};
    use super::*;

    static TOYS: Catalogue = Catalogue {
        migrations: &[("V1__toys", "CREATE TABLE toys (content {bytes} NOT NULL) {strict};")],
        tables: &["toys"],
        serializable_lock: "LOCK TABLE toys IN SHARE ROW EXCLUSIVE MODE",
    };
    static ADD: Insert = Insert::new("toys.add", "toys", &["content"]);
    const PAGE: u64 = 4_096;

    /// Commits so many rows of a page each, one after the other.
    async fn add(store: &Store, rows: u32) {
        for _ in 0..rows {
            let unit = |tx: &Tx<'_>| tx.insert(&ADD, &[Value::Bytes(&[7; 4_000])]);
            store.write::<_, StoreError>("toys.add", Owner::REGISTER, unit).await.unwrap();
        }
    }

    fn log_pages(path: &Path) -> u64 {
        path.with_extension("db-wal").metadata().unwrap().len() / PAGE
    }

    fn store(path: &Path) -> Store {
        Store::open_with(&Database::Sqlite(path.to_owned()), &TOYS).unwrap()
    }

    #[tokio::test]
    async fn the_log_restarts_while_commits_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toys.db");
        let store = store(&path);
        let rows = 40 * LOG_PAGES;
        add(&store, rows).await;
        assert!(log_pages(&path) < 20 * u64::from(LOG_PAGES), "{} pages", log_pages(&path));
        let count: i64 = sqlite::open_to_read(&path)
            .unwrap()
            .query_row("SELECT count(*) FROM toys", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, i64::from(rows));
    }

    /// A reader prevents the restart of the log, and stops no commit; after its end the log restarts.
    #[tokio::test]
    async fn a_reader_that_does_not_end_stops_no_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toys.db");
        let store = store(&path);
        add(&store, 1).await;
        let reader = sqlite::open_to_read(&path).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        let seen = || reader.query_row("SELECT count(*) FROM toys", [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(seen(), 1);
        add(&store, 4 * LOG_PAGES).await;
        let kept = log_pages(&path);
        assert!(kept >= 4 * u64::from(LOG_PAGES), "{kept} pages");
        assert_eq!(seen(), 1, "the reader has its snapshot");
        reader.execute_batch("COMMIT").unwrap();
        add(&store, 40 * LOG_PAGES).await;
        assert!(log_pages(&path) < kept + 20 * u64::from(LOG_PAGES), "{} pages", log_pages(&path));
    }
}
