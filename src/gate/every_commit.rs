//! `signing.require: every-commit`: all commits of a range judged, one after the other.

use crate::names::ObjectId;
use crate::outcome::Refusal;

use super::judge::{Policy, judge_commit};
use super::verdict::Verdict;

/// So many refused commits are named; the rest is counted.
const SHOWN: usize = 20;

/// A walk over the commits of a range, in any order, each given once.
///
/// Feed it with [`Sweep::judge`] while walking, so that no more than one commit need be held.
#[derive(Debug)]
pub struct Sweep<'p> {
    policy: &'p Policy,
    judged: usize,
    refused: usize,
    shown: Vec<String>,
}

impl<'p> Sweep<'p> {
    /// Begins a walk.
    pub fn new(policy: &'p Policy) -> Sweep<'p> {
        Sweep { policy, judged: 0, refused: 0, shown: Vec::new() }
    }

    /// Judges one commit.
    pub fn judge(&mut self, id: &ObjectId, raw: &[u8]) {
        self.judged += 1;
        let Verdict::Refused(refusal) = judge_commit(id, raw, self.policy) else { return };
        self.refused += 1;
        if self.shown.len() < SHOWN {
            let code = match refusal.code.0 {
                "unsigned-tip" => "unsigned-commit",
                code => code,
            };
            self.shown.push(format!("{id} {code}"));
        }
    }

    /// Ends the walk; returns how many commits were judged and are all signed.
    ///
    /// # Errors
    /// `unsigned-commit`, with the refused commits and the code of each.
    pub fn finish(self) -> Result<usize, Refusal> {
        if self.refused == 0 {
            return Ok(self.judged);
        }
        let Sweep { judged, refused, .. } = self;
        let mut words = format!("{refused} of {judged} commits are not signed by a listed key:");
        self.shown.iter().for_each(|line| words.push_str(&format!("\n  {line}")));
        if refused > SHOWN {
            words.push_str(&format!("\n  and {} more", refused - SHOWN));
        }
        Err(Refusal::new("unsigned-commit", words).hint(
            "rebase with signatures (git rebase -S) before publishing, or set signing.require: tip",
        ))
    }
}
