//! The ledger: what a dist-git branch itself says of its state.
//!
//! dist-git is the store of state; there is no other. From a tip are read: the branch config, the certificates,
//! what the bot published last, who else wrote since, and the highest EVR ever published. The observer reads it
//! to see what is to be done; the signer reads it again, for itself, before it signs.

mod claims;
mod key_changes;
mod newer;

use std::path::PathBuf;
use std::time::SystemTime;

use claims::Claims;
pub use key_changes::KeyList;
pub use newer::newer_branches;

use crate::bot_certs::BotCerts;
use crate::config::{self, BranchConfig};
use crate::gate::Policy;
use crate::git::{Commit, Kind, Note, Objects};
use crate::names::{Evr, ObjectId};
use crate::openpgp::Certificates;
use crate::outcome::{Problem, Refusal, Result, printable};
use crate::publication::{DistGitTarget, Publication};
use crate::spec::{Context, SpecFile};
use crate::trailers::Trailers;
use crate::trigger::Target;
use crate::version::{Floor, floor as highest};

/// The folder of certificates in a dist-git branch.
pub(crate) const KEYS: &str = "keys";

/// How many commits and files of others are named in a report.
const NAMED: usize = 10;

/// What a tip says before anything else is looked at.
#[derive(Debug)]
pub enum Entry {
    /// It has a `dead.package`.
    Retired,
    /// It has no `source-git.yaml`.
    NotOptedIn,
    /// It is tracked.
    OptedIn(Box<BranchConfig>),
}

/// What the ledger cannot say of itself: whose commits and certificates are to be believed.
#[derive(Clone, Copy)]
pub struct Trusted<'a> {
    /// Public halves of the keys whose commits are the bot's own.
    pub bot_certs: &'a BotCerts,
    /// Folders of certificates that the operator trusts to be authentic.
    pub keyring: &'a [PathBuf],
    /// The dist tag of the branch, such as `.fc44`.
    pub dist: Option<&'a str>,
}

/// How a tracked dist-git branch stands.
pub struct BranchState {
    /// The config at the tip.
    pub config: BranchConfig,
    /// Certificates of the branch's `keys/` and the operator's keyring, merged.
    pub certificates: Certificates,
    /// What of the certificates could not be read.
    pub certificate_warnings: Vec<String>,
    /// What changed among the keys since the last publication, a sentence each.
    pub key_changes: Vec<String>,
    /// The bot's last commit for this branch.
    pub published: Option<Published>,
    /// Commits of others since then that touch more than the bot's config: divergence.
    pub strangers: Vec<Stranger>,
    /// The highest EVR ever published here, or why it cannot be told.
    pub floor: Result<Option<Floor>, Refusal>,
}

impl BranchState {
    /// Returns who may sign, as the config lists it, judged at `now`.
    pub fn policy(&self, now: SystemTime) -> Policy {
        Policy::new(&self.config.signing.keys, self.certificates.clone(), now)
    }
}

/// The bot's last commit for a branch, and what its trailers say.
#[derive(Debug, Clone)]
pub struct Published {
    /// The dist-git commit.
    pub commit: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// Its trailers.
    pub publication: Publication,
    /// The config as it stood in it; `None` where this version cannot read it.
    pub config: Option<BranchConfig>,
}

/// A commit in dist-git that is not the bot's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The commit.
    pub commit: ObjectId,
    /// Its author, made harmless.
    pub author: String,
    /// Its subject, made harmless.
    pub subject: String,
    /// What it touched besides the bot's config, made harmless; at most ten, then a count.
    pub files: Vec<String>,
}

/// Reads whether the branch is our business, and its config.
///
/// # Errors
/// Refuses a config that is not right (exit code 2), and objects that cannot be read.
pub fn enter(objects: &Objects, tip: &Commit) -> Result<Entry> {
    if objects.entry_at(&tip.tree, "dead.package")?.is_some() {
        return Ok(Entry::Retired);
    }
    match read_config(objects, &tip.tree)? {
        None => Ok(Entry::NotOptedIn),
        Some(bytes) => {
            let config = BranchConfig::parse(&bytes).map_err(Refusal::from)?;
            Ok(Entry::OptedIn(Box::new(config)))
        }
    }
}

fn read_config(objects: &Objects, tree: &ObjectId) -> Result<Option<Vec<u8>>> {
    match objects.entry_at(tree, config::FILE_NAME)? {
        Some(entry) => objects.blob(&entry.id).map(Some),
        None => Ok(None),
    }
}

/// Reads how a tracked branch stands.
///
/// # Errors
/// Refuses certificates, specs and objects that cannot be read.
pub fn state(
    objects: &Objects,
    target: &Target,
    tip: &Commit,
    config: BranchConfig,
    trusted: Trusted<'_>,
    note: &Note,
) -> Result<BranchState> {
    let (published, strangers) = since_published(objects, target, tip, trusted.bot_certs)?;
    let (certificates, certificate_warnings) =
        certificates(objects, tip, &config, trusted.keyring)?;
    let floor = floor(objects, target, tip, trusted, note)?;
    let key_changes = key_changes(objects, tip, &config, published.as_ref())?;
    Ok(BranchState {
        config,
        certificates,
        certificate_warnings,
        key_changes,
        published,
        strangers,
        floor,
    })
}

