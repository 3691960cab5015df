//! The trail down from a source tip: which tags are in reach, and how far the release tag is.
//!
//! Both need the whole history when they are asked for the first time. The answers are kept in a [`Note`] with the
//! tip that they are true of. For a tip that descends from that one, only the commits in between are walked; for
//! any other, the whole history again.

use std::collections::{BTreeMap, HashSet};

use super::{Note, Objects, TagReference};
use crate::names::ObjectId;
use crate::outcome::Result;

/// Answers about the history below one tip.
pub struct Trail<'o> {
    objects: &'o Objects,
    tip: ObjectId,
    note: Note,
    /// What the note says, of its own tip.
    noted: Option<Findings>,
    /// The commits since the note's tip.
    news: Vec<ObjectId>,
    findings: Findings,
}

/// What is true of one tip.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Findings {
    tip: ObjectId,
    /// The commits that tags lead to, and whether the tip reaches them.
    tags: BTreeMap<ObjectId, Reach>,
    /// How many first-parent steps the tip is from the release tag's commit.
    steps: Option<(ObjectId, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Reached,
    Beside,
}

impl<'o> Trail<'o> {
    /// Begins at `tip`, knowing nothing.
    pub fn new(objects: &'o Objects, tip: &ObjectId) -> Trail<'o> {
        let findings = Findings::of(*tip);
        let (note, noted, news) = (Note::none(), None, Vec::new());
        Trail { objects, tip: *tip, note, noted, news, findings }
    }

    /// Begins at `tip`, with what an earlier run noted, where that still fits.
    ///
    /// # Errors
    /// Refuses a history with missing objects.
    pub fn noted(objects: &'o Objects, tip: &ObjectId, note: Note) -> Result<Trail<'o>> {
        let mut trail = Trail::new(objects, tip);
        if let Some(noted) = note.read().and_then(|lines| Findings::parse(&lines))
            && let Some(news) = objects.news(tip, &noted.tip)?
        {
            (trail.noted, trail.news) = (Some(noted), news);
        }
        trail.note = note;
        Ok(trail)
    }

    /// Returns the objects that it reads.
    pub fn objects(&self) -> &'o Objects {
        self.objects
    }

    /// Keeps those tags whose commit can be reached from the tip.
    ///
    /// # Errors
    /// Refuses a history with missing objects.
    pub fn reachable(&mut self, mut tags: Vec<TagReference>) -> Result<Vec<TagReference>> {
        let news: HashSet<&ObjectId> = self.news.iter().collect();
        let mut unknown = HashSet::new();
        for commit in tags.iter().map(|tag| tag.commit) {
            let before = self.noted.as_ref().and_then(|noted| noted.tags.get(&commit).copied());
            let reach = if news.contains(&commit) { Some(Reach::Reached) } else { before };
            match reach {
                Some(reach) => drop(self.findings.tags.insert(commit, reach)),
                None => drop(unknown.insert(commit)),
            }
        }
        let reached = self.objects.reachable(&self.tip, unknown.clone())?;
        for commit in unknown {
            let reach = if reached.contains(&commit) { Reach::Reached } else { Reach::Beside };
            self.findings.tags.insert(commit, reach);
        }
        tags.retain(|tag| self.findings.tags.get(&tag.commit) == Some(&Reach::Reached));
        Ok(tags)
    }

    /// Counts the steps of [`Objects::steps_since`]: `tag_commit` must be in reach.
    ///
    /// # Errors
    /// Refuses a history with missing objects.
    pub fn steps_since(&mut self, tag_commit: &ObjectId) -> Result<u64> {
        let noted = self.noted.as_ref().and_then(|noted| Some((noted.tip, noted.steps?)));
        let continued = match noted {
            Some((tip, (tag, steps))) if tag == *tag_commit => {
                self.steps_down_to(&tip)?.map(|new| new + steps)
            }
            _ => None,
        };
        let steps = match continued {
            Some(steps) => steps,
            None => self.objects.steps_since(&self.tip, tag_commit)?.len() as u64,
        };
        self.findings.steps = Some((*tag_commit, steps));
        Ok(steps)
    }

    /// Counts the first-parent steps to the note's tip; `None` where it lies beside that line.
    ///
    /// All commits on the way there are news, so the line cannot be longer than these are many.
    fn steps_down_to(&self, noted_tip: &ObjectId) -> Result<Option<u64>> {
        let mut current = self.tip;
        for steps in 0..=self.news.len() as u64 {
            if current == *noted_tip {
                return Ok(Some(steps));
            }
            let Some(parent) = self.objects.commit(&current)?.parents.first().copied() else {
                break;
            };
            current = parent;
        }
        Ok(None)
    }

    /// Leaves what was found for the next run.
    pub fn write_note(self) {
        if self.noted.as_ref() != Some(&self.findings) {
            self.note.write(&self.findings.lines());
        }
    }
}

impl Findings {
    fn of(tip: ObjectId) -> Findings {
        Findings { tip, tags: BTreeMap::new(), steps: None }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("tip {}", self.tip)];
        lines.extend(self.steps.iter().map(|(tag, steps)| format!("steps {tag} {steps}")));
        lines.extend(self.tags.iter().map(|(commit, reach)| match reach {
            Reach::Reached => format!("reached {commit}"),
            Reach::Beside => format!("beside {commit}"),
        }));
        lines
    }

    fn parse(lines: &[String]) -> Option<Findings> {
        let mut lines = lines.iter().map(|line| line.split(' ').collect::<Vec<_>>());
        let first = lines.next()?;
        let ["tip", tip] = first[..] else { return None };
        let mut findings = Findings::of(tip.parse().ok()?);
        for line in lines {
            match line[..] {
                ["steps", tag, steps] => {
                    findings.steps = Some((tag.parse().ok()?, steps.parse().ok()?));
                }
                ["reached", commit] => {
                    findings.tags.insert(commit.parse().ok()?, Reach::Reached);
                }
                ["beside", commit] => {
                    findings.tags.insert(commit.parse().ok()?, Reach::Beside);
                }
                _ => return None,
            }
        }
        Some(findings)
    }
}

#[cfg(test)]
mod tests;
