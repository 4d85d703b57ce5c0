//! Reviews of data changes and checks, by one operator or by two.

use serde::{Deserialize, Serialize};

/// What is said of something in the end, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Why not; none if it is good.
    pub refusal: Option<String>,
    pub by: String,
}

/// What people have said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Of the first of two people, where a second one has to say the same.
    pub proposed: Option<Verdict>,
    pub decided: Option<Verdict>,
}

/// What a verdict has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Decided,
    /// A second person has to say the same.
    Proposed,
}

impl Review {
    /// Takes what somebody says. With `four_eyes` it counts when somebody else says the same; who says otherwise
    /// begins anew.
    pub fn decide(&mut self, verdict: Verdict, four_eyes: bool) -> Result<Progress, String> {
        if let Some(Verdict { by, .. }) = &self.decided {
            return Err(format!("{by} has decided it"));
        }
        let same = |first: &Verdict| first.refusal.is_some() == verdict.refusal.is_some();
        match self.proposed.as_ref().filter(|first| same(first)) {
            Some(first) if four_eyes && first.by == verdict.by => {
                Err(format!("{} has said so; somebody else has to confirm it", first.by))
            }
            None if four_eyes => {
                self.proposed = Some(verdict);
                Ok(Progress::Proposed)
            }
            _ => {
                self.decided = Some(verdict);
                Ok(Progress::Decided)
            }
        }
    }

    /// Withdraws the matter, whoever has said what: it fails.
    pub fn cancel(&mut self, verdict: Verdict) -> Result<(), String> {
        match &self.decided {
            Some(Verdict { by, .. }) => Err(format!("{by} has decided it")),
            None => {
                self.decided = Some(verdict);
                Ok(())
            }
        }
    }
}
