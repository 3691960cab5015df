//! From the name that a branch wrote to the digest that runs.
//!
//! - A digest is looked for on this machine first: what has it is what was meant, and no registry is asked.
//! - A tag is asked of its registry each time, because it may have moved; the digest that it stands for now is
//!   read from the engine, and from then on only the digest counts.
//! - `localhost/…` is of this machine alone: no registry is asked. Its digest is the one that the engine gave it
//!   when it was built, or, where the engine gives none (docker), the id of the image.

use std::time::Duration;

use serde::Deserialize;

use super::engine::Engine;
use super::image::{ImageDigest, ImageReference, PinnedImage};
use super::registry;
use crate::outcome::{Fault, Problem, Refusal, Result, printable};

/// How long a pull may take.
const PULL: Duration = Duration::from_secs(30 * 60);

/// How often an engine is asked again that could not describe an image.
const ASKED_AGAIN: usize = 3;

/// Tells whether an engine says that it holds no such image.
fn is_missing(stderr: &[u8]) -> bool {
    let words = String::from_utf8_lossy(stderr).to_lowercase();
    ["no such image", "image not known", "no such object"]
        .iter()
        .any(|sign| words.contains(sign))
}

/// What an engine says of an image that it holds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Held {
    id: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
}

impl Engine {
    /// Brings an image to this machine and pins it to its digest. Meant to be called once for each sync.
    ///
    /// # Errors
    /// Refuses `image-not-pinned`, `image-missing`, `pull-denied` and `digest-mismatch`; `registry-unreachable` is
    /// temporary; `pull-failed` and the engine's own troubles.
    pub async fn resolve(&self, image: &ImageReference) -> Result<PinnedImage> {
        if self.options.require_digest && image.digest().is_none() {
            let words = format!("{image} is named without a digest, and the operator requires one");
            return Err(Refusal::new("image-not-pinned", words)
                .hint(format!("write {}@sha256:…; a pull prints the digest", image.name()))
                .into());
        }
        let is_settled = image.digest().is_some() || image.is_local();
        if is_settled && let Some(held) = self.held(image).await? {
            return self.pin(image, &held).await;
        }
        if image.is_local() {
            let words = format!("{image} is not among the images of this machine");
            return Err(Refusal::new("image-missing", words)
                .hint("localhost/… is never pulled: build it here, or name its registry")
                .into());
        }
        self.pull(image).await?;
        let held = self.held(image).await?.ok_or_else(|| {
            let words = format!("{image} was pulled and is not there");
            Problem::permanent("pull-failed", words)
        })?;
        self.pin(image, &held).await
    }

    /// Pins an image to the digest under which the engine holds it.
    async fn pin(&self, image: &ImageReference, held: &Held) -> Result<PinnedImage> {
        if let Some(wanted) = image.digest() {
            return by_digest(image, wanted, held);
        }
        let candidates = candidates(image, held);
        if let [digest] = candidates.as_slice() {
            return Ok(pinned(image, digest.clone(), held));
        }
        for digest in candidates {
            if image.is_local() || self.is_at_registry(&image.with_digest(&digest)).await? {
                return Ok(pinned(image, digest, held));
            }
        }
        let words = format!("{image} has no digest that its registry knows");
        Err(Problem::permanent("pull-failed", words).hint("push the image once more").into())
    }

