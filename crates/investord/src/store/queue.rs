//! What waits for a writer: the tenants in turn, so that none waits for all that another has sent.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::batch::Job;

/// Jobs that may wait; beyond that a request waits for room.
const ROOM: usize = 4096;
/// Jobs that are taken at once if they are of one tenant, which bounds how long the first of them waits for the last; and
/// if several tenants wait, so that none waits long for the others.
const OF_ONE: usize = 256;
const OF_SEVERAL: usize = 64;

/// The end at which jobs are put in; cloned freely.
#[derive(Clone)]
pub struct Queue(Arc<Handle>);

/// The end at which the writer takes them out.
pub struct Jobs(Arc<Shared>);

/// Nobody takes jobs out any more.
pub struct Closed;

struct Handle(Arc<Shared>);

struct Shared {
    room: Semaphore,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// In the order of what runs alone; none is empty.
    parts: VecDeque<Part>,
    is_closed: bool,
}

/// Jobs among which tenants take turns, each tenant's in its own order, and what runs alone behind all of them.
#[derive(Default)]
struct Part {
    /// Whose turn is next. Each stands once in it, and has jobs.
    turns: VecDeque<i64>,
    jobs: HashMap<i64, VecDeque<Job>>,
    last: Option<Job>,
}

/// A queue for a writer to be.
pub fn queue() -> (Queue, Jobs) {
    let waiting = Mutex::default();
    let shared = Arc::new(Shared { room: Semaphore::new(ROOM), waiting, changed: Condvar::new() });
    (Queue(Arc::new(Handle(Arc::clone(&shared)))), Jobs(shared))
}

impl Queue {
    /// Puts a job in, when there is room.
    pub async fn send(&self, job: Job) -> Result<(), Closed> {
        let shared = &self.0.0;
        // Without a wait where there is room: who is first is put in first.
        match shared.room.try_acquire() {
            Ok(room) => room.forget(),
            Err(_) => shared.room.acquire().await.map_err(|_| Closed)?.forget(),
        }
        shared.waiting().put(job);
        shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.waiting().is_closed = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// Waits for jobs and takes some, one of each tenant in turn. One that is to run alone is the last, and neither overtakes
    /// nor is overtaken. None when nobody can put any in.
    pub fn next(&self) -> Option<Vec<Job>> {
        let waiting = self.0.waiting();
        let is_idle = |waiting: &mut Waiting| waiting.parts.is_empty() && !waiting.is_closed;
        let waiting = self.0.changed.wait_while(waiting, is_idle);
        let taken = waiting.unwrap_or_else(PoisonError::into_inner).take();
        self.0.room.add_permits(taken.len());
        Some(taken).filter(|taken| !taken.is_empty())
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.0.room.close();
        // Whoever waits for one of them learns that it will not be done.
        let left = std::mem::take(&mut *self.0.waiting());
        drop(left);
    }
}

impl Waiting {
    fn put(&mut self, job: Job) {
        if self.parts.back().is_none_or(|part| part.last.is_some()) {
            self.parts.push_back(Part::default());
        }
        let part = self.parts.back_mut().expect("there is one");
        match job {
            Job::Shared { tenant, .. } => {
                let jobs = part.jobs.entry(tenant).or_default();
                if jobs.is_empty() {
                    part.turns.push_back(tenant);
                }
                jobs.push_back(job);
            }
            Job::Alone(_) | Job::Fold(_) => part.last = Some(job),
        }
    }

    fn take(&mut self) -> Vec<Job> {
        let mut taken = Vec::new();
        let Some(part) = self.parts.front_mut() else { return taken };
        let most = if part.turns.len() > 1 { OF_SEVERAL } else { OF_ONE };
        while taken.len() < most
            && let Some(tenant) = part.turns.pop_front()
        {
            let jobs = part.jobs.get_mut(&tenant);
            taken.extend(jobs.and_then(VecDeque::pop_front));
            if part.jobs.get(&tenant).is_some_and(|jobs| !jobs.is_empty()) {
                part.turns.push_back(tenant);
            } else {
                part.jobs.remove(&tenant);
            }
        }
        if part.turns.is_empty() {
            taken.extend(part.last.take());
            self.parts.pop_front();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::batch::{Outcome, Unit};
    use super::super::{StoreError, Tx};
    use super::*;

    struct Nothing;

    impl Unit for Nothing {
        fn webhook(&self) -> Option<uuid::Uuid> {
            None
        }
        fn ahead(&self, _: &Tx<'_>) -> Result<(), StoreError> {
            Ok(())
        }
        fn run(&mut self, _: &Tx<'_>, _: bool) -> Outcome {
            Outcome::Kept
        }
        fn answer(self: Box<Self>, _: Result<(), StoreError>) {}
    }

    fn put(queue: &Queue, tenant: i64) {
        let job = Job::Shared { tenant, unit: Box::new(Nothing) };
        assert!(queue.send(job).now_or_never().is_some_and(|sent| sent.is_ok()));
    }

    /// The tenants of what is taken; 0 for what runs alone.
    fn taken(jobs: &Jobs) -> Vec<i64> {
        let tenant = |job| match job {
            Job::Shared { tenant, .. } => tenant,
            Job::Alone(_) | Job::Fold(_) => 0,
        };
        jobs.next().unwrap().into_iter().map(tenant).collect()
    }

    #[test]
    fn the_tenants_take_turns() {
        let (queue, jobs) = queue();
        (0..1000).for_each(|_| put(&queue, 1));
        assert_eq!(taken(&jobs), [1; OF_ONE], "as many as ever if nobody else waits");
        put(&queue, 2);
        put(&queue, 2);
        put(&queue, 3);
        let first = taken(&jobs);
        assert_eq!(first[..6], [1, 2, 3, 1, 2, 1]);
        assert_eq!(first.len(), OF_SEVERAL);
        drop(queue);
        let mut left = 0;
        while let Some(more) = jobs.next() {
            left += more.len();
        }
        assert_eq!(left, 1000 - OF_ONE - (OF_SEVERAL - 3));
    }

    #[test]
    fn what_runs_alone_is_not_overtaken() {
        let (queue, jobs) = queue();
        put(&queue, 1);
        put(&queue, 2);
        put(&queue, 1);
        assert!(queue.send(Job::Alone(Box::new(Nothing))).now_or_never().is_some());
        put(&queue, 3);
        assert_eq!(taken(&jobs), [1, 2, 1, 0]);
        assert_eq!(taken(&jobs), [3]);
    }

    #[test]
    fn what_has_no_room_waits() {
        let (queue, jobs) = queue();
        (0..ROOM).for_each(|_| put(&queue, 1));
        let one_more = || queue.send(Job::Shared { tenant: 2, unit: Box::new(Nothing) });
        assert!(one_more().now_or_never().is_none());
        jobs.next();
        assert!(one_more().now_or_never().is_some());
        drop(jobs);
        assert!(one_more().now_or_never().is_some_and(|sent| sent.is_err()), "nobody takes it");
    }
}
