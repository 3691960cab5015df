//! Population in a container: strangers' code, which can do nothing but fill one folder.
//!
//! ```text
//! Order -> request, stage -> Engine::run -> output -> Given, and what it changes about the order
//! ```
//!
//! 1. [`Containers`]: the engine, found when it is first needed, and what the operator allows;
//! 2. [`spec_command`]: a project's own tool writes the spec, where the branch names one;
//! 3. [`request`] says what is asked for, and [`variables`] says it again in the environment;
//! 4. [`stage`] puts together what the container sees: the checked-out commit, dist-git's files, the tarball;
//! 5. the container runs ([`crate::container`]);
//! 6. [`output`] reads what it left, as what it is: hostile;
//! 7. [`given`] sorts that. The rest is done by the bot as ever: the proof (`content::given`), the spec, `sources`.
//!
//! [`inside`] is the other side: a built-in mechanism as the program of a published image.
//! Rule: the design, section 5, "Container contract".

pub mod given;
pub mod inside;
pub mod output;
pub mod request;
mod schema;
mod spec_command;
mod stage;
mod variables;

#[cfg(test)]
mod tests;

use std::path::Path;

use tokio::sync::OnceCell;

pub use given::Given;
pub use request::{CONTRACT, Request};
pub use schema::{request_schema, result_schema};
pub use spec_command::write_spec;

use crate::container::{Engine, ImageReference, Options, PinnedImage};
use crate::decide::{Amendment, Order};
use crate::git::{Mirrors, Store};
use crate::observe::DistGit;
use crate::outcome::{Refusal, Result};
use crate::populate::mechanism::Recipe;
use crate::populate::upstream::obtain::ReleaseTarball;
use crate::populate::{Groundwork, content};
use crate::progress::{Progress, Stage as Step};

use given::Sorting;
use request::Asking;
use stage::Stage;

/// The engine, found when it is first needed, and what the operator allows.
pub struct Containers {
    options: Options,
    engine: OnceCell<Engine>,
}

impl Containers {
    /// Keeps what the operator allows; nothing is looked for yet.
    pub fn new(options: Options) -> Containers {
        Containers { options, engine: OnceCell::new() }
    }

    /// Returns the engine for what a branch brings; what a crashed bot left behind is removed when it is found.
    ///
    /// # Errors
    /// Refuses (`containers-not-allowed`) where the operator has nothing of a branch's run; otherwise as
    /// [`Engine::find`].
    pub async fn engine(&self) -> Result<&Engine> {
        match self.options.allow_containers {
            true => self.found().await,
            false => Err(not_allowed().into()),
        }
    }

    async fn found(&self) -> Result<&Engine> {
        let found = self.engine.get_or_try_init(|| async {
            let engine = Engine::find(&self.options).await?;
            engine.sweep().await?;
            Ok::<_, crate::outcome::Fault>(engine)
        });
        found.await
    }

    /// Returns the engine and the operator's image with rpm, where the operator names one. What a branch may bring to
    /// run is another question: rpm reads every branch's spec.
    ///
    /// # Errors
    /// As [`Engine::find`] and [`Engine::resolve`].
    pub async fn prover(&self) -> Result<Option<(&Engine, PinnedImage)>> {
        let Some(image) = &self.options.prover_image else { return Ok(None) };
        let engine = self.found().await?;
        Ok(Some((engine, engine.resolve(image).await?)))
    }

    /// Returns what the operator allows.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the image that the branch is populated by, with the digest that its tag stands for now.
    ///
    /// # Errors
    /// As [`Containers::engine`] and [`Engine::resolve`].
    pub async fn image(&self, order: &Order) -> Result<Option<PinnedImage>> {
        let Some(named) = &order.config.population.container else { return Ok(None) };
        self.resolve(&parsed(named)?).await.map(Some)
    }

