//! The choice of the release tag: the highest version reachable from the tip, and who vouches for it.
//!
//! STRATEGY. A tag that the signed tip names is taken, because a listed key has said so. Otherwise the
//! tags that give a version are ordered by rpm's comparison and the highest wins; neither the newest by
//! date nor the nearest in history is the right one in real repositories. Only *then* is its signature
//! asked for. Passing over an unsigned highest tag would publish an older version in silence, so it is a
//! refusal that names it. A signed tag of an equal version is as good, and is taken instead.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::tags::{ReadTag, TagRules};
use crate::config::TagTrust;
use crate::names::{NameError, ObjectId, TagName, Version};
use crate::outcome::{Code, Refusal, printable};

/// How many passed-over tags a refusal lists, newest first; the rest is counted.
const LISTED: usize = 10;

/// A tag that is reachable from the tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The tag.
    pub name: TagName,
    /// What the reference points to: a tag object, or the commit itself.
    pub object: ObjectId,
    /// The commit that it peels to.
    pub commit: ObjectId,
    /// The tagger's time, or the committer's where there is none; only used between equal versions.
    pub seconds: i64,
}

/// What the signature on a tag is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagSignature {
    /// A listed key signed it.
    Signed {
        /// Which, in the words of the verdict.
        by: String,
    },
    /// It has none: a lightweight tag, or an annotated one without.
    Unsigned,
    /// It has one that does not count.
    Refused {
        /// The verdict's code, such as `key-not-listed`.
        code: Code,
        /// The verdict in words.
        words: String,
    },
}

/// The value of a `Release-tag:` trailer on a signed source tip: a tag, and perhaps its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTag {
    /// The tag.
    pub name: TagName,
    /// The object it must be, where the signer said so; a commit id means the tagged commit.
    pub object: Option<ObjectId>,
}

impl FromStr for NamedTag {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (name, object) = match text.trim().split_once(char::is_whitespace) {
            Some((name, object)) => (name, Some(object.trim().parse()?)),
            None => (text.trim(), None),
        };
        Ok(NamedTag { name: name.parse()?, object })
    }
}

impl fmt::Display for NamedTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{} {object}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// The release tag, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The tag.
    pub tag: Candidate,
    /// The version that it gives.
    pub version: Version,
    /// The part that names it a prerelease (`rc2`); `None` for a final release.
    pub prerelease: Option<String>,
    /// What a person should know, although it passes.
    pub warnings: Vec<String>,
}

/// Chooses the release tag among `candidates`, all reachable from the tip.
///
/// `signature` is asked only about tags that may win, because a verification costs more than a name.
///
/// # Errors
/// `no-usable-tag`, `named-tag-unusable`, `tag-unsigned` or `tag-signature-refused`.
pub fn choose(
    rules: &TagRules,
    candidates: &[Candidate],
    require: TagTrust,
    named_by_tip: Option<&NamedTag>,
    signature: impl Fn(&Candidate) -> TagSignature,
) -> Result<Chosen, Refusal> {
    let usable = usable(rules, candidates);
    match named_by_tip {
        Some(named) => named_tag(rules, &usable, named),
        None => highest(rules, candidates, &usable, require, signature),
    }
}

/// A candidate that gives a version.
struct Usable<'c> {
    tag: &'c Candidate,
    read: ReadTag,
}

impl Usable<'_> {
    fn is_prerelease(&self) -> bool {
        self.read.prerelease.is_some()
    }

    /// Orders by version, then time, then a final release over a prerelease, then name.
    fn order(&self, other: &Usable<'_>) -> Ordering {
        self.read
            .version
            .rpm_cmp(&other.read.version)
            .then_with(|| self.tag.seconds.cmp(&other.tag.seconds))
            .then_with(|| other.is_prerelease().cmp(&self.is_prerelease()))
            .then_with(|| self.tag.name.cmp(&other.tag.name))
    }

    fn chosen(&self, warnings: Vec<String>) -> Chosen {
        Chosen {
            tag: self.tag.clone(),
            version: self.read.version.clone(),
            prerelease: self.read.prerelease.clone(),
            warnings,
        }
    }
}

/// Returns the candidates that give a version, highest first.
fn usable<'c>(rules: &TagRules, candidates: &'c [Candidate]) -> Vec<Usable<'c>> {
    let read = |tag: &'c Candidate| Some(Usable { tag, read: rules.read(tag.name.as_str()).ok()? });
    let mut usable: Vec<_> = candidates.iter().filter_map(read).collect();
    usable.sort_by(|a, b| b.order(a));
    usable
}

