//! The writer's queue, fair between owners.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::unit::{Owner, WriterTask};

/// Maximum number of waiting tasks; further requests wait for room. The limit bounds the memory of the queue.
const MAX_WAITING: usize = 4096;
/// Maximum batch size if one owner waits. It bounds the time for which the first unit waits for the last one.
const MAX_OF_ONE_OWNER: usize = 256;
/// Maximum batch size if several owners wait: smaller, so that none waits long for the others.
const MAX_OF_SEVERAL_OWNERS: usize = 64;
/// Maximum time for which the writer gathers as many tasks as its last batch had, if that had more than one: a commit
/// costs the same for one unit as for many.
const GATHERING: Duration = Duration::from_millis(1);

/// The sending end of the queue; cheap to clone.
#[derive(Clone)]
pub struct TaskSender(Arc<CloseOnDrop>);

/// The receiving end of the queue, for the thread of the writer.
pub struct TaskReceiver {
    shared: Arc<Shared>,
    /// Size of the last batch.
    last: Cell<usize>,
}

/// The error of a queue whose receiver was dropped.
pub struct QueueClosed;

/// A guard that closes the queue when the last sender is dropped.
struct CloseOnDrop(Arc<Shared>);

/// The state that both ends share.
struct Shared {
    /// One permit per free place in the queue.
    room: Semaphore,
    waiting: Mutex<WaitingTasks>,
    changed: Condvar,
}

/// The waiting tasks.
#[derive(Default)]
struct WaitingTasks {
    /// Rounds, each of which ends with a serializable task or a checkpoint, except for the last. None is empty.
    parts: VecDeque<TurnRound>,
    /// Number of tasks in all rounds.
    count: usize,
    /// Number of tasks at which the writer is woken; none if it does not wait. Each wake-up is a system call.
    wake_at: Option<usize>,
    is_closed: bool,
}

/// Batchable tasks, served round-robin between owners and first-in-first-out per owner, and a task behind them that
/// runs alone.
#[derive(Default)]
struct TurnRound {
    /// The owners in the order of their turns. Each owner with tasks appears once.
    turns: VecDeque<Owner>,
    jobs: HashMap<Owner, VecDeque<WriterTask>>,
    last: Option<WriterTask>,
}

/// Creates a queue and returns both ends.
pub fn queue() -> (TaskSender, TaskReceiver) {
    let waiting = Mutex::default();
    let shared = Arc::new(Shared { room: Semaphore::new(MAX_WAITING), waiting, changed: Condvar::new() });
    let receiver = TaskReceiver { shared: Arc::clone(&shared), last: Cell::new(0) };
    (TaskSender(Arc::new(CloseOnDrop(shared))), receiver)
}

