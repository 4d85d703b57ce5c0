//! Reviews of data changes and checks, by one operator or by two.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An approval or a refusal, and its author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The reason for a refusal; null for an approval.
    pub refusal: Option<String>,
    /// Who decided, as in operator:anna, or system.
    pub by: String,
}

/// The verdicts so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// The verdict of the first of two operators, which a second one has to confirm.
    pub proposed: Option<Verdict>,
    /// The final verdict.
    pub decided: Option<Verdict>,
}

/// The effect of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The verdict is final.
    Decided,
    /// A second operator has to confirm it.
    Proposed,
}

impl Review {
    /// Records the verdict of an operator. With `four_eyes` it becomes final when another operator gives the same one;
    /// a different verdict replaces the proposed one.
    ///
    /// # Errors
    /// Fails if the matter is decided already, or if the operator would confirm their own verdict.
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

    /// Withdraws the matter, whatever the verdicts so far: it fails.
    ///
    /// # Errors
    /// Fails if the matter is decided already.
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
