//! A dist-git repository and its lookaside cache.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{NewCommit, Person, Project};
use crate::bot_certs::BotCerts;
use crate::config::TagTrust;
use crate::decide::Rules;
use crate::digest::{Digest, Sha512};
use crate::git::{Mirrors, Transport};
use crate::land::{Harbour, Permit, Signer, Unfenced, committer};
use crate::ledger::Trusted;
use crate::lookaside::{Directory, HttpOptions, Lookaside};
use crate::names::{FileName, ObjectId};
use crate::observe::Lookout;
use crate::outcome::Result;
use crate::populate::contained::Containers;
use crate::populate::identity::Method;
use crate::populate::upstream::download;
use crate::populate::upstream::network::Reach;
use crate::populate::upstream::obtain::Releases;
use crate::progress::Progress;
use crate::report::Report;
use crate::sources::SourcesFile;
use crate::sync::{World, sync};
use crate::trigger::Target;

/// A dist-git repository with one branch, its lookaside cache, and the bot that serves it.
pub struct Package {
    /// dist-git, in which people can commit too.
    pub dist_git: Project,
    name: String,
    branch: String,
    folder: PathBuf,
    bot: Person,
}

impl Package {
    /// Makes an empty dist-git branch below `folder`, and a bot with a key of its own.
    ///
    /// # Errors
    /// Fails where the folder cannot be written.
    pub fn new(
        folder: &Path,
        name: &str,
        branch: &str,
        bot: Person,
        clock: SystemTime,
    ) -> Result<Package> {
        let dist_git = Project::new(&folder.join(format!("dist-git/{name}.git")), branch, clock)?;
        Ok(Package {
            dist_git,
            name: name.to_owned(),
            branch: branch.to_owned(),
            folder: folder.to_owned(),
            bot,
        })
    }

    /// Opts the branch in: commits `source-git.yaml`, and the certificates of those who may sign.
    ///
    /// # Errors
    /// Fails where the repository cannot be written.
    pub fn opt_in(&mut self, config: &str, people: &[&Person]) -> Result<ObjectId> {
        let mut commit = NewCommit::new("Track source-git").put("source-git.yaml", config);
        for person in people {
            let public = person.key().public();
            if public.starts_with("-----BEGIN PGP") {
                let name = person.name().to_lowercase().replace(' ', "-");
                commit = commit.put(&format!("keys/{name}.asc"), public);
            }
        }
        self.dist_git.commit(commit)
    }

    /// Puts stand-ins for these sources into the lookaside cache, and lists them in dist-git, as packagers do with
    /// what the bot does not make.
    ///
    /// # Errors
    /// Fails where either cannot be written.
    pub fn stand_in_for(&mut self, files: &[FileName]) -> Result<ObjectId> {
        let cache = Directory::new(self.lookaside());
        let package = self.target()?.package;
        let mut sources = SourcesFile::default();
        for file in files {
            let content = format!("This stands in for {file}.\n");
            let sha512 = Sha512::of(content.as_bytes());
            let path = cache.path_of(&package, file, &Digest::from(&sha512));
            write(&path, content.as_bytes())?;
            sources.set(file.clone(), &sha512);
        }
        let listed = NewCommit::new("Upload sources").put("sources", sources.to_bytes());
        self.dist_git.commit(listed)
    }

    /// Returns the lookaside cache's folder.
    pub fn lookaside(&self) -> PathBuf {
        self.folder.join("lookaside")
    }

    /// Returns the bot.
    pub fn bot(&self) -> &Person {
        &self.bot
    }

    /// Returns the target that a trigger would name.
    ///
    /// # Errors
    /// Refuses names that are not legal.
    pub fn target(&self) -> Result<Target> {
        let path = self.dist_git.folder().display().to_string();
        Target::from_arguments(&path, &self.branch, Some(&self.name), &self.folder)
    }

    /// Runs one sync, as the command and the service do.
    ///
    /// # Errors
    /// Fails where the world around the sync cannot be set up; what the sync comes to is in the report.
    pub async fn sync(&self, now: SystemTime) -> Result<Report> {
        self.sync_with(&Unfenced, now).await
    }

