//! Landing: a populated tree becomes a commit in dist-git. The push is the one irreversible step.
//!
//! 1. the archives go to the lookaside cache: check, upload, then asked for at the download address;
//! 2. one commit is put together on top of the observed tip ([`message`]);
//! 3. the signer looks for itself, and signs ([`signer`]);
//! 4. whoever gave the work out is asked whether it is still ours ([`permit`]);
//! 5. the push, with a lease on the observed tip: who was slower loses and looks again.
//!
//! Whatever is interrupted before the push leaves nothing but an archive that is there already next time, and
//! objects in our own mirror that nothing points to.

pub mod message;
pub mod permit;
pub mod rehearsal;
pub mod signer;

use std::time::SystemTime;

use bstr::ByteSlice;

use crate::digest::Sha512;
use crate::gate::{self, Policy, Verdict};
use crate::git::{Commit, Identity, Kind, Objects, Pushed, Transport};
use crate::lookaside::{Archive, Lookaside};
use crate::names::ObjectId;
use crate::observe::{DistGit, Scene};
use crate::outcome::{Problem, Refusal, Result};
use crate::populate::{PopulatedTree, changelog};
use crate::progress::{Progress, Stage};
use crate::publication::{GENERATOR, Publication};

pub use message::Item;
pub use permit::{Leave, Permit, Unfenced};
pub use signer::{Door, Signer, SignerClient, SignerProcess, SigningRequest};

/// What landing needs besides the tree.
pub struct Harbour<'a> {
    /// Where archives go.
    pub lookaside: &'a Lookaside,
    /// The way to dist-git.
    pub transport: &'a Transport,
    /// The bot's key, behind its rules: in this process or in another.
    pub signer: &'a dyn Door,
    /// The bot's name and mail address, as committer.
    pub committer: (String, String),
    /// The signature's own time.
    pub now: SystemTime,
    /// Who is asked, right before the push, whether the work is still ours.
    pub permit: &'a dyn Permit,
}

/// What landing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    /// This commit is the tip of the dist-git branch now.
    Landed(LandedCommit),
    /// The tree is that of the tip already: no commit.
    Unchanged,
    /// The tip moved while we worked: look again, then decide.
    LeaseLost,
    /// A person held the branch back while we worked: nothing was pushed. The words say who and why.
    Held(String),
}

/// A commit that the push put into dist-git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandedCommit {
    /// Its id.
    pub id: ObjectId,
}

/// Lands the tree.
///
/// # Errors
/// Refusals of the lookaside, the signer and the server's hooks; problems of transport.
pub async fn land(
    tree: &PopulatedTree,
    scene: &Scene,
    harbour: &Harbour<'_>,
    progress: Progress<'_>,
) -> Result<Landing> {
    let dist_git = &scene.dist_git;
    if tree.draft().tree == dist_git.tip.tree {
        return Ok(Landing::Unchanged);
    }
    progress.at(Stage::Uploading);
    upload(tree, harbour).await?;
    progress.at(Stage::Signing);
    let items = message_items(tree, scene)?;
    let commit = commit(tree, dist_git, &items, harbour)?;
    progress.at(Stage::Pushing);
    match harbour.permit.leave().await? {
        Leave::Granted => {}
        Leave::GivenAway => return Err(permit::given_away().into()),
        Leave::Held(why) => return Ok(Landing::Held(why)),
    }
    let target = &tree.order().target;
    let pushed = harbour
        .transport
        .push(
            &dist_git.store.git_dir(),
            &target.dist_git,
            &target.branch,
            &commit,
            &dist_git.tip.id,
        )
        .await?;
    Ok(match pushed {
        Pushed::Done => Landing::Landed(LandedCommit { id: commit }),
        Pushed::LeaseLost => Landing::LeaseLost,
    })
}

async fn upload(tree: &PopulatedTree, harbour: &Harbour<'_>) -> Result<()> {
    let order = tree.order();
    for archive in &tree.draft().archives {
        match &archive.path {
            Some(path) => {
                let archive = Archive {
                    name: &archive.name,
                    sha512: &archive.sha512,
                    size: archive.size.unwrap_or_default(),
                    path,
                    mtime: order.source_commit.committer.seconds,
                };
                harbour.lookaside.store(&order.target.package, &archive).await?;
            }
            None => must_be_there(order, &archive.name, &archive.sha512, harbour).await?,
        }
    }
    Ok(())
}

/// Sees that an archive which `sources` lists from before is still to be had.
async fn must_be_there(
    order: &crate::decide::Order,
    name: &crate::names::FileName,
    sha512: &Sha512,
    harbour: &Harbour<'_>,
) -> Result<()> {
    use crate::lookaside::Presence;
    match harbour.lookaside.check(&order.target.package, name, sha512).await? {
        Presence::Available => Ok(()),
        Presence::Missing => Err(Refusal::new(
            "archive-lost",
            format!(
                "`sources` lists {name} (sha512 {sha512}), which the lookaside cache does not have"
            ),
        )
        .hint("upload the archive again, or remove its line from `sources` in dist-git")
        .into()),
    }
}

