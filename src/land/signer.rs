//! The signer: holds the bot's key, parses no package content, and signs one kind of thing only.
//!
//! It is a narrow door ([`Door`]), and it can be a process of its own ([`process`], asked by [`client`]). Whoever asks
//! must hand over the finished commit and the source commit; everything else it reads for itself from the parent
//! commit in dist-git:
//!
//! 1. the commit keeps git's form, has one parent and no signature yet;
//! 2. the parent's config and certificates are the policy;
//! 3. the source commit is judged by the gate again, and so is what it says of the branch that it is meant for;
//! 4. the trailers must name that commit, this branch, that repository and that signer;
//! 5. the EVR must be above the last one that was published, and may be left out only where the config keeps the
//!    automatic release;
//! 6. no more signatures than the limit allows.
//!
//! It cannot vouch for the tree, for the history of the source branch or for the release tag, none of which it sees:
//! that is what tree identity, the history rule and replay are for. Nor can it tell by itself that the parent is what
//! dist-git has at its tip today; see [`process`] for what follows from that, and for the remedy.

pub mod client;
mod evidence;
pub mod process;
mod socket;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::bot_certs::BotCerts;
use crate::bot_key::BotKey;
use crate::config::{AutoMacros, BranchConfig};
use crate::gate::{self, CommitObject, Policy, Verdict};
use crate::git::Objects;
use crate::git::commit::with_signature;
use crate::ledger::{self, Entry};
use crate::names::ObjectId;
use crate::outcome::{Problem, Refusal, Result};
use crate::publication::{DistGitTarget, Publication};

pub use client::SignerClient;
pub use process::SignerProcess;

/// Where landing takes a commit to be signed: a key in this process, or a signer in its own.
pub trait Door: Send + Sync {
    /// Returns the name and mail address that the key carries, where it carries one.
    fn identity(&self) -> Option<(String, String)>;

    /// Returns the commit object with the bot's signature in it.
    ///
    /// # Errors
    /// Refuses whatever the signer's own look does not bear out.
    fn sign(&self, request: &SigningRequest<'_>) -> Result<Vec<u8>>;
}

/// How many commits the signer signs within an hour, where nobody says otherwise.
pub const LIMIT: usize = 600;

/// The window of the limit: an hour.
const LIMIT_WINDOW: Duration = Duration::from_secs(60 * 60);

/// The bot's key, behind its rules.
pub struct Signer {
    key: BotKey,
    certs: Arc<BotCerts>,
    keyring: Vec<PathBuf>,
    limit: usize,
    signed: Mutex<VecDeque<SystemTime>>,
}

/// What is to be signed, and the evidence for it.
pub struct SigningRequest<'a> {
    /// The branch that the commit is for.
    pub target: &'a DistGitTarget,
    /// The dist-git objects, the commit's parent among them.
    pub dist_git: &'a Objects,
    /// The commit object without its signature.
    pub unsigned_commit: &'a [u8],
    /// The source commit object, signature included.
    pub source_commit: &'a [u8],
    /// The time by which the source commit's key is judged, and the signature's own time.
    pub now: SystemTime,
}

impl Signer {
    /// Puts a key behind the rules; `certs` tells which earlier commits are the bot's own.
    pub fn new(key: BotKey, certs: Arc<BotCerts>, keyring: Vec<PathBuf>) -> Signer {
        Signer { key, certs, keyring, limit: LIMIT, signed: Mutex::default() }
    }

    /// Sets how many commits are signed within an hour; it begins as [`LIMIT`].
    #[must_use]
    pub fn limit(self, limit: usize) -> Signer {
        Signer { limit, ..self }
    }

    /// Returns the name and mail address that the key carries, where it carries one.
    pub fn identity(&self) -> Option<(String, String)> {
        self.key.identity()
    }

    /// Returns the commit object with the bot's signature in it.
    ///
    /// # Errors
    /// As [`Signer::signature`].
    pub fn sign(&self, request: &SigningRequest<'_>) -> Result<Vec<u8>> {
        Ok(with_signature(request.unsigned_commit, &self.signature(request)?))
    }