    /// As [`Package::sync`], for a run that needs leave to push.
    ///
    /// # Errors
    /// As [`Package::sync`].
    pub async fn sync_with(&self, permit: &dyn Permit, now: SystemTime) -> Result<Report> {
        let office = Office::of(self)?;
        let secret = self.bot.key().export(None)?;
        let key = crate::bot_key::BotKey::load(secret.expose().as_bytes(), None)?;
        let signer = Signer::new(key, std::sync::Arc::clone(&office.certs), Vec::new());
        let harbour = Harbour {
            lookaside: &office.lookaside,
            transport: &office.transport,
            committer: committer(Some(self.bot.name()), Some(&self.bot.mail()), &signer)?,
            signer: &signer,
            now,
            permit,
        };
        let containers = Containers::new(crate::container::Options::default());
        let world = office.world(&containers, None, now);
        Ok(sync(&self.target()?, &world, &harbour).await)
    }

    /// Does all but landing, into `output`, with containers and a folder of released tarballs.
    ///
    /// # Errors
    /// As [`Package::sync`].
    pub async fn preview(
        &self,
        containers: &Containers,
        upstream: Option<&Path>,
        output: &Path,
        now: SystemTime,
    ) -> Result<Report> {
        let office = Office::of(self)?;
        let world = office.world(containers, upstream, now);
        let world = World { container_log: output.join("container.log"), ..world };
        Ok(crate::sync::preview(&self.target()?, &world, output).await)
    }
}

/// What a world is built from.
struct Office {
    certs: std::sync::Arc<BotCerts>,
    lookaside: Lookaside,
    mirrors: Mirrors,
    transport: Transport,
    work: PathBuf,
}

impl Office {
    fn of(package: &Package) -> Result<Office> {
        let folder = package.lookaside().display().to_string();
        let work = package.folder.join("cache/work");
        std::fs::create_dir_all(&work).map_err(|error| {
            crate::outcome::Problem::permanent("work-not-writable", error.to_string())
                .because(error)
        })?;
        Ok(Office {
            certs: std::sync::Arc::new(BotCerts::of(package.bot.key())),
            lookaside: Lookaside::from_argument(&folder, HttpOptions::default())?,
            mirrors: Mirrors::at(package.folder.join("cache/mirrors"))?,
            transport: Transport::new()?,
            work,
        })
    }

    fn world<'a>(
        &'a self,
        containers: &'a Containers,
        upstream: Option<&'a Path>,
        now: SystemTime,
    ) -> World<'a> {
        World {
            lookout: Lookout {
                mirrors: &self.mirrors,
                transport: &self.transport,
                trusted: Trusted { bot_certs: &self.certs, keyring: &[], dist: Some(".fc44") },
                tag_trust: TagTrust::Any,
                local_sources: true,
                now,
            },
            rules: Rules { accept_rewrite: false, dist: Some(".fc44".to_owned()) },
            work: &self.work,
            releases: Releases {
                folder: upstream,
                downloads: download::Rules::new(Reach::public()),
                lookaside: Some(&self.lookaside),
                keyring: &[],
                now,
            },
            containers,
            container_log: self.work.join("container.log"),
            method: Method::Git,
            progress: Progress::SILENT,
        }
    }
}

/// Writes a file, and the folders that it lies in.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, content));
    written.map_err(|error| {
        let words = format!("cannot write {}: {error}", path.display());
        crate::outcome::Problem::permanent("output-not-writable", words).because(error).into()
    })
}

/// Leaves the bot's key and an allowed-signers file in `folder`, for the commands that people try next.
///
/// # Errors
/// Fails where the folder cannot be written.
pub fn write_keys(folder: &Path, package: &Package) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |error: std::io::Error| {
        let words = format!("cannot write to {}: {error}", folder.display());
        crate::outcome::Problem::permanent("output-not-writable", words).because(error)
    };
    let secret = package.bot.key().export(None)?;
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(folder.join("bot.key")).map_err(failed)?;
    file.write_all(secret.expose().as_bytes()).map_err(failed)?;
    let line = format!("{} {}", package.bot.mail(), package.bot.key().public());
    std::fs::write(folder.join("allowed-signers"), line).map_err(failed)?;
    Ok(())
}
