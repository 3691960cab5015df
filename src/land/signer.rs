//! The signer: holds the bot's key, parses no package content, and signs one kind of thing only.
//!
//! It is a narrow door that can become a process of its own. Whoever asks must hand over the finished commit and
//! the source commit; everything else it reads for itself from the parent commit in dist-git:
//!
//! 1. the parent's config and certificates are the policy;
//! 2. the source commit is judged by the gate again;
//! 3. the trailers must name that commit, this branch, that repository and that signer;
//! 4. the EVR must be above the last one that was published;
//! 5. no more signatures than the limit allows.
//!
//! It cannot vouch for the tree: that is what tree identity and replay are for.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::bot_certs::BotCerts;
use crate::bot_key::BotKey;
use crate::gate::{self, Policy, Verdict};
use crate::git::commit::with_signature;
use crate::git::{Commit, Objects};
use crate::ledger::{self, Entry};
use crate::names::ObjectId;
use crate::outcome::{Problem, Refusal, Result};
use crate::publication::Publication;
use crate::trailers::Trailers;
use crate::trigger::Target;

/// How many commits the signer signs within [`LIMIT_WINDOW`].
const LIMIT: usize = 600;

/// The window of [`LIMIT`]: an hour.
const LIMIT_WINDOW: Duration = Duration::from_secs(60 * 60);

/// The bot's key, behind its rules.
pub struct Signer {
    key: BotKey,
    certs: Arc<BotCerts>,
    keyring: Vec<PathBuf>,
    signed: Mutex<VecDeque<SystemTime>>,
}

/// What is to be signed, and the evidence for it.
pub struct SigningRequest<'a> {
    /// The branch that the commit is for.
    pub target: &'a Target,
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
        Signer { key, certs, keyring, signed: Mutex::default() }
    }

    /// Returns the name and mail address that the key carries, where it carries one.
    pub fn identity(&self) -> Option<(String, String)> {
        self.key.identity()
    }

    /// Returns the commit object with the bot's signature in it.
    ///
    /// # Errors
    /// Refuses (`signer-…`) whatever its own look does not bear out.
    pub fn sign(&self, request: &SigningRequest<'_>) -> Result<Vec<u8>> {
        let commit = Commit::parse(
            ObjectId::from_bytes(&[0; 20]).expect("20 bytes"),
            request.unsigned_commit.to_vec(),
        )
        .map_err(|words| refuse(format!("the commit {words}")))?;
        let publication = Publication::read(&Trailers::parse(&commit.message))
            .ok_or_else(|| refuse("the commit's trailers are not whole"))?;
        self.check(request, &commit, &publication)?;
        self.count(request.now)?;
        let armour = self.key.sign(request.unsigned_commit, request.now)?;
        Ok(with_signature(request.unsigned_commit, &armour))
    }

    fn check(
        &self,
        request: &SigningRequest<'_>,
        commit: &Commit,
        claimed: &Publication,
    ) -> Result<()> {
        let [parent] = commit.parents.as_slice() else {
            return Err(refuse("the commit does not have exactly one parent").into());
        };
        let parent = request.dist_git.commit(parent)?;
        let Entry::OptedIn(config) = ledger::enter(request.dist_git, &parent)? else {
            return Err(refuse("the parent commit is not opted in").into());
        };
        let (certificates, _) =
            ledger::certificates(request.dist_git, &parent, &config, &self.keyring)?;
        let policy = Policy::new(&config.signing.keys, certificates, request.now);
        let verdict = gate::judge_commit(&claimed.source_commit, request.source_commit, &policy);
        let accepted = match verdict {
            Verdict::Accepted(accepted) => accepted,
            Verdict::Refused(refusal) => return Err(refusal.into()),
        };
        let named = claimed.target == request.target.name()
            && claimed.repository == config.source.repository.to_string()
            && claimed.branch == config.source.branch
            && claimed.signer == accepted.signer().to_string();
        if !named {
            return Err(refuse("the trailers name another branch, repository or signer").into());
        }
        self.above_last(request, &parent, claimed)
    }

    /// Refuses an EVR that is not above the last one published on this branch.
    fn above_last(
        &self,
        request: &SigningRequest<'_>,
        parent: &Commit,
        claimed: &Publication,
    ) -> Result<()> {
        let (published, _) =
            ledger::since_published(request.dist_git, request.target, parent, &self.certs)?;
        let last = published.and_then(|published| published.publication.evr);
        match (&claimed.evr, last) {
            (Some(new), Some(last)) if new.rpm_cmp(&last).is_le() => {
                Err(refuse(format!("EVR {new} is not above {last}, which was published last"))
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// Counts a signature, and refuses where there were too many within the window.
    fn count(&self, now: SystemTime) -> Result<()> {
        let mut signed = self.signed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_old =
            |time: &SystemTime| now.duration_since(*time).is_ok_and(|age| age > LIMIT_WINDOW);
        while signed.front().is_some_and(is_old) {
            signed.pop_front();
        }
        if signed.len() >= LIMIT {
            let words = format!("the signer has signed {LIMIT} commits within the last hour");
            return Err(Problem::temporary("signer-limit", words).into());
        }
        signed.push_back(now);
        Ok(())
    }
}

fn refuse(words: impl std::fmt::Display) -> Refusal {
    Refusal::new("signer-refused", format!("the signer does not sign this: {words}"))
        .hint("this is a fault in lockkeeper or an attack on it; please report it")
}
