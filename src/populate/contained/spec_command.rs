//! `spec.command`: a project's own tool writes the spec, in the same confinement.
//!
//! It runs in the branch's image, or the operator's, with the source as its working folder and nothing to write to.
//! What it prints is the spec; the bot edits it as any other.

use super::given::{LARGEST_SPEC, check_spec};
use super::stage::Stage;
use super::variables::SOURCE;
use super::{Asked, Room, Subject};
use crate::container::{Access, Bytes, PinnedImage, RunSpec};
use crate::decide::Amendment;
use crate::outcome::Result;
use crate::progress::Stage as Step;

/// Runs the tool, and returns the spec that it wrote, and the image that it ran in.
///
/// # Errors
/// Refusals of the tool, and for what it printed (`spec-not-written`); problems of the engine.
pub async fn write_spec(
    subject: Subject<'_>,
    image: Option<&PinnedImage>,
    room: &Room<'_>,
) -> Result<Option<(Amendment, PinnedImage)>> {
    let command = &subject.order.config.spec.command;
    if command.is_empty() {
        return Ok(None);
    }
    let image = match image {
        Some(image) => image.clone(),
        None => room.containers.tools().await?,
    };
    let engine = room.containers.engine().await?;
    let limits = &room.containers.options.limits;
    let asked = Asked::of(subject, room.progress)?;
    let stage = Stage::set(subject, &asked.request, room).await?;
    room.progress.at(Step::Container);
    let whole = stage.run(&asked.request, limits, room.log);
    let run = RunSpec {
        mounts: whole
            .mounts
            .iter()
            .filter(|mount| mount.access == Access::ReadOnly)
            .cloned()
            .collect(),
        command: Some(command.clone()),
        folder: Some(SOURCE),
        keep_stdout: Some(Bytes(LARGEST_SPEC as u64)),
        ..whole
    };
    let ran = engine.run(&image, &run).await?.done()?;
    stage.strike(&image.to_string());
    check_spec(&ran.stdout, &format!("{command:?}"))?;
    Ok(Some((Amendment::Spec(ran.stdout), image)))
}
