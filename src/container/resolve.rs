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
use crate::outcome::{Problem, Refusal, Result};

/// How long a pull may take.
const PULL: Duration = Duration::from_secs(30 * 60);

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
        if image.digest().is_some() || image.is_local() {
            if let Some(held) = self.held(image).await? {
                return pinned(image, &held);
            }
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
        pinned(image, &held)
    }

    /// Returns what the engine knows of an image; nothing where it does not hold it.
    async fn held(&self, image: &ImageReference) -> Result<Option<Held>> {
        let output = self.ask(&["image", "inspect", &image.asked_for()]).await?;
        let words = String::from_utf8_lossy(&output.stderr).to_lowercase();
        if !output.status.success() {
            let is_missing = ["no such image", "not known", "not found", "unable to inspect"];
            return match is_missing.iter().any(|known| words.contains(known)) {
                true => Ok(None),
                false => Err(self.failed(&format!("inspect {image}"), &output.stderr).into()),
            };
        }
        let held: Vec<Held> = serde_json::from_slice(&output.stdout).map_err(|error| {
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

/// Pins an image to the digest under which the engine holds it.
fn pinned(image: &ImageReference, held: &Held) -> Result<PinnedImage> {
    let digests = repository_digests(image.name(), held);
    let digest = match image.digest() {
        Some(wanted) if digests.contains(wanted) => wanted.clone(),
        // An image of this machine may be named by its id, where it has no other digest.
        Some(wanted) if image.is_local() && id_of(held).as_ref() == Some(wanted) => wanted.clone(),
        Some(wanted) => return Err(mismatch(image, wanted, &digests).into()),
        None => chosen(image, held, digests)?,
    };
    let is_id = id_of(held).as_ref() == Some(&digest);
    let runs_by = match is_id {
        true => digest.to_string(),
        false => format!("{}@{digest}", image.name()),
    };
    Ok(PinnedImage { name: image.name().to_owned(), digest, runs_by })
}

/// Returns the digest that a tag stands for. An engine may hold several for one image (a list for several
/// machines, and the part that is ours): the one that it calls the image's own comes first, then the lowest, so that
/// the same image gives the same answer.
fn chosen(
    image: &ImageReference,
    held: &Held,
    mut digests: Vec<ImageDigest>,
) -> Result<ImageDigest> {
    digests.sort();
    let own = digests.iter().find(|digest| digest.as_str() == held.digest).cloned();
    let id = || if image.is_local() { id_of(held) } else { None };
    let chosen = own.or_else(|| digests.into_iter().next()).or_else(id);
    chosen.ok_or_else(|| {
        let words = format!("{image} has no digest that its registry knows");
        Problem::permanent("pull-failed", words)
            .hint("push it to the registry, then pull it")
            .into()
    })
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

fn mismatch(image: &ImageReference, wanted: &ImageDigest, found: &[ImageDigest]) -> Refusal {
    let found: Vec<&str> = found.iter().map(ImageDigest::as_str).collect();
    let words =
        format!("{image} was asked for, and what came is not {wanted} but {}", found.join(", "));
    Refusal::new("digest-mismatch", words)
        .hint("see who changed the image at its registry; then name the digest that was meant")
}

#[cfg(test)]
mod tests;