fn named_tag(rules: &TagRules, usable: &[Usable<'_>], named: &NamedTag) -> Result<Chosen, Refusal> {
    let Some(found) = usable.iter().find(|usable| usable.tag.name == named.name) else {
        return Err(named_but_unusable(rules, named));
    };
    let ids = [found.tag.object, found.tag.commit];
    if let Some(object) = named.object.filter(|object| !ids.contains(object)) {
        let is = format!("is {} now, not {object}", found.tag.object);
        return Err(unusable_name(named, &is));
    }
    let higher = usable
        .iter()
        .find(|other| other.read.version.rpm_cmp(&found.read.version) == Ordering::Greater);
    let warning = higher.map(|higher| format!(
        "the tag {} gives a higher version, {}, and is left aside because the signed tip names {}",
        printable(higher.tag.name.as_str(), 100), higher.read.version, named.name
    ));
    Ok(found.chosen(warning.into_iter().collect()))
}

fn named_but_unusable(rules: &TagRules, named: &NamedTag) -> Refusal {
    match rules.read(named.name.as_str()) {
        Err(passed_over) => unusable_name(named, &passed_over.why),
        Ok(_) => unusable_name(named, "does not exist or is not reachable from the tip"),
    }
}

fn unusable_name(named: &NamedTag, why: &str) -> Refusal {
    let name = printable(named.name.as_str(), 100);
    Refusal::new(
        "named-tag-unusable",
        format!("the signed tip names {name} in its Release-tag trailer, and that tag {why}"),
    )
    .hint("push the tag that the trailer names, or sign a new tip with another Release-tag or none")
}

fn highest(
    rules: &TagRules,
    candidates: &[Candidate],
    usable: &[Usable<'_>],
    require: TagTrust,
    signature: impl Fn(&Candidate) -> TagSignature,
) -> Result<Chosen, Refusal> {
    let Some(first) = usable.first() else {
        return Err(no_usable_tag(rules, candidates));
    };
    let worth = signature(first.tag);
    if let TagSignature::Signed { .. } = worth {
        return Ok(first.chosen(Vec::new()));
    }
    if require == TagTrust::Any {
        return Ok(first.chosen(vec![not_vouched_for(first, &worth)]));
    }
    let equal = usable[1..]
        .iter()
        .take_while(|other| other.read.version.rpm_cmp(&first.read.version) == Ordering::Equal);
    let mut signed =
        equal.filter(|other| matches!(signature(other.tag), TagSignature::Signed { .. }));
    match signed.next() {
        Some(signed) => Ok(signed.chosen(vec![format!(
            "{} is newer and gives the same version, but no listed key signed it; {} is taken",
            printable(first.tag.name.as_str(), 100),
            signed.tag.name
        )])),
        None => Err(unsigned_tag(first, &worth)),
    }
}

fn not_vouched_for(tag: &Usable<'_>, worth: &TagSignature) -> String {
    format!(
        "{}; whoever can push a tag sets the version, until tags.require is `signed`",
        what_is_wrong(tag, worth)
    )
}

fn what_is_wrong(tag: &Usable<'_>, worth: &TagSignature) -> String {
    let name = printable(tag.tag.name.as_str(), 100);
    match worth {
        TagSignature::Refused { code, words } => {
            format!("the signature on the release tag {name} does not count ({code}): {words}")
        }
        TagSignature::Unsigned | TagSignature::Signed { .. } => {
            format!("the release tag {name} has no signature")
        }
    }
}

fn unsigned_tag(tag: &Usable<'_>, worth: &TagSignature) -> Refusal {
    let code = match worth {
        TagSignature::Refused { .. } => "tag-signature-refused",
        TagSignature::Unsigned | TagSignature::Signed { .. } => "tag-unsigned",
    };
    let version = &tag.read.version;
    let wrong = what_is_wrong(tag, worth);
    Refusal::new(
        code,
        format!("{wrong}. It gives the highest version, {version}, and must be signed"),
    )
    .hint(
        "sign the tag with a listed key, name it in a Release-tag trailer on a signed tip, \
             add it to tags.ignore, or set tags.require to `any`",
    )
}

fn no_usable_tag(rules: &TagRules, candidates: &[Candidate]) -> Refusal {
    let mut newest_first: Vec<_> = candidates.iter().collect();
    newest_first.sort_by(|a, b| b.seconds.cmp(&a.seconds).then_with(|| a.name.cmp(&b.name)));
    let mut lines = Vec::new();
    for tag in newest_first.into_iter().take(LISTED) {
        if let Err(passed_over) = rules.read(tag.name.as_str()) {
            lines.push(format!("  {} {}", printable(tag.name.as_str(), 100), passed_over.why));
        }
    }
    if candidates.len() > LISTED {
        lines.push(format!("  and {} more", candidates.len() - LISTED));
    }
    let message = match candidates.len() {
        0 => "no tag is reachable from the tip".to_owned(),
        count => format!("none of {count} reachable tags gives a version:\n{}", lines.join("\n")),
    };
    Refusal::new("no-usable-tag", message)
        .hint("push a release tag such as v1.0, or say in tags.match how releases are tagged")
}

/// Refuses a published tag that names another object now.
///
/// A tag that is gone is no refusal here: what is chosen instead must pass the floor by itself.
///
/// # Errors
/// `tag-moved`.
pub fn check_not_moved(
    published: Option<(&TagName, &ObjectId)>,
    now: Option<&ObjectId>,
) -> Result<(), Refusal> {
    match (published, now) {
        (Some((name, before)), Some(now)) if before != now => Err(Refusal::new(
            "tag-moved",
            format!(
                "the tag {} was published as {before} and is {now} now; a released tag must not move",
                printable(name.as_str(), 100)
            ),
        )
        .hint("put the tag back, and release the new content under a new tag")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