impl TaskSender {
    /// Enqueues a task, as soon as there is room.
    ///
    /// # Errors
    ///
    /// Fails if the receiver was dropped.
    pub async fn send(&self, job: WriterTask) -> Result<(), QueueClosed> {
        let shared = &self.0.0;
        // The attempt without waiting keeps the order of arrival while there is room.
        match shared.room.try_acquire() {
            Ok(room) => room.forget(),
            Err(_) => shared.room.acquire().await.map_err(|_| QueueClosed)?.forget(),
        }
        let mut waiting = shared.waiting();
        waiting.put(job);
        let is_awaited = waiting.wake_at.is_some_and(|count| waiting.count >= count);
        if is_awaited {
            waiting.wake_at = None;
        }
        drop(waiting);
        if is_awaited {
            shared.changed.notify_one();
        }
        Ok(())
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.waiting().is_closed = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, WaitingTasks> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskReceiver {
    /// Waits for tasks and returns a batch with one task of each owner in turn. A task that runs alone is the last of
    /// its batch; no task overtakes it, and it overtakes none. Returns none after every sender was dropped.
    pub fn next(&self) -> Option<Vec<WriterTask>> {
        let shared = &self.shared;
        let mut waiting = shared.waiting();
        waiting.wake_at = Some(1);
        let is_idle = |waiting: &mut WaitingTasks| waiting.count == 0 && !waiting.is_closed;
        waiting = shared.changed.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner);
        let enough = self.last.get();
        if enough > 1 {
            waiting.wake_at = Some(enough);
            let is_gathering = |waiting: &mut WaitingTasks| waiting.count < enough && !waiting.is_closed;
            let gathered = shared.changed.wait_timeout_while(waiting, GATHERING, is_gathering);
            waiting = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting.wake_at = None;
        let taken = waiting.take();
        drop(waiting);
        self.last.set(taken.len());
        shared.room.add_permits(taken.len());
        Some(taken).filter(|taken| !taken.is_empty())
    }
}

impl Drop for TaskReceiver {
    fn drop(&mut self) {
        self.shared.room.close();
        // Dropping a task drops its channel, so that its caller receives an error.
        let left = std::mem::take(&mut *self.shared.waiting());
        drop(left);
    }
}

impl WaitingTasks {
    /// Adds a task to the last round, or to a new one behind a task that runs alone.
    fn put(&mut self, job: WriterTask) {
        self.count += 1;
        if self.parts.back().is_none_or(|part| part.last.is_some()) {
            self.parts.push_back(TurnRound::default());
        }
        let part = self.parts.back_mut().expect("there is one");
        match job {
            WriterTask::Batched { owner, .. } => {
                let jobs = part.jobs.entry(owner).or_default();
                if jobs.is_empty() {
                    part.turns.push_back(owner);
                }
                jobs.push_back(job);
            }
            WriterTask::Serializable(_) | WriterTask::Checkpoint(..) => part.last = Some(job),
        }
    }

    /// Removes and returns a batch of the first round.
    fn take(&mut self) -> Vec<WriterTask> {
        let mut taken = Vec::new();
        let Some(part) = self.parts.front_mut() else { return taken };
        let most = if part.turns.len() > 1 { MAX_OF_SEVERAL_OWNERS } else { MAX_OF_ONE_OWNER };
        while taken.len() < most
            && let Some(owner) = part.turns.pop_front()
        {
            let jobs = part.jobs.get_mut(&owner);
            taken.extend(jobs.and_then(VecDeque::pop_front));
            if part.jobs.get(&owner).is_some_and(|jobs| !jobs.is_empty()) {
                part.turns.push_back(owner);
            } else {
                part.jobs.remove(&owner);
            }
        }
        if part.turns.is_empty() {
            taken.extend(part.last.take());
            self.parts.pop_front();
        }
        self.count -= taken.len();
        taken
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::error::StoreError;
    use super::super::sql::Tx;
    use super::super::unit::LockOrder;
    use super::super::unit::{UnitOfWork, UnitOutcome};
    use super::*;

    struct Nothing;

    impl UnitOfWork for Nothing {
        fn lock_order(&self) -> LockOrder {
            LockOrder::default()
        }
        fn prefetch(&self, _: &Tx<'_>) -> Result<(), StoreError> {
            Ok(())
        }
        fn run(&mut self, _: &Tx<'_>, _: bool) -> UnitOutcome {
            UnitOutcome::Committable
        }
        fn answer(self: Box<Self>, _: Result<(), StoreError>) {}
    }

    fn put(queue: &TaskSender, owner: i64) {
        let job = WriterTask::Batched { owner: owner.into(), unit: Box::new(Nothing) };
        assert!(queue.send(job).now_or_never().is_some_and(|sent| sent.is_ok()));
    }

    /// Returns the owners of the next batch, with 0 for a task that runs alone.
    fn taken(jobs: &TaskReceiver) -> Vec<Owner> {
        let owner = |job| match job {
            WriterTask::Batched { owner, .. } => owner,
            WriterTask::Serializable(_) | WriterTask::Checkpoint(..) => Owner::REGISTER,
        };
        jobs.next().unwrap().into_iter().map(owner).collect()
    }

    #[test]
    fn the_owners_take_turns() {
        let (queue, jobs) = queue();
        (0..1000).for_each(|_| put(&queue, 1));
        assert_eq!(taken(&jobs), [Owner::from(1); MAX_OF_ONE_OWNER], "as many as ever if nobody else waits");
        put(&queue, 2);
        put(&queue, 2);
        put(&queue, 3);
        let first = taken(&jobs);
        assert_eq!(first[..6], [1, 2, 3, 1, 2, 1].map(Owner::from));
        assert_eq!(first.len(), MAX_OF_SEVERAL_OWNERS);
        drop(queue);
        let mut left = 0;
        while let Some(more) = jobs.next() {
            left += more.len();
        }
        assert_eq!(left, 1000 - MAX_OF_ONE_OWNER - (MAX_OF_SEVERAL_OWNERS - 3));
    }

    #[test]
    fn the_writer_waits_only_briefly_for_as_many_tasks_as_before() {
        let (queue, jobs) = queue();
        (0..3).for_each(|_| put(&queue, 1));
        assert_eq!(taken(&jobs), [Owner::from(1); 3]);
        put(&queue, 1);
        assert_eq!(taken(&jobs), [Owner::from(1)], "nobody else comes");
        (0..3).for_each(|_| put(&queue, 1));
        assert_eq!(taken(&jobs), [Owner::from(1); 3]);
    }

    #[test]
    fn what_runs_alone_is_not_overtaken() {
        let (queue, jobs) = queue();
        put(&queue, 1);
        put(&queue, 2);
        put(&queue, 1);
        assert!(queue.send(WriterTask::Serializable(Box::new(Nothing))).now_or_never().is_some());
        put(&queue, 3);
        assert_eq!(taken(&jobs), [1, 2, 1, 0].map(Owner::from));
        assert_eq!(taken(&jobs), [Owner::from(3)]);
    }

    #[test]
    fn what_has_no_room_waits() {
        let (queue, jobs) = queue();
        (0..MAX_WAITING).for_each(|_| put(&queue, 1));
        let one_more = || queue.send(WriterTask::Batched { owner: 2.into(), unit: Box::new(Nothing) });
        assert!(one_more().now_or_never().is_none());
        jobs.next();
        assert!(one_more().now_or_never().is_some());
        drop(jobs);
        assert!(one_more().now_or_never().is_some_and(|sent| sent.is_err()), "nobody takes it");
    }
}