    /// Returns the armour that goes into the commit's `gpgsig`.
    ///
    /// # Errors
    /// Refuses (`signer-refused`, or the gate's own code) whatever its own look does not bear out.
    pub fn signature(&self, request: &SigningRequest<'_>) -> Result<String> {
        let commit = CommitObject::parse(request.unsigned_commit)?;
        if commit.signed().is_some() {
            return Err(refuse("the commit carries a signature already").into());
        }
        let publication = Publication::read(&commit.trailers())
            .ok_or_else(|| refuse("the commit's trailers are not whole"))?;
        self.check(request, &commit, &publication)?;
        self.count(request.now)?;
        Ok(self.key.sign(request.unsigned_commit, request.now)?)
    }

    fn check(
        &self,
        request: &SigningRequest<'_>,
        commit: &CommitObject<'_>,
        claimed: &Publication,
    ) -> Result<()> {
        let parent = request.dist_git.commit(&only_parent(commit)?)?;
        let Entry::OptedIn(config) = ledger::enter(request.dist_git, &parent)? else {
            return Err(refuse("the parent commit is not opted in").into());
        };
        let (certificates, _) =
            ledger::certificates(request.dist_git, &parent, &config, &self.keyring)?;
        let policy = Policy::new(&config.signing.keys, certificates, request.now);
        let accepted =
            match gate::judge_commit(&claimed.source_commit, request.source_commit, &policy) {
                Verdict::Accepted(accepted) => accepted,
                Verdict::Refused(refusal) => return Err(refusal.into()),
            };
        let trailers = CommitObject::parse(request.source_commit)?.trailers();
        gate::bind::check(&trailers, &config.source, config.signing.bind)?;
        let named = claimed.target == *request.target
            && claimed.repository == config.source.repository.to_string()
            && claimed.branch == config.source.branch
            && claimed.signer == accepted.signer().to_string();
        if !named {
            return Err(refuse("the trailers name another branch, repository or signer").into());
        }
        let last =
            ledger::last_publication(request.dist_git, request.target, &parent, &self.certs)?;
        Ok(above_last(&config, claimed, last.as_ref())?)
    }

    /// Counts a signature, and refuses where there were too many within the window.
    fn count(&self, now: SystemTime) -> Result<()> {
        let mut signed = self.signed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_old =
            |time: &SystemTime| now.duration_since(*time).is_ok_and(|age| age > LIMIT_WINDOW);
        while signed.front().is_some_and(is_old) {
            signed.pop_front();
        }
        if signed.len() >= self.limit {
            let words =
                format!("the signer has signed {} commits within the last hour", self.limit);
            return Err(Problem::temporary("signer-limit", words)
                .hint("see what publishes so much, or give the signer a higher --limit")
                .into());
        }
        signed.push_back(now);
        Ok(())
    }
}

impl Door for Signer {
    fn identity(&self) -> Option<(String, String)> {
        Signer::identity(self)
    }

    fn sign(&self, request: &SigningRequest<'_>) -> Result<Vec<u8>> {
        Signer::sign(self, request)
    }
}

fn only_parent(commit: &CommitObject<'_>) -> Result<ObjectId, Refusal> {
    match commit.parents() {
        [parent] => Ok(*parent),
        _ => Err(refuse("the commit does not have exactly one parent")),
    }
}

/// Refuses an EVR that is not above the last one published on this branch, and a missing one where the config
/// does not keep the automatic release.
fn above_last(
    config: &BranchConfig,
    claimed: &Publication,
    last: Option<&Publication>,
) -> Result<(), Refusal> {
    let last = last.and_then(|last| last.evr.as_ref());
    match (&claimed.evr, last) {
        (None, _) if config.release.auto != AutoMacros::Keep => Err(refuse(
            "it claims no EVR, although the config does not say `release: {auto: keep}`",
        )),
        (Some(new), Some(last)) if new.rpm_cmp(last).is_le() => {
            Err(refuse(format!("EVR {new} is not above {last}, which was published last")))
        }
        _ => Ok(()),
    }
}

fn refuse(words: impl std::fmt::Display) -> Refusal {
    Refusal::new("signer-refused", format!("the signer does not sign this: {words}"))
        .hint("this is a fault in lockkeeper or an attack on it; please report it")
}
