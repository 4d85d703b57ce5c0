//! Whether a history of overlapping calls could have happened one call at a time.
//!
//! The search of Wing and Gong (1993), with the memory that Lowe (2017) gave it: some call that began before any
//! other had ended comes first; what has been tried with the same calls done and the same state is not tried
//! again.

use std::collections::HashSet;
use std::hash::Hash;

/// A call and the moments at which it began and ended.
#[derive(Clone, Debug)]
pub struct Call<O> {
    pub what: O,
    pub began: u64,
    pub ended: u64,
}

/// What a call comes to in some state, given how it was answered.
pub enum Step<S> {
    /// It cannot have been answered so.
    Impossible,
    /// It only looks: as soon as it can come, it may, and nothing else becomes impossible by that.
    Looks,
    Makes(S),
}

/// Whether some order of the calls, none before one that had ended when it began, explains every answer.
pub fn is_linearizable<S: Clone + Eq + Hash, O>(
    start: &S,
    history: &[Call<O>],
    step: impl Fn(&S, &O) -> Step<S>,
) -> bool {
    assert!(history.len() <= 128, "calls are counted in the bits of a number");
    let all = u128::MAX.checked_shr(128 - u32::try_from(history.len()).unwrap()).unwrap_or(0);
    let (mut open, mut tried) = (vec![(0_u128, start.clone())], HashSet::new());
    while let Some((done, state)) = open.pop() {
        if done == all {
            return true;
        }
        let waiting = || history.iter().enumerate().filter(|(at, _)| done & (1 << at) == 0);
        let first_end = waiting().map(|(_, call)| call.ended).min().unwrap_or(0);
        let mut next = Vec::new();
        for (at, call) in waiting().filter(|(_, call)| call.began < first_end) {
            match step(&state, &call.what) {
                Step::Impossible => {}
                Step::Makes(made) => next.push((done | 1 << at, made)),
                Step::Looks => {
                    next = vec![(done | 1 << at, state)];
                    break;
                }
            }
        }
        open.extend(next.into_iter().filter(|next| tried.insert(next.clone())));
    }
    false
}

/// A register of one value, for the tests of the search itself.
#[cfg(test)]
mod tests {
    use super::{Call, Step, is_linearizable};

    #[derive(Clone, Debug)]
    enum What {
        Write(u8),
        Read(u8),
    }
    use What::{Read, Write};

    fn judged(calls: &[(What, u64, u64)]) -> bool {
        let calls = calls.iter().map(|(what, began, ended)| Call {
            what: what.clone(),
            began: *began,
            ended: *ended,
        });
        is_linearizable(&0, &calls.collect::<Vec<_>>(), |state, what| match what {
            Write(value) => Step::Makes(*value),
            Read(value) if value == state => Step::Looks,
            Read(_) => Step::Impossible,
        })
    }

    #[test]
    fn what_could_have_happened_is_believed() {
        assert!(judged(&[]));
        assert!(judged(&[(Write(1), 0, 1), (Read(1), 2, 3)]));
        // A read that overlaps a write sees either.
        assert!(judged(&[(Write(1), 0, 9), (Read(0), 1, 2), (Read(1), 3, 4)]));
        assert!(judged(&[(Write(1), 0, 9), (Write(2), 0, 9), (Read(2), 3, 4), (Read(1), 5, 6)]));
        assert!(judged(&[(Write(0), 0, 9), (Write(1), 0, 9), (Read(1), 1, 2), (Read(0), 3, 4)]));
        let many: Vec<_> = (0..128).map(|at| (Write(at), 0, 1000)).collect();
        assert!(judged(&many));
    }

    #[test]
    fn what_could_not_have_happened_is_not() {
        assert!(!judged(&[(Write(1), 0, 1), (Read(0), 2, 3)]), "a stale read");
        assert!(!judged(&[(Write(1), 0, 9), (Read(1), 1, 2), (Read(0), 3, 4)]), "back in time");
        assert!(!judged(&[(Read(1), 0, 1), (Write(1), 2, 3)]), "ahead of time");
        let two = [(Write(1), 0, 9), (Write(2), 0, 9), (Read(2), 3, 4), (Read(1), 5, 6), (Read(2), 7, 8)];
        assert!(!judged(&two), "one write serves once");
    }
}