/// Compares the keys at the tip with those at the last publication; the operator's keyring is left out of it.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn key_changes(
    objects: &Objects,
    tip: &Commit,
    config: &BranchConfig,
    published: Option<&Published>,
) -> Result<Vec<String>> {
    let Some(published) = published.filter(|published| published.tree != tip.tree) else {
        return Ok(Vec::new());
    };
    let since = format!("since the last publication ({})", published.commit.short());
    let then = objects.commit(&published.commit)?;
    let list = |commit: &Commit, config: &BranchConfig| -> Result<KeyList> {
        let (certificates, _) = certificates(objects, commit, config, &[])?;
        Ok(KeyList::new(&config.signing, &certificates))
    };
    let before = published.config.as_ref().and_then(|config| list(&then, config).ok());
    let Some(before) = before else {
        return Ok(vec![format!("{since} keys may have changed: the config then cannot be read")]);
    };
    let changes = before.changes(&list(tip, config)?);
    Ok(changes.into_iter().map(|change| format!("{since}: {change}")).collect())
}

/// Walks first parents down to the bot's last commit for this branch, collecting what others did since.
///
/// Where the bot never published here there is nothing to diverge from: what stands there is expected.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn since_published(
    objects: &Objects,
    target: &Target,
    tip: &Commit,
    bot_certs: &BotCerts,
) -> Result<(Option<Published>, Vec<Stranger>)> {
    let mut others: Vec<Commit> = Vec::new();
    let mut current = tip.clone();
    loop {
        if let Some(publication) = own_publication(&current, &target.name(), bot_certs) {
            let strangers = match is_as_published(objects, &current, tip)? {
                true => Vec::new(),
                false => strangers(objects, &others, &current)?,
            };
            return Ok((Some(published(objects, current, publication)?), strangers));
        }
        let Some(parent) = current.parents.first() else { return Ok((None, Vec::new())) };
        let parent = objects.commit(parent)?;
        others.push(std::mem::replace(&mut current, parent));
    }
}

/// Describes the commits of others, newest first, down to the one above `published`.
fn strangers(objects: &Objects, others: &[Commit], published: &Commit) -> Result<Vec<Stranger>> {
    let parents = others.iter().skip(1).chain([published]);
    let described =
        others.iter().zip(parents).map(|(commit, parent)| stranger(objects, commit, parent));
    described.filter_map(Result::transpose).collect()
}

/// Tells whether the tip has what the bot published, its own config aside: others' changes that were reverted
/// again leave nothing to lose.
fn is_as_published(objects: &Objects, published: &Commit, tip: &Commit) -> Result<bool> {
    Ok(objects.changes(&published.tree, &tip.tree, &is_config)?.is_empty())
}

/// Tells whether a path holds the bot's config, which people are meant to change.
fn is_config(path: &bstr::BStr) -> bool {
    path == config::FILE_NAME || path == KEYS
}

/// Returns what the bot published last on the first-parent line below `tip`; reads commits and nothing else.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn last_publication(
    objects: &Objects,
    target: &DistGitTarget,
    tip: &Commit,
    bot_certs: &BotCerts,
) -> Result<Option<Publication>> {
    let mut current = tip.clone();
    loop {
        if let Some(publication) = own_publication(&current, target, bot_certs) {
            return Ok(Some(publication));
        }
        let Some(parent) = current.parents.first() else { return Ok(None) };
        current = objects.commit(parent)?;
    }
}

/// Returns what the commit says it published, where it is the bot's own and made for this branch.
pub(crate) fn own_publication(
    commit: &Commit,
    target: &DistGitTarget,
    bot_certs: &BotCerts,
) -> Option<Publication> {
    let publication = Publication::read(&Trailers::parse(&commit.message))?;
    let ours = publication.target == *target && bot_certs.signed(&commit.raw).is_some();
    ours.then_some(publication)
}

fn published(objects: &Objects, commit: Commit, publication: Publication) -> Result<Published> {
    let config = read_config(objects, &commit.tree)?;
    let config = config.and_then(|bytes| BranchConfig::parse(&bytes).ok());
    Ok(Published { commit: commit.id, tree: commit.tree, publication, config })
}

/// Describes a commit of somebody else's, or `None` where it touches only the bot's own config.
fn stranger(objects: &Objects, commit: &Commit, parent: &Commit) -> Result<Option<Stranger>> {
    let changes = objects.changes(&parent.tree, &commit.tree, &is_config)?;
    if changes.is_empty() {
        return Ok(None);
    }
    let mut files: Vec<String> =
        changes.iter().take(NAMED).map(|change| printable(&change.path, 200)).collect();
    if changes.len() > NAMED {
        files.push(format!("and {} more", changes.len() - NAMED));
    }
    Ok(Some(Stranger {
        commit: commit.id,
        author: printable(&commit.author.name, 100),
        subject: printable(commit.subject(), 100),
        files,
    }))
}

