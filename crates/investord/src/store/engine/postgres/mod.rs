//! PostgreSQL: a few writers that commit in groups and readers beside them, each a thread with a connection.

pub(in crate::store) mod batched_inserts;
mod connection;
pub mod connection_settings;
mod session;
pub(in crate::store) mod types;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::batch::Writer;
use super::catalogue::Catalogue;
use super::error::StoreError;
use super::migrate;
use super::queue::{TaskSender, queue};
use super::sql::Tx;
use super::unit::Owner;
use connection::PgConnection;
use connection_settings::PostgresSettings;

/// Maximum number of reads that wait for a connection; further requests wait before they enter the queue. The limit
/// bounds the memory of the queue.
const MAX_WAITING_READS: usize = 4096;

/// A read with the channel of its result, executed on the thread of a reader.
type Read = Box<dyn FnOnce(&PgConnection) + Send>;

/// The PostgreSQL engine: the queues of the writers and the shared queue of the readers.
pub struct Engine {
    writers: Vec<TaskSender>,
    readers: flume::Sender<Read>,
}

impl Engine {
    /// Verifies the schema and starts the threads of the writers and readers.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached or its schema is not that of this version.
    pub fn open(server: &Arc<PostgresSettings>, catalogue: &'static Catalogue) -> anyhow::Result<Self> {
        migrate::check_postgres(server, catalogue)?;
        let mut writers = Vec::new();
        for _ in 0..server.tuning.writers {
            let (queue, jobs) = queue();
            spawn_thread("writer", server, catalogue, false, move |link| Writer(link).run(&jobs))?;
            writers.push(queue);
        }
        let (readers, reads) = flume::bounded::<Read>(MAX_WAITING_READS);
        for _ in 0..server.tuning.readers {
            let reads = reads.clone();
            spawn_thread("reader", server, catalogue, true, move |link| {
                reads.iter().for_each(|read| read(&link));
            })?;
        }
        Ok(Self { writers, readers })
    }

    /// Returns the queue of the owner's writer. An owner always has the same writer, so its units run in the order of
    /// arrival and do not wait for each other's row lock.
    pub fn queue(&self, owner: Owner) -> &TaskSender {
        let at = usize::try_from(owner.number()).unwrap_or(0) % self.writers.len();
        &self.writers[at]
    }

    /// Runs a read on the thread of a reader, with one snapshot for all its statements if `snapshot` is set.
    ///
    /// # Errors
    ///
    /// Fails with the error of the read, or with [`StoreError`] if the database is unavailable or the read panicked.
    pub async fn read<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        snapshot: bool,
        mut read: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (answer, answered) = oneshot::channel();
        let job: Read = Box::new(move |link| {
            let run = catch_unwind(AssertUnwindSafe(|| link.read(snapshot, &mut read)));
            let result = run.unwrap_or_else(|_| {
                // The panic may have left a transaction open.
                link.close();
                Err(StoreError::Corrupt("a read panicked".into()).into())
            });
            let _ = answer.send(result);
        });
        let gone = || StoreError::Unavailable("the readers have stopped".into());
        self.readers.send_async(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// Spawns a thread with a connection of its own: connections are not shared between threads.
fn spawn_thread(
    name: &str,
    server: &Arc<PostgresSettings>,
    catalogue: &'static Catalogue,
    read_only: bool,
    work: impl FnOnce(PgConnection) + Send + 'static,
) -> anyhow::Result<()> {
    let (server, runtime) = (Arc::clone(server), Builder::new_current_thread().enable_all().build()?);
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || work(PgConnection::new(server, catalogue, runtime, read_only)))?;
    Ok(())
}
