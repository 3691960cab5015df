//! The source side: the tip, the verdict on it, how it stands to what was published, the tags in its reach.

use crate::config::{BranchConfig, SigningScope, TagTrust};
use crate::gate::every_commit::Sweep;
use crate::gate::{self, Policy, Verdict};
use crate::git::{
    About, Commit, Kind, Objects, Relation, Store, TagReference, Trail, Trust, Wanted,
};
use crate::ledger::BranchState;
use crate::names::{BranchName, ObjectId, PackageName, RepositoryAddress};
use crate::outcome::{Refusal, Result};
use crate::trailers::Trailers;
use crate::trigger::Target;
use crate::version::{Candidate, Chosen, NamedTag, TagRules, TagSignature, choose};

use super::Lookout;
use super::spec::{SourceSpec, find_spec};

/// What is true of the tracked source branch.
pub struct SourceFacts {
    /// The commit at its tip.
    pub tip: Commit,
    /// The spec in it, or why there is none that can be used.
    pub spec: Result<SourceSpec, Refusal>,
    /// Whether its signature opens the gate.
    pub verdict: Verdict,
    /// With `require: every-commit`: the verdict on all commits since the last published one.
    pub below: Option<Result<(), Refusal>>,
    /// How the tip stands to the last published commit; `None` where nothing was published.
    pub relation: Option<Relation>,
    /// What the tip's own `Lockkeeper-target` trailer says of this branch.
    pub binding: Result<(), Refusal>,
    /// The release tag, or why there is none.
    pub release: Result<ReleaseFacts, Refusal>,
    /// What the tag that was published last points to today; `None` where it is gone.
    pub published_tag_now: Option<ObjectId>,
}

/// The chosen release tag and how far the tip is from it.
pub struct ReleaseFacts {
    /// The tag and the version that it gives.
    pub chosen: Chosen,
    /// How many first-parent commits lie between it and the tip.
    pub commits_since_tag: u64,
}

/// Opens the source repository and resolves the branch once; from here on only the id is used.
///
/// A repository on this machine is read where it lies; others are fetched into a mirror.
///
/// # Errors
/// Refusals where repository or branch is not there, or the history is cut off; problems of transport.
pub async fn open_source(
    address: &RepositoryAddress,
    branch: &BranchName,
    lookout: &Lookout<'_>,
) -> Result<(Store, ObjectId)> {
    let Some(path) = address.local_path() else {
        return lookout
            .mirrors
            .fetch_branch(lookout.transport, address, branch, Wanted::BranchAndTags)
            .await;
    };
    if !lookout.local_sources {
        return Err(local_forbidden(address).into());
    }
    let store = Store::open(path, Trust::InPlace)?;
    let objects = store.objects();
    objects.refuse_shallow()?;
    let tip = objects.reference(&branch.reference())?.ok_or_else(|| {
        Refusal::new("branch-missing", format!("there is no branch {branch} at {address}"))
            .hint("push the branch, or correct source.branch in source-git.yaml")
    })?;
    Ok((store, tip))
}

fn local_forbidden(address: &RepositoryAddress) -> Refusal {
    let words =
        format!("source.repository names {address}, a repository of the service's own machine");
    Refusal::new("source-local", words).hint(
        "name it by https or ssh; or have the operator set allow_file_sources for this instance",
    )
}

pub(super) fn facts(
    target: &Target,
    branch: &BranchState,
    store: &Store,
    tip: &ObjectId,
    policy: &Policy,
    lookout: &Lookout<'_>,
) -> Result<SourceFacts> {
    let objects = store.objects();
    let tip = objects.commit(tip)?;
    let verdict = gate::judge_commit(&tip.id, &tip.raw, policy);
    let published = branch.published.as_ref().map(|published| &published.publication);
    let relation = published.map(|published| objects.relation(&tip.id, &published.source_commit));
    let tags = objects.tags()?;
    let published_tag_now = published.and_then(|published| {
        let wanted = &published.release_tag.0;
        tags.iter().find(|tag| tag.name == *wanted).map(|tag| tag.object)
    });
    let trust = branch.config.tags.require.unwrap_or(lookout.tag_trust);
    let asked =
        Asked { package: &target.package, config: &branch.config, trust, policy: Some(policy) };
    let address = &branch.config.source;
    let note = lookout.mirrors.note(&address.repository, &address.branch, About::SourceTags);
    let mut trail = Trail::noted(&objects, &tip.id, note)?;
    let release = release_along(&asked, &mut trail, &tip, tags)?;
    trail.write_note();
    let published = branch.published.as_ref().map(|published| published.publication.source_commit);
    let below = match branch.config.signing.require {
        SigningScope::Tip => None,
        SigningScope::EveryCommit => {
            Some(every_commit(&objects, &tip.id, published, &release, policy)?)
        }
    };
    let trailers = Trailers::parse(&tip.message);
    let binding = gate::bind::check(&trailers, &branch.config.source, branch.config.signing.bind);
    let relation = relation.transpose()?;
    let spec = find_spec(&objects, &tip, branch.config.spec.path.as_ref())?;
    Ok(SourceFacts { tip, spec, verdict, below, relation, binding, release, published_tag_now })
}