/// Gathers the certificates of `keys/`, of the paths that the config names, and of the operator's keyring.
///
/// # Errors
/// Refuses a named certificate that is not there; fails where the keyring cannot be read.
pub fn certificates(
    objects: &Objects,
    tip: &Commit,
    config: &BranchConfig,
    keyring: &[PathBuf],
) -> Result<(Certificates, Vec<String>)> {
    let mut files = Vec::new();
    if let Some(folder) = objects.entry_at(&tip.tree, KEYS)? {
        for entry in objects.tree(&folder.id)? {
            if objects.read(&entry.id)?.kind == Kind::Blob {
                files.push((
                    format!("{KEYS}/{}", printable(&entry.name, 100)),
                    objects.blob(&entry.id)?,
                ));
            }
        }
    }
    for key in &config.signing.keys {
        let config::ListedKey::OpenPgp { certificate: Some(path), .. } = key else { continue };
        let entry =
            objects.entry_at(&tip.tree, path.as_str())?.ok_or_else(|| no_certificate(path))?;
        files.push((path.to_string(), objects.blob(&entry.id)?));
    }
    files.extend(read_keyring(keyring)?);
    let (certificates, warnings) = Certificates::load(files);
    Ok((certificates, warnings.iter().map(ToString::to_string).collect()))
}

fn no_certificate(path: &crate::names::TreePath) -> Refusal {
    Refusal::config(
        "certificate-file-missing",
        format!(
            "{} names the certificate {path}, which is not in the dist-git branch",
            config::FILE_NAME
        ),
    )
    .hint("commit the certificate there (`gpg --export --armor FINGERPRINT`), or correct the path")
}

/// Returns the highest EVR ever published on this branch.
///
/// It is found in the spec at the tip and in the trailers of every commit of the bot's for this branch, so that
/// a human's revert cannot lower it. Only the highest candidates' signatures are checked.
///
/// The inner result is `floor-unknown` where the spec at the tip cannot be read and the bot never published here.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn floor(
    objects: &Objects,
    target: &Target,
    tip: &Commit,
    trusted: Trusted<'_>,
    note: &Note,
) -> Result<Result<Option<Floor>, Refusal>> {
    let claims = Claims::gather(objects, &target.name(), &tip.id, note)?;
    let commits = claims.commits();
    let trailers = claims.highest(objects, trusted.bot_certs)?;
    let Some(spec) = dist_git_spec(objects, target, tip)? else {
        return Ok(Ok(trailers.map(|evr| Floor { evr, tip_with_dist: None })));
    };
    let context = Context { dist: trusted.dist.map(str::to_owned), ..Context::default() };
    let at_tip = evr_at_tip(&SpecFile::parse(spec, &context), commits);
    Ok(match (at_tip, trailers) {
        (Ok((evr, with_dist)), trailers) => {
            let evr = highest(trailers.into_iter().chain([evr])).expect("one of them is there");
            Ok(Some(Floor { evr, tip_with_dist: with_dist }))
        }
        (Err(_), Some(evr)) => Ok(Some(Floor { evr, tip_with_dist: None })),
        (Err(refusal), None) => Err(floor_unknown(refusal)),
    })
}

/// Returns what the spec at the tip publishes, without the dist tag and with it.
///
/// `%autorelease` counts commits, at most one for each of the `commits` in the branch's history.
fn evr_at_tip(spec: &SpecFile, commits: usize) -> Result<(Evr, Option<Evr>), Refusal> {
    let (epoch, version) = (spec.epoch()?, spec.version()?);
    if spec.uses_autorelease() {
        let release = commits.to_string().parse().expect("digits are a release");
        return Ok((Evr { epoch, version, release }, None));
    }
    let release = spec.release()?;
    let with_dist = Evr { epoch, version: version.clone(), release: release.with_dist };
    Ok((Evr { epoch, version, release: release.without_dist }, Some(with_dist)))
}

fn floor_unknown(refusal: Refusal) -> Refusal {
    Refusal::new(
        "floor-unknown",
        format!(
            "what was published on this branch before cannot be told: the bot has no commit here, and of the spec \
             at the tip: {}",
            refusal.message
        ),
    )
    .hint("write Version and Release (and Epoch) of the dist-git spec as plain text once, and sync again")
}

/// Reads the spec at the tip, which is always `NAME.spec`.
fn dist_git_spec(objects: &Objects, target: &Target, tip: &Commit) -> Result<Option<Vec<u8>>> {
    match objects.entry_at(&tip.tree, &format!("{}.spec", target.package))? {
        Some(entry) => objects.blob(&entry.id).map(Some),
        None => Ok(None),
    }
}

/// Reads the certificates of the operator's keyring folders, in the order of their names.
///
/// # Errors
/// Fails where a folder or file cannot be read.
pub fn read_keyring(folders: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>> {
    let unreadable = |path: &std::path::Path, error: std::io::Error| {
        Problem::permanent("keyring-unreadable", format!("cannot read {}: {error}", path.display()))
            .hint("make the keyring readable for the user that runs lockkeeper")
    };
    let mut files = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.into_iter().filter(|path| path.is_file()) {
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
            files.push((path.display().to_string(), bytes));
        }
    }
    Ok(files)
}
