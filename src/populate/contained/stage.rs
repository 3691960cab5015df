//! What a container sees: put together before it starts, gone after it has ended.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::request::Request;
use super::variables::{ASKED, DIST_GIT, OUTPUT, SOURCE, UPSTREAM, variables};
use super::{Room, Subject};
use crate::container::{Access, Limits, Mount, RunSpec};
use crate::git::{Checkout, WorkTree};
use crate::outcome::{Problem, Result};
use crate::populate::upstream::obtain::ReleaseTarball;

/// A stage, with the checked-out tree held as long as it stands.
pub(super) struct Stage {
    folder: tempfile::TempDir,
    tree: WorkTree,
    has_upstream: bool,
    label: String,
    network: bool,
}

impl Stage {
    /// Sets the stage.
    ///
    /// # Errors
    /// As [`crate::git::Mirrors::check_out`]; fails where the run's folder cannot be written.
    pub(super) async fn set(
        subject: Subject<'_>,
        request: &Request,
        room: &Room<'_>,
    ) -> Result<Stage> {
        let Subject { order, source, dist_git, release } = subject;
        let wanted = Checkout {
            source,
            commit: order.source_commit.id,
            branch: &order.config.source.branch,
            dist_git: &order.target.dist_git,
            dist_git_branch: &order.target.branch,
        };
        let tree = room.mirrors.check_out(&wanted).await?;
        let folder = tempfile::Builder::new().prefix("stage-").tempdir_in(room.work);
        let folder = folder.map_err(|error| not_written(room.work, error))?;
        let stage = Stage {
            folder,
            tree,
            has_upstream: release.is_some(),
            label: order.target.name().to_string(),
            network: order.config.population.network,
        };
        stage.folders(release).map_err(|error| not_written(stage.folder.path(), error))?;
        dist_git.store.objects().write_out(&dist_git.tip.tree, &stage.at("dist-git"))?;
        let asked = stage.at("lockkeeper/request.json");
        let written =
            std::fs::write(&asked, request.to_json()).and_then(|()| for_all(&asked, 0o644));
        written.map_err(|error| not_written(&asked, error))?;
        Ok(stage)
    }

    /// Makes the folders; who runs inside is nobody that we know, so all may read, and fill the output.
    fn folders(&self, release: Option<&ReleaseTarball>) -> std::io::Result<()> {
        for (name, mode) in
            [("lockkeeper", 0o755), ("dist-git", 0o755), ("output", 0o777), ("archives", 0o700)]
        {
            std::fs::create_dir(self.at(name))?;
            for_all(&self.at(name), mode)?;
        }
        let Some(release) = release else { return Ok(()) };
        let upstream = self.at("upstream");
        std::fs::create_dir(&upstream)?;
        for_all(&upstream, 0o755)?;
        let signature = release.signature.as_ref();
        let signature = signature.and_then(|made| Some((made.path.as_deref()?, &made.name)));
        for (path, name) in [(release.path.as_path(), &release.file)].into_iter().chain(signature) {
            let to = upstream.join(name.as_str());
            std::fs::hard_link(path, &to).or_else(|_| std::fs::copy(path, &to).map(drop))?;
            for_all(&to, 0o644)?;
        }
        Ok(())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns where the output is.
    pub(super) fn output(&self) -> PathBuf {
        self.at("output")
    }

    /// Returns where archives are kept after the stage is struck.
    pub(super) fn archives(&self) -> Result<PathBuf> {
        let above = self.folder.path().parent().unwrap_or(self.folder.path());
        let kept = tempfile::Builder::new().prefix("archives-").tempdir_in(above);
        Ok(kept.map_err(|error| not_written(above, error))?.keep())
    }

    /// Returns how the branch's container is run.
    pub(super) fn run<'a>(
        &self,
        request: &Request,
        limits: &'a Limits,
        log: &'a Path,
    ) -> RunSpec<'a> {
        let read = |host: PathBuf, inside| Mount { host, inside, access: Access::ReadOnly };
        let mut mounts = vec![
            read(self.tree.path(), SOURCE),
            read(self.at("dist-git"), DIST_GIT),
            read(self.at("lockkeeper"), ASKED),
            Mount { host: self.output(), inside: OUTPUT, access: Access::ReadWrite },
        ];
        if self.has_upstream {
            mounts.push(read(self.at("upstream"), UPSTREAM));
        }
        RunSpec {
            label: self.label.clone(),
            mounts,
            env: variables(request),
            command: None,
            folder: None,
            network: self.network,
            limits,
            log,
            keep_stdout: None,
        }
    }

    /// Removes what the container left; what cannot be removed is told to the log.
    pub(super) fn strike(self, image: &str) {
        let path = self.folder.path().to_owned();
        if let Err(error) = self.folder.close() {
            tracing::warn!(path = %path.display(), image, %error, "the output could not be removed");
        }
    }
}

fn for_all(path: &Path, mode: u32) -> std::io::Result<()> {
    set_permissions(path, Permissions::from_mode(mode))
}

fn not_written(path: &Path, error: std::io::Error) -> Problem {
    let words = format!("cannot write below {}: {error}", path.display());
    Problem::permanent("work-not-writable", words).because(error)
}
