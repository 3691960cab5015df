//! A look at every tracked source: which moved that no delivery spoke of, and which hook seems dead.
//!
//! Forges lose events by design: they drop what is too large or too many at once, do not retry, and mute a hook that
//! failed. So every source is asked where it is, on start and on a timer.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::polite::{self, Heard};
use super::{Lookout, RepositoryKey};
use crate::database::{BranchEntry, SourceRecord, SourceSeen};
use crate::names::{BranchName, ObjectId, RepositoryAddress};
use crate::outcome::{Fault, Result};

/// How many sources are taken from the database at once: what is in memory is bounded by it.
const PAGE: u32 = 2000;

/// How many branches one question names; for more, all are asked for.
const MOST_NAMED: usize = 40;

/// What a look at every tracked source found.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// How many source branches were looked at.
    pub looked: usize,
    /// Those that moved, or were never looked at before, with the dist-git branches that track them.
    pub moved: Vec<MovedSource>,
    /// Those whose hook seems dead.
    pub dead_hooks: Vec<DeadHook>,
    /// Tracked branches that are not there.
    pub missing: Vec<(RepositoryKey, BranchName)>,
    /// Repositories that could not be asked.
    pub failed: Vec<(RepositoryKey, Fault)>,
}

/// A source branch that is not where it was seen last.
#[derive(Debug)]
pub struct MovedSource {
    /// The repository.
    pub source: RepositoryKey,
    /// The branch.
    pub branch: BranchName,
    /// Where it is now.
    pub tip: ObjectId,
    /// Whether it was looked at for the first time.
    pub is_new: bool,
    /// Who tracks it.
    pub tracked_by: Vec<BranchEntry>,
}

/// A source that moved though its forge had said nothing of it for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadHook {
    /// The repository.
    pub source: RepositoryKey,
    /// The branch.
    pub branch: BranchName,
    /// When a delivery last spoke of it; `None`: never.
    pub delivered_at: Option<Timestamp>,
}

/// One repository, and the branches of it that are tracked.
struct Question {
    source: RepositoryKey,
    address: RepositoryAddress,
    branches: Vec<BranchName>,
}

/// A question, and what the repository said.
type Answered = (Question, Result<BTreeMap<BranchName, ObjectId>>);

impl Lookout<'_> {
    /// Looks at every tracked source.
    ///
    /// # Errors
    /// Fails where the database does not answer. A repository that fails is told in the answer.
    pub async fn reconcile(&self, now: Timestamp) -> Result<Reconciled> {
        let mut reconciled = Reconciled::default();
        let mut last: Option<(String, BranchName)> = None;
        loop {
            let after = last.as_ref().map(|(source, branch)| (source.as_str(), branch));
            let page = self.database.tracked_sources(after, PAGE).await?;
            let Some(end) = page.last() else { return Ok(reconciled) };
            last = Some((end.source.clone(), end.branch.clone()));
            reconciled.looked += page.len();
            for answered in self.ask(page).await {
                self.compare(answered, now, &mut reconciled).await?;
            }
        }
    }

    async fn ask(&self, page: Vec<SourceRecord>) -> Vec<Answered> {
        let questions = questions(page)
            .into_iter()
            .map(|question| (question.source.host().map(str::to_owned), question));
        let ask = async |question: Question| {
            let named = match question.branches.len() > MOST_NAMED {
                true => &[][..],
                false => &question.branches,
            };
            let limit = self.operator.per_host.answer;
            let (standing, address) = (self.standing(), &question.address);
            let tips = self.transport.branches(&standing, address, named, limit).await;
            let heard = Heard::of(&tips);
            ((question, tips), heard)
        };
        let pass_over = |question, host: &str| (question, Err(polite::silent(host)));
        polite::each(self.operator.per_host, questions, ask, pass_over).await
    }

    /// Compares what a repository said with what was known.
    async fn compare(
        &self,
        (question, tips): Answered,
        now: Timestamp,
        reconciled: &mut Reconciled,
    ) -> Result<()> {
        let tips = match tips {
            Ok(tips) => tips,
            Err(fault) => {
                reconciled.failed.push((question.source, fault));
                return Ok(());
            }
        };
        let source = &question.source;
        let (there, missing): (Vec<_>, Vec<_>) =
            question.branches.into_iter().partition(|branch| tips.contains_key(branch));
        reconciled.missing.extend(missing.into_iter().map(|branch| (source.clone(), branch)));
        let seen = there.iter().map(|branch| (source.to_string(), branch.clone(), tips[branch]));
        let found = self.database.sources_seen(seen.collect(), now).await?;
        for (branch, seen) in there.into_iter().zip(found) {
            let is_new = match seen {
                SourceSeen::Same => continue,
                SourceSeen::First => true,
                SourceSeen::Moved { delivered_at, .. } => {
                    if self.is_dead(delivered_at, now) {
                        let (source, branch) = (source.clone(), branch.clone());
                        reconciled.dead_hooks.push(DeadHook { source, branch, delivered_at });
                    }
                    false
                }
            };
            let tracked_by = self.database.by_source(source.as_str(), &branch).await?;
            let (source, tip) = (source.clone(), tips[&branch]);
            reconciled.moved.push(MovedSource { source, branch, tip, is_new, tracked_by });
        }
        Ok(())
    }

    /// Tells whether a hook whose source moved has been silent for longer than the operator waits.
    fn is_dead(&self, delivered_at: Option<Timestamp>, now: Timestamp) -> bool {
        let quiet = self.operator.quiet_hook;
        delivered_at.is_none_or(|at| now.duration_since(at).unsigned_abs() > quiet && at < now)
    }
}

/// Puts the branches of one repository into one question.
fn questions(page: Vec<SourceRecord>) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for record in page {
        let address = record.address.as_deref().and_then(|text| text.parse().ok());
        let Some(address) = address else { continue };
        match questions.last_mut() {
            Some(last) if last.source.as_str() == record.source && last.address == address => {
                last.branches.push(record.branch);
            }
            _ => questions.push(Question {
                source: RepositoryKey::stored(record.source),
                address,
                branches: vec![record.branch],
            }),
        }
    }
    questions
}
