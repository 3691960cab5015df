//! What the commits of a dist-git branch claim to have published.
//!
//! A claim is a commit's trailers for this branch, whoever signed it. The whole history is read once; the
//! claims are kept in a [`Note`], and from then on only commits since then are read. Whose a claim is gets
//! checked each time, on the commit itself.

use crate::bot_certs::BotCerts;
use crate::git::{Note, Objects};
use crate::names::{Evr, ObjectId};
use crate::outcome::Result;
use crate::publication::{DistGitTarget, Publication};
use crate::trailers::Trailers;

/// The claims in the history of one tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    tip: ObjectId,
    target: DistGitTarget,
    commits: usize,
    claimed: Vec<(ObjectId, Evr)>,
}

impl Claims {
    /// Gathers the claims for `target` in the history of `tip`.
    ///
    /// # Errors
    /// Refuses objects that cannot be read.
    pub fn gather(
        objects: &Objects,
        target: &DistGitTarget,
        tip: &ObjectId,
        note: &Note,
    ) -> Result<Claims> {
        let noted = note.read().and_then(|lines| Claims::parse(&lines));
        let noted = noted.filter(|noted| noted.target == *target);
        let news = match &noted {
            Some(noted) => objects.news(tip, &noted.tip)?,
            None => None,
        };
        let (mut claims, news) = match (noted, news) {
            (Some(noted), Some(news)) if news.is_empty() => return Ok(noted),
            (Some(noted), Some(news)) => (noted, news),
            _ => (Claims::none(tip, target), objects.range(tip, &[])?),
        };
        claims.tip = *tip;
        claims.commits += news.len();
        for commit in &news {
            claims.claimed.extend(claim(objects, target, commit)?);
        }
        note.write(&claims.lines());
        Ok(claims)
    }

    fn none(tip: &ObjectId, target: &DistGitTarget) -> Claims {
        Claims { tip: *tip, target: target.clone(), commits: 0, claimed: Vec::new() }
    }

    /// Returns how many commits the history has.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// Returns the highest EVR that a commit of the bot's own claims.
    ///
    /// From the highest down, signatures are checked until one is the bot's.
    ///
    /// # Errors
    /// Refuses objects that cannot be read.
    pub fn highest(mut self, objects: &Objects, bot_certs: &BotCerts) -> Result<Option<Evr>> {
        self.claimed.sort_by(|(_, a), (_, b)| b.rpm_cmp(a));
        for (commit, evr) in self.claimed {
            if bot_certs.signed(&objects.commit(&commit)?.raw).is_some() {
                return Ok(Some(evr));
            }
        }
        Ok(None)
    }

    fn lines(&self) -> Vec<String> {
        let Claims { tip, target, commits, claimed } = self;
        let mut lines =
            vec![format!("tip {tip}"), target.to_string(), format!("commits {commits}")];
        lines.extend(claimed.iter().map(|(commit, evr)| format!("{commit} {evr}")));
        lines
    }

    fn parse(lines: &[String]) -> Option<Claims> {
        let [tip, target, commits, claimed @ ..] = lines else { return None };
        let (package, branch) = target.split_once('#')?;
        let claim = |line: &String| {
            let (commit, evr) = line.split_once(' ')?;
            Some((commit.parse().ok()?, evr.parse().ok()?))
        };
        Some(Claims {
            tip: tip.strip_prefix("tip ")?.parse().ok()?,
            target: DistGitTarget { package: package.parse().ok()?, branch: branch.parse().ok()? },
            commits: commits.strip_prefix("commits ")?.parse().ok()?,
            claimed: claimed.iter().map(claim).collect::<Option<_>>()?,
        })
    }
}

fn claim(
    objects: &Objects,
    target: &DistGitTarget,
    id: &ObjectId,
) -> Result<Option<(ObjectId, Evr)>> {
    let commit = objects.commit(id)?;
    let publication = Publication::read(&Trailers::parse(&commit.message));
    let publication = publication.filter(|publication| publication.target == *target);
    Ok(publication.and_then(|publication| publication.evr).map(|evr| (*id, evr)))
}

#[cfg(test)]
mod tests;