/// Writes the signed commit into our mirror, where nothing points to it until it is pushed.
fn commit(
    tree: &PopulatedTree,
    dist_git: &DistGit,
    items: &[Item],
    harbour: &Harbour<'_>,
) -> Result<ObjectId> {
    let objects = dist_git.store.objects();
    let unsigned = unsigned_commit(tree, &dist_git.tip, items, harbour);
    let request = SigningRequest {
        target: &tree.order().target.name(),
        dist_git: &objects,
        unsigned_commit: &unsigned,
        source_commit: &tree.order().source_commit.raw,
        now: harbour.now,
    };
    let signed = harbour.signer.sign(&request)?;
    objects.write(Kind::Commit, &signed)
}

/// Returns the commit object: the source tip's author and dates, the bot as committer.
fn unsigned_commit(
    tree: &PopulatedTree,
    tip: &Commit,
    items: &[Item],
    harbour: &Harbour<'_>,
) -> Vec<u8> {
    let source = &tree.order().source_commit;
    let (name, mail) = &harbour.committer;
    let committer = Identity {
        name: name.as_str().into(),
        mail: mail.as_str().into(),
        ..source.committer.clone()
    };
    let mut object = format!("tree {}\nparent {}\n", tree.draft().tree, tip.id);
    object.push_str(&format!("author {}\n", identity_line(&source.author)));
    object.push_str(&format!("committer {}\n\n", identity_line(&committer)));
    object.push_str(&message::compose(&publication(tree), items));
    object.into_bytes()
}

/// Returns the changelog items for the message, those of unsigned commits marked.
///
/// Only here are the commits below the tip judged: what is populated does not depend on keys, which may change
/// between two runs.
fn message_items(tree: &PopulatedTree, scene: &Scene) -> Result<Vec<Item>> {
    let Some(source) = &scene.source else { return Ok(Vec::new()) };
    let objects = source.store.objects();
    let mark = |item: &changelog::Item| {
        let signed = all_signed(&item.commits, &objects, &source.policy)?;
        Ok(Item { text: item.text.clone(), signed })
    };
    tree.draft().items.iter().map(mark).collect()
}

/// Tells whether the gate would let each of the commits through.
fn all_signed(commits: &[ObjectId], objects: &Objects, policy: &Policy) -> Result<bool> {
    for id in commits {
        let raw = objects.read_kind(id, Kind::Commit)?;
        if let Verdict::Refused(_) = gate::judge_commit(id, &raw, policy) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn publication(tree: &PopulatedTree) -> Publication {
    let order = tree.order();
    let tag = &order.release.tag;
    Publication {
        source_commit: order.source_commit.id,
        repository: order.config.source.repository.to_string(),
        branch: order.config.source.branch.clone(),
        signer: tree.tip().accepted().signer().to_string(),
        target: order.target.name(),
        release_tag: (tag.name.clone(), tag.object),
        evr: order.claimed_evr().cloned(),
        population: order.population(),
        generated_by: GENERATOR.to_owned(),
    }
}

/// Returns `Name <mail> seconds offset` as `git fsck --strict` wants it, in UTF-8.
fn identity_line(identity: &Identity) -> String {
    let clean = |bytes: &[u8]| {
        let text = match bytes.to_str() {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        };
        let kept = text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>'));
        kept.collect::<String>()
            .trim_matches(|c: char| c.is_whitespace() || ".,:;\"'\\".contains(c))
            .to_owned()
    };
    let name = match clean(&identity.name) {
        name if name.is_empty() => "unknown".to_owned(),
        name => name,
    };
    let mail = clean(&identity.mail);
    // git fsck refuses dates before 1970.
    format!("{name} <{mail}> {} {}", identity.seconds.max(0), identity.offset)
}

/// Returns the bot's name and mail address: what was configured, else what its key carries.
///
/// # Errors
/// Refuses a key without either.
pub fn committer(
    name: Option<&str>,
    mail: Option<&str>,
    signer: &dyn Door,
) -> Result<(String, String)> {
    let of_key = signer.identity();
    let of_key = |pick: fn((String, String)) -> String| of_key.clone().map(pick);
    let name = name.map(str::to_owned).or_else(|| of_key(|(name, _)| name));
    let mail = mail.map(str::to_owned).or_else(|| of_key(|(_, mail)| mail));
    match (name, mail) {
        (Some(name), Some(mail)) => Ok((name, mail)),
        _ => Err(Refusal::config(
            "committer-unknown",
            "the bot's key carries no name and mail address",
        )
        .hint("give both with --bot-name and --bot-mail")
        .into()),
    }
}

/// Says that a branch moved under us each time we tried.
pub fn lease_lost_too_often(times: u32) -> Problem {
    Problem::temporary(
        "lease-lost",
        format!("the dist-git branch moved {times} times while its update was being made"),
    )
    .hint("something else pushes to this branch all the time; try again when it has come to rest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_written_as_fsck_wants_them() {
        let line = |name: &[u8], mail: &str, seconds: i64| {
            identity_line(&Identity {
                name: name.into(),
                mail: mail.into(),
                seconds,
                offset: "+0200".into(),
            })
        };
        assert_eq!(line(b"Ada", "ada@example.org", 7), "Ada <ada@example.org> 7 +0200");
        assert_eq!(line(b"", "ada@example.org", -5), "unknown <ada@example.org> 0 +0200");
        assert_eq!(line(b"J\xf6rg <x>", "a>b", 1), "J\u{f6}rg x <ab> 1 +0200");
    }
}
