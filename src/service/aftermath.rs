//! What follows of a run besides its outcome: what is told, what the index learns, which dependencies answer.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::indexer::News;
use super::mailroom;
use super::worker::verdict;
use crate::database::{Answer, Claim, Database, OutboxMessage, RunsOf, Tracking};
use crate::forge;
use crate::index::{Hosts, RepositoryKey};
use crate::operator::Operator;
use crate::outbox::{Desk, Occasion, Told, tell};
use crate::queue::{Dependency, DependencyKind, JobKey};
use crate::report::{Outcome, Report};

/// How many earlier runs are looked through for what was told: those that were lost told nothing.
const EARLIER_RUNS: u32 = 20;

/// What stands in a report beside what `--format json` prints.
const TOLD: &str = "told";

/// What is needed to see to a run's end.
pub struct Aftermath {
    /// What the operator wants.
    pub operator: Arc<Operator>,
    /// Hosts by their other names.
    pub hosts: Hosts,
    /// The accounts at forges.
    pub accounts: Vec<forge::Account>,
    /// Where it is all kept.
    pub database: Database,
    /// Rung where there is something to tell.
    pub outbox_bell: Arc<Notify>,
    /// Told which packages are to be looked at for the index.
    pub news: tokio::sync::mpsc::UnboundedSender<News>,
}

/// What becomes durable with the run's end.
pub struct Telling {
    /// The report, and what was told so far.
    pub report: serde_json::Value,
    /// What is to be told now.
    pub messages: Vec<OutboxMessage>,
}

impl Aftermath {
    /// Says what is told of a run, given what was told before.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn telling(&self, claim: &Claim, report: &Report, now: Timestamp) -> Answer<Telling> {
        let before = self.told_before(claim).await?;
        let instance = self.operator.instance(&claim.key.instance);
        let dist_git = instance.and_then(|one| one.git.address(&claim.key.package).ok());
        let owners = self.operator.mail.as_ref().map_or(&[][..], |mail| &mail.to);
        let webhooks: Vec<String> =
            self.operator.webhooks.iter().map(|sink| sink.name.clone()).collect();
        let occasion = Occasion {
            instance: &claim.key.instance,
            report,
            dist_git: dist_git.as_ref(),
            run: &claim.run.0.to_string(),
            at: now,
            page: None,
        };
        let desk = Desk { forges: &self.accounts, owners, operators: owners, webhooks: &webhooks };
        let telling = tell(&occasion, &desk, &before);
        let mut json = serde_json::to_value(report).unwrap_or_default();
        json[TOLD] = serde_json::to_value(&telling.told).unwrap_or_default();
        let messages = telling.messages.iter().map(mailroom::to_store).collect();
        Ok(Telling { report: json, messages })
    }

    /// Returns what was told about the branch so far.
    async fn told_before(&self, claim: &Claim) -> Answer<Told> {
        let of = RunsOf::Branch(claim.key.clone());
        for run in self.database.runs(&of, Some(claim.run), EARLIER_RUNS).await? {
            let report = self.database.run(run.id).await?.and_then(|run| run.report);
            if let Some(told) = report.as_ref().and_then(|report| report.get(TOLD)) {
                return Ok(serde_json::from_value(told.clone()).unwrap_or_default());
            }
        }
        Ok(Told::default())
    }

    /// Sees to it, after the run's end was written down: the courier is called, and the index learns what the run saw.
    ///
    /// # Errors
    /// As for every question to the database. What the index misses here it learns by the timer.
    pub async fn note(&self, claim: &Claim, report: &Report) -> Answer<()> {
        self.outbox_bell.notify_one();
        let known = self.database.branch(&claim.key).await?;
        let known = known.as_ref().map(|record| &record.entry.tracking);
        if self.is_news(report, known) {
            // Nobody listens any more: the service is about to stop.
            let _ = self.news.send((claim.key.instance.clone(), claim.key.package.clone()));
        }
        Ok(())
    }

    /// Tells whether a run saw another config than the index knows.
    fn is_news(&self, report: &Report, known: Option<&Tracking>) -> bool {
        let Some(audience) = &report.audience else {
            let tracked = !matches!(known, None | Some(Tracking::Nothing));
            return report.outcome == Outcome::NotForUs && tracked;
        };
        let seen = RepositoryKey::of(&audience.source.repository, &self.hosts);
        match known {
            Some(Tracking::Source { source, branch, .. }) => {
                source != seen.as_str() || *branch != audience.source.branch
            }
            _ => true,
        }
    }

    /// Takes note of which dependencies answer, and tells whether the one that failed the run was known to be up: a
    /// failure counts against a job only then.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn dependencies(
        &self,
        claim: &Claim,
        report: &Report,
        now: Timestamp,
    ) -> Answer<bool> {
        let failed = verdict::dependency(report);
        for kind in answered(report.outcome) {
            let dependency = self.dependency(*kind, &claim.key).await?;
            if !self.database.is_up(&dependency).await? {
                self.database.dependency_seen(&dependency, None, now).await?;
                tracing::info!(%dependency, "answers again");
            }
        }
        let Some(kind) = failed.filter(|kind| *kind != DependencyKind::Ourselves) else {
            return Ok(true);
        };
        let dependency = self.dependency(kind, &claim.key).await?;
        let was_up = self.database.is_up(&dependency).await?;
        let why = report.reason.as_ref().map_or("", |reason| &reason.message);
        self.database.dependency_seen(&dependency, Some(why), now).await?;
        Ok(was_up)
    }

    /// Names the dependency of this kind that a branch leans on.
    async fn dependency(&self, kind: DependencyKind, key: &JobKey) -> Answer<Dependency> {
        let name = match kind {
            DependencyKind::Forge => self.source_host(key).await?,
            DependencyKind::DistGit | DependencyKind::Lookaside | DependencyKind::BuildSystem => {
                key.instance.to_string()
            }
            DependencyKind::Upstream => key.package.to_string(),
            DependencyKind::Registry | DependencyKind::Signer | DependencyKind::Ourselves => {
                "ours".to_owned()
            }
        };
        Ok(Dependency { kind, name })
    }

    async fn source_host(&self, key: &JobKey) -> Answer<String> {
        let record = self.database.branch(key).await?;
        let source = record.and_then(|record| match record.entry.tracking {
            Tracking::Source { source, .. } => Some(RepositoryKey::stored(source)),
            Tracking::Nothing | Tracking::Faulty { .. } => None,
        });
        let host = source.as_ref().and_then(RepositoryKey::host);
        Ok(host.map_or_else(|| key.to_string(), str::to_owned))
    }
}

/// Returns the dependencies that a run with this outcome has found to answer.
fn answered(outcome: Outcome) -> &'static [DependencyKind] {
    match outcome {
        Outcome::Landed => {
            &[DependencyKind::DistGit, DependencyKind::Forge, DependencyKind::Lookaside]
        }
        Outcome::UpToDate => &[DependencyKind::DistGit, DependencyKind::Forge],
        Outcome::NotForUs => &[DependencyKind::DistGit],
        _ => &[],
    }
}
