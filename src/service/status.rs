//! How the service stands: read from the database, so that any node, and a person beside it, can tell.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::database::{
    Answer, BranchCounts, Database, DeliveryRecord, DependencyRecord, JobCounts, MessageCounts,
    NodeRecord, PublicationCounts, SourceRecord,
};
use crate::outcome::printable;
use crate::queue::{BreakerState, Scope, Switch, SwitchKind};

/// For how long a source that moved in silence is told of.
const SILENCE_TOLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many silent sources are told of.
const SILENT_AT_MOST: u32 = 20;

/// A node that was not heard of for so long is likely gone.
const GONE: Duration = Duration::from_secs(60);

/// How the service stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// What people hold back.
    pub switches: Vec<Switch>,
    /// What the circuit breaker lets through.
    pub breaker: BreakerState,
    /// How many jobs there are.
    pub jobs: JobCounts,
    /// What was published.
    pub published: PublicationCounts,
    /// How many messages are not told yet.
    pub messages: MessageCounts,
    /// How many branches are known.
    pub branches: BranchCounts,
    /// The processes that share the work.
    pub nodes: Vec<NodeRecord>,
    /// What does not answer, or did not once.
    pub dependencies: Vec<DependencyRecord>,
    /// The last delivery of each hook.
    pub hooks: Vec<DeliveryRecord>,
    /// Sources that moved although no delivery had said so: their hooks seem dead.
    pub silent_sources: Vec<SourceRecord>,
}

impl Status {
    /// Reads it; `quiet_hook` is how long a hook may be silent.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn read(database: &Database, quiet_hook: Duration, now: Timestamp) -> Answer<Status> {
        let silent = database.silent_sources(now - SILENCE_TOLD, now - quiet_hook, SILENT_AT_MOST);
        Ok(Status {
            switches: database.switches().await?,
            breaker: database.breaker().await?.state,
            jobs: database.job_counts().await?,
            published: database.publications(&Scope::All, now).await?,
            messages: database.message_counts().await?,
            branches: database.branch_counts().await?,
            nodes: database.nodes().await?,
            dependencies: database.dependencies().await?,
            hooks: database.last_deliveries().await?,
            silent_sources: silent.await?,
        })
    }

    /// Describes it for a terminal.
    pub fn describe(&self, now: Timestamp) -> String {
        let mut lines = vec![self.counts()];
        lines.extend(self.switches.iter().map(describe_switch));
        lines.extend(describe_breaker(&self.breaker));
        lines.extend(self.nodes.iter().map(|node| describe_node(node, now)));
        let down = self.dependencies.iter().filter(|dependency| !dependency.up);
        lines.extend(down.map(|dependency| describe_dependency(dependency, now)));
        lines.extend(self.hooks.iter().map(|hook| describe_hook(hook, now)));
        lines.extend(self.silent_sources.iter().map(describe_silence));
        lines.join("\n") + "\n"
    }

    fn counts(&self) -> String {
        let Status { jobs, published, messages, branches, .. } = self;
        format!(
            "jobs       {} ready, {} waiting, {} running\n\
             published  {} within an hour, {} within a day\n\
             messages   {} to be told, {} given up\n\
             branches   {} tracked, {} with a faulty config, {} looked at",
            jobs.ready,
            jobs.delayed,
            jobs.running,
            published.hour,
            published.day,
            messages.waiting,
            messages.given_up,
            branches.tracking,
            branches.faulty,
            branches.all,
        )
    }
}

/// Describes a switch in one line.
pub fn describe_switch(switch: &Switch) -> String {
    let (label, how) = match switch.kind {
        SwitchKind::Pause => ("paused", String::new()),
        SwitchKind::Throttle(rate) => ("throttled", format!(" to {rate}")),
    };
    let (who, why) = (printable(&switch.who, 100), printable(&switch.reason, 300));
    format!("{label:<11}{}{how} by {who} since {}: {why}", switch.scope, at(switch.since))
}

fn describe_breaker(breaker: &BreakerState) -> Option<String> {
    match breaker {
        BreakerState::Closed => None,
        BreakerState::Open { reason, until, .. } => Some(format!(
            "breaker    open, a probe from {} on: {}",
            at(*until),
            printable(reason, 300)
        )),
    }
}

fn describe_node(node: &NodeRecord, now: Timestamp) -> String {
    let silence = since(node.seen_at, now);
    let gone = if silence > GONE { ", likely gone" } else { "" };
    format!(
        "node       {} ({}) since {}, heard of {} ago{gone}",
        node.name,
        printable(&node.version, 30),
        at(node.started_at),
        words(silence)
    )
}

fn describe_dependency(dependency: &DependencyRecord, now: Timestamp) -> String {
    let why = dependency.why.as_deref().map_or(String::new(), |why| printable(why, 300));
    let down = words(since(dependency.since, now));
    format!("down       {} for {down}: {why}", dependency.dependency)
}

fn describe_hook(hook: &DeliveryRecord, now: Timestamp) -> String {
    let note = hook.note.as_deref().map_or("not read yet".to_owned(), |note| printable(note, 200));
    format!(
        "hook       {}, last delivery {} ago: {note}",
        hook.hook,
        words(since(hook.received_at, now))
    )
}

fn describe_silence(source: &SourceRecord) -> String {
    let last = source.delivered_at.map_or("ever".to_owned(), |time| format!("since {}", at(time)));
    format!(
        "silent     {}#{} moved and no delivery said so; none came {last}",
        printable(&source.source, 200),
        source.branch
    )
}

fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn since(time: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(time)).unwrap_or_default()
}

/// Writes a length of time in its largest unit.
fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_said_in_their_largest_unit() {
        for (seconds, said) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")]
        {
            assert_eq!(words(Duration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn a_switch_says_who_and_why() {
        let switch = Switch {
            scope: Scope::All,
            kind: SwitchKind::Throttle("6/h".parse().unwrap()),
            reason: "mass rebuild\u{1b}[2J".to_owned(),
            who: "ops".to_owned(),
            since: Timestamp::UNIX_EPOCH,
        };
        let said = describe_switch(&switch);
        assert_eq!(
            said,
            "throttled  all to 6/h by ops since 1970-01-01 00:00:00 UTC: mass rebuild\\u{1b}[2J"
        );
    }
}