    /// Returns the image that `spec.command` runs in where the branch names none.
    ///
    /// # Errors
    /// Refuses (`spec-command-no-image`) where the operator names none either; otherwise as [`Containers::image`].
    async fn tools(&self) -> Result<PinnedImage> {
        match &self.options.tool_image {
            Some(image) => self.resolve(image).await,
            None => Err(Refusal::config(
                "spec-command-no-image",
                "spec.command names a program, and nobody says in which image it runs",
            )
            .hint("name one as population.container, or ask the operator for a tool image (--tool-image)")
            .into()),
        }
    }

    async fn resolve(&self, image: &ImageReference) -> Result<PinnedImage> {
        self.engine().await?.resolve(image).await
    }
}

fn parsed(named: &str) -> Result<ImageReference, Refusal> {
    named.parse().map_err(|error: crate::names::NameError| {
        Refusal::config("config-bad-container", error.to_string())
            .hint("write REGISTRY/PATH:TAG or REGISTRY/PATH@sha256:DIGEST")
    })
}

fn not_allowed() -> Refusal {
    let words =
        "the branch asks for a container, and the operator runs none (population.allow_containers)";
    Refusal::config("containers-not-allowed", words)
        .hint("use a built-in population.mechanism without container and spec.command, or ask the operator")
}

/// Where a container is run, and what it may see.
pub struct Room<'a> {
    /// The engine.
    pub containers: &'a Containers,
    /// Our copies of repositories, among which checked-out trees are kept.
    pub mirrors: &'a Mirrors,
    /// The run's own folder.
    pub work: &'a Path,
    /// The file that keeps what the container prints.
    pub log: &'a Path,
    /// Who watches.
    pub progress: Progress<'a>,
}

/// What a container is to be run for.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The order.
    pub order: &'a Order,
    /// The source repository.
    pub source: &'a Store,
    /// The dist-git branch.
    pub dist_git: &'a DistGit,
    /// The released tarball, where the mechanism takes one.
    pub release: Option<&'a ReleaseTarball>,
}

/// Runs the branch's container, and returns what it gave and what that changes about the order.
///
/// # Errors
/// Refusals of the container, and for what it left; problems of the engine.
pub async fn populate(
    subject: Subject<'_>,
    image: &PinnedImage,
    room: &Room<'_>,
) -> Result<(Given, Vec<Amendment>)> {
    let engine = room.containers.engine().await?;
    let limits = &room.containers.options.limits;
    let asked = Asked::of(subject, room.progress)?;
    let stage = Stage::set(subject, &asked.request, room).await?;
    room.progress.at(Step::Container);
    engine.run(image, &stage.run(&asked.request, limits, room.log)).await?.done()?;
    let harvest = output::harvest(&stage.output(), &stage.archives()?, &limits.into())?;
    let sorting = Sorting {
        order: subject.order,
        plan: &asked.plan,
        archive: &asked.request.archive.file,
        release: subject.release,
        dist_git: subject.dist_git,
    };
    let given = sorting.sort(harvest);
    stage.strike(&image.to_string());
    given
}

/// A request, and the plan that it tells.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) plan: crate::populate::patches::Series,
}

impl Asked {
    /// Works out what is asked for, from what the bot itself would make.
    pub(crate) fn of(subject: Subject<'_>, progress: Progress<'_>) -> Result<Asked> {
        let Subject { order, source, dist_git, release } = subject;
        let groundwork = Groundwork::lay(order, source, dist_git, &dist_git.store.objects(), None)?;
        let (file, top) = content::archive_names(&groundwork.spec, order)?;
        let recipe = Recipe {
            mechanism: order.config.population.mechanism,
            source,
            tip: order.source_commit.id,
            tag_commit: order.release.tag.commit,
            file,
            top,
            rules: content::patch_rules(order),
            taken: groundwork.by_hand.iter().map(|patch| patch.file.clone()).collect(),
            patch_cache: None,
            progress,
        };
        let plan = recipe.planned()?;
        let asking = Asking {
            order,
            spec: &groundwork.spec,
            by_hand: &groundwork.by_hand,
            items: &groundwork.changes.items,
            plan: &plan,
            release,
        };
        Ok(Asked { request: asking.request()?, plan })
    }
}
