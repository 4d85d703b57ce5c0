//! What a fuzz target keeps of an answer.

use investord::problem::Problem;

/// Whether something was taken; a refusal has to say why.
pub fn is_taken(read: Result<(), Problem>) -> bool {
    match read {
        Ok(()) => true,
        Err(Problem::InvalidRequest(faults)) => {
            assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.message.is_empty()));
            false
        }
        Err(other) => panic!("{}", other.detail()),
    }
}