/// Judges every commit since the last published one; at first, since the release tag.
///
/// Where there is neither, that is every commit.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn every_commit(
    objects: &Objects,
    tip: &ObjectId,
    published: Option<ObjectId>,
    release: &Result<ReleaseFacts, Refusal>,
    policy: &Policy,
) -> Result<Result<(), Refusal>> {
    let since = published.filter(|id| objects.has(id));
    let since = since.or(release.as_ref().ok().map(|release| release.chosen.tag.commit));
    let mut sweep = Sweep::new(policy);
    for id in objects.range(tip, since.as_slice())? {
        sweep.judge(&id, &objects.read_kind(&id, Kind::Commit)?);
    }
    Ok(sweep.finish().map(drop))
}

/// What the choice of the release tag depends on besides the repository.
pub struct Asked<'a> {
    /// The package, whose name may stand in its tags.
    pub package: &'a PackageName,
    /// The branch config.
    pub config: &'a BranchConfig,
    /// Whether the tag must be signed.
    pub trust: TagTrust,
    /// Who may sign; `None` where nobody is asked who signed.
    pub policy: Option<&'a Policy>,
}

/// Chooses the release tag among those in reach of `tip`, and counts the way from it.
///
/// The outer result is for objects that cannot be read at all; the inner one for the packager.
///
/// # Errors
/// Refuses objects that cannot be read.
pub fn release(
    asked: &Asked<'_>,
    objects: &Objects,
    tip: &Commit,
    tags: Vec<TagReference>,
) -> Result<Result<ReleaseFacts, Refusal>> {
    release_along(asked, &mut Trail::new(objects, &tip.id), tip, tags)
}

/// As [`release`], with what the trail knows from an earlier run.
fn release_along(
    asked: &Asked<'_>,
    trail: &mut Trail<'_>,
    tip: &Commit,
    tags: Vec<TagReference>,
) -> Result<Result<ReleaseFacts, Refusal>> {
    let rules = match TagRules::new(&asked.config.tags, asked.package) {
        Ok(rules) => rules,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let candidates: Vec<Candidate> = trail.reachable(tags)?.into_iter().map(candidate).collect();
    let named = match named_tag(tip) {
        Ok(named) => named,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let objects = trail.objects();
    let signature = |candidate: &Candidate| tag_signature(objects, candidate, asked.policy);
    let chosen = match choose(&rules, &candidates, asked.trust, named.as_ref(), signature) {
        Ok(chosen) => chosen,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let commits_since_tag = trail.steps_since(&chosen.tag.commit)?;
    Ok(Ok(ReleaseFacts { chosen, commits_since_tag }))
}

/// Reads the tag that the tip itself names in a `Release-tag` trailer.
fn named_tag(tip: &Commit) -> Result<Option<NamedTag>, Refusal> {
    let trailers = Trailers::parse(&tip.message);
    let named = trailers.get("Release-tag").map(str::parse::<NamedTag>).transpose();
    named.map_err(|error| {
        Refusal::new("named-tag-unusable", format!("the tip's Release-tag trailer: {error}"))
            .hint("write `Release-tag: TAG`, or `Release-tag: TAG OBJECT-ID`")
    })
}

/// Hands a tag to the rules, which know no git.
fn candidate(tag: TagReference) -> Candidate {
    let TagReference { name, object, commit, seconds } = tag;
    Candidate { name, object, commit, seconds }
}

/// Judges the signature on a tag; one that cannot be read is one that does not count.
fn tag_signature(objects: &Objects, tag: &Candidate, policy: Option<&Policy>) -> TagSignature {
    let Some(policy) = policy else {
        // Population alone asks nobody; then there is nothing to warn of either.
        return TagSignature::Signed { by: "nobody in particular".to_owned() };
    };
    if tag.object == tag.commit {
        return TagSignature::Unsigned;
    }
    let verdict = match objects.read(&tag.object) {
        Ok(object) => {
            gate::judge_release_tag(&tag.object, &object.data, &tag.name, &tag.commit, policy)
        }
        Err(fault) => {
            return TagSignature::Refused {
                code: crate::outcome::Code("object-corrupt"),
                words: fault.to_string(),
            };
        }
    };
    match verdict {
        Verdict::Accepted(accepted) => TagSignature::Signed { by: accepted.signer().to_string() },
        Verdict::Refused(refused) if refused.code.0 == "unsigned-tag" => TagSignature::Unsigned,
        Verdict::Refused(refused) => {
            TagSignature::Refused { code: refused.code, words: refused.message }
        }
    }
}