    /// Tells whether a registry has an image by this digest; what of it is here is not fetched again.
    async fn is_at_registry(&self, image: &ImageReference) -> Result<bool> {
        match self.pull(image).await {
            Ok(()) => Ok(true),
            Err(Fault::Refused(refusal)) if refusal.code.0 == "image-missing" => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Returns what the engine knows of an image; nothing where it does not hold it.
    ///
    /// An engine that looks through its images while another process removes one may stumble over it, so a failure
    /// is asked about again.
    async fn held(&self, image: &ImageReference) -> Result<Option<Held>> {
        let mut output = self.ask(&["image", "inspect", &image.asked_for()]).await?;
        for _ in 0..ASKED_AGAIN {
            if output.status.success() || is_missing(&output.stderr) {
                break;
            }
            output = self.ask(&["image", "inspect", &image.asked_for()]).await?;
        }
        match output.status.success() {
            true => self.described(image, &output.stdout),
            false if is_missing(&output.stderr) => Ok(None),
            false => Err(self.failed(&format!("inspect {image}"), &output.stderr).into()),
        }
    }

    fn described(&self, image: &ImageReference, json: &[u8]) -> Result<Option<Held>> {
        let held: Vec<Held> = serde_json::from_slice(json).map_err(|error| {
            self.failed(&format!("describe {image}"), error.to_string().as_bytes()).because(error)
        })?;
        Ok(held.into_iter().next())
    }

    async fn pull(&self, image: &ImageReference) -> Result<()> {
        let asked_for = image.asked_for();
        let pull = self.invocation().args(["pull", "--quiet", &asked_for]).limit(PULL).run().await;
        let output = pull.map_err(|error| match error {
            error @ crate::process::ProcessError::TimedOut { .. } => {
                let words = format!("{image} could not be pulled: {error}");
                Problem::temporary("registry-unreachable", words).because(error)
            }
            error => self.trouble(error),
        })?;
        match output.status.success() {
            true => Ok(()),
            false => Err(registry::fault(image, &output.stderr)),
        }
    }
}

/// Pins an image that was asked for by its digest.
///
/// An engine finds images by digest among what it hashed itself when they came. An image whose tag has moved on
/// has no name left, and none to be compared.
fn by_digest(image: &ImageReference, wanted: &ImageDigest, held: &Held) -> Result<PinnedImage> {
    let known: Vec<&str> = held.repo_digests.iter().flatten().map(String::as_str).collect();
    let fits =
        |known: &&str| known.rsplit_once('@').is_some_and(|(_, digest)| digest == wanted.as_str());
    let is_id = image.is_local() && id_of(held).as_ref() == Some(wanted);
    match known.is_empty() || known.iter().any(fits) || held.digest == wanted.as_str() || is_id {
        true => Ok(pinned(image, wanted.clone(), held)),
        false => Err(mismatch(image, wanted, &known).into()),
    }
}

/// Returns an image that runs by its id: the one name that means the same whatever is pulled meanwhile.
fn pinned(image: &ImageReference, digest: ImageDigest, held: &Held) -> PinnedImage {
    PinnedImage { name: image.name().to_owned(), digest, runs_by: held.id.clone() }
}

/// Returns the digests that a tag may stand for: the one that the engine calls the image's own first, then the
/// lowest, so that the same image gives the same answer.
///
/// There are several where one image was pushed in several forms, was built here and pushed, or is part of a list
/// for several kinds of machine; all of them have the same content on this machine.
fn candidates(image: &ImageReference, held: &Held) -> Vec<ImageDigest> {
    let mut digests = repository_digests(image.name(), held);
    digests.sort_by_key(|digest| (digest.as_str() != held.digest, digest.clone()));
    digests.dedup();
    if digests.is_empty() && image.is_local() {
        digests.extend(id_of(held));
    }
    digests
}

/// Returns the digests by which an image is known in this repository.
fn repository_digests(name: &str, held: &Held) -> Vec<ImageDigest> {
    let listed = held.repo_digests.iter().flatten();
    let ours =
        listed.filter_map(|listed| listed.rsplit_once('@').filter(|(known, _)| *known == name));
    ours.filter_map(|(_, digest)| digest.parse().ok()).collect()
}

/// Returns an image's id as a digest: engines write it with or without `sha256:`.
fn id_of(held: &Held) -> Option<ImageDigest> {
    let hex = held.id.strip_prefix("sha256:").unwrap_or(&held.id);
    format!("sha256:{hex}").parse().ok()
}

fn mismatch(image: &ImageReference, wanted: &ImageDigest, found: &[&str]) -> Refusal {
    let found = printable(found.join(", "), 300);
    let words = format!("{image} was asked for, and what came is not {wanted} but {found}");
    Refusal::new("digest-mismatch", words)
        .hint("see who changed the image at its registry; then name the digest that was meant")
}

#[cfg(test)]
mod tests;
