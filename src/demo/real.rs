//! The main job on a real project's history, in a temporary clone.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Kind, Package, Person, Project};
use crate::config::{AutoMacros, BranchConfig, TagTrust};
use crate::git::commit::without_signature;
use crate::git::{Commit, Objects, Store, Transport};
use crate::names::{FileName, ObjectId, PackageName, RepositoryAddress, Version};
use crate::observe::{Asked, find_spec, release};
use crate::outcome::{Problem, Refusal, Result};
use crate::report::{Outcome, Report, describe};
use crate::spec::{Context, Edits, ReadAs, SpecFile};

/// The branch in the clone that is published.
const BRANCH: &str = "demo";

/// Clones the repository at `path`, signs its HEAD with a throw-away key, and publishes it twice.
///
/// # Errors
/// Refuses a repository without commits or without a usable spec; fails where the sync does.
pub async fn play(
    folder: &Path,
    path: &Path,
    now: SystemTime,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let mut clone = clone(folder, path, now).await?;
    let objects = clone.objects()?;
    let signer = Person::new("Throwaway", Kind::OpenPgp, now - Duration::from_secs(3600))?;
    let tip = resign(&clone, &objects, &signer, now)?;
    let spec = find_spec(&objects, &tip, None)??;
    let read = SpecFile::parse(spec.bytes.clone(), &Context::default());
    let name = read.name()?;
    let commits = objects.range(&tip.id, &[])?.len();
    say(&format!("\n{commits} commits of {name}, whose spec is {}\n", spec.path));

    let config = config(&clone, &signer, spec.path.as_str());
    let parsed = BranchConfig::parse(config.as_bytes()).map_err(Refusal::from)?;
    let wanted = Wanted { config: &parsed, spec: &read, package: &name };
    let version = match wanted.version(&objects, &tip)? {
        Ok(version) => version,
        Err(_) => {
            let tag = wanted.tag_first_commit(&mut clone, &objects, &tip)?;
            say(&format!(
                "No tag of it is a release, so the clone gets {tag} on its first commit.\n"
            ));
            wanted.version(&objects, &tip)??
        }
    };
    let bot = Person::new("Lockkeeper Demo", Kind::Ssh, now)?;
    let mut package = Package::new(folder, name.as_str(), "f44", bot, now)?;
    package.opt_in(&config, &[&signer])?;
    super::package::write_keys(folder, &package)?;
    let others = other_sources(&read, version)?;
    if !others.is_empty() {
        package.stand_in_for(&others)?;
        let names: Vec<&str> = others.iter().map(FileName::as_str).collect();
        say(&format!(
            "Its other sources, which a packager uploads: stand-ins for {}.\n",
            names.join(", ")
        ));
    }
    tell(
        &package.sync(now).await?,
        Outcome::Landed,
        "Its HEAD, signed by a throw-away key, lands",
        say,
    )?;
    tell(
        &package.sync(now).await?,
        Outcome::UpToDate,
        "Once more; nothing has changed",
        say,
    )?;
    say(&format!(
        "\n== Look for yourself\n  git -C {0} show --stat f44\n  git -C {0} show f44:{name}.spec\n  \
         find {1}/lookaside -type f\n  rm -r {1}   # when you have seen enough\n",
        package.dist_git.folder().display(),
        folder.display(),
    ));
    Ok(())
}

/// Fetches HEAD and all tags into a bare repository of our own; the original stays as it is.
async fn clone(folder: &Path, path: &Path, now: SystemTime) -> Result<Project> {
    let original = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let address: RepositoryAddress = original.to_string_lossy().parse().map_err(|error| {
        let error: crate::names::NameError = error;
        Refusal::config("bad-argument", error.to_string())
    })?;
    let to = folder.join("source/real.git");
    Store::init_bare(&to)?;
    let refspecs = [format!("+HEAD:refs/heads/{BRANCH}"), "+refs/tags/*:refs/tags/*".to_owned()];
    Transport::new()?.fetch(&to, &address, &refspecs).await?;
    Project::open(&to, BRANCH, now)
}

/// Replaces the tip by the same commit with a signature of ours.
fn resign(clone: &Project, objects: &Objects, signer: &Person, now: SystemTime) -> Result<Commit> {
    let id =
        clone.tip()?.ok_or_else(|| Refusal::new("empty-repository", "it has no commit yet"))?;
    let unsigned = without_signature(&objects.commit(&id)?.raw);
    let signed = objects.write(crate::git::Kind::Commit, &signer.sign(&unsigned, now)?)?;
    clone.move_to(&signed)?;
    objects.commit(&signed)
}

fn config(clone: &Project, signer: &Person, spec: &str) -> String {
    format!(
        "version: 1\nsource:\n  repository: file://{}\n  branch: {BRANCH}\nsigning:\n  keys:\n    - {}\n\
         spec:\n  path: {spec:?}\n",
        clone.folder().display(),
        signer.listed(),
    )
}

/// What the choice of the release depends on besides the repository.
struct Wanted<'a> {
    config: &'a BranchConfig,
    spec: &'a SpecFile,
    package: &'a PackageName,
}

impl Wanted<'_> {
    /// Returns the version that is going to be published, or why there is no release in reach of `tip`.
    fn version(&self, objects: &Objects, tip: &Commit) -> Result<Result<Version, Refusal>> {
        let Wanted { config, package, .. } = *self;
        let asked = Asked { package, config, trust: TagTrust::Any, policy: None };
        let release = release(&asked, objects, tip, objects.tags()?)?;
        Ok(release.map(|release| release.chosen.version))
    }

    /// Tags the first commit with the spec's version, and returns the tag.
    fn tag_first_commit(
        &self,
        clone: &mut Project,
        objects: &Objects,
        tip: &Commit,
    ) -> Result<String> {
        let tag = self.spec.version().map_or("v0.1".to_owned(), |version| format!("v{version}"));
        clone.tag(&tag, &first_commit(objects, tip)?, None)?;
        Ok(tag)
    }
}

/// Returns the sources besides the bot's archive that the spec is going to name.
fn other_sources(spec: &SpecFile, version: Version) -> Result<Vec<FileName>> {
    let edits = Edits { version: Some(version), auto: AutoMacros::Keep, ..Edits::default() };
    let edited = SpecFile::parse(spec.edit(&edits)?.bytes, &Context::default());
    let sources = edited.sources();
    let others = sources.iter().filter(|source| source.number != 0);
    let others = others.filter(|source| source.read_as != ReadAs::Inactive);
    Ok(others.filter_map(|source| source.file_name()?.parse().ok()).collect())
}

fn first_commit(objects: &Objects, tip: &Commit) -> Result<ObjectId> {
    let mut current = tip.clone();
    while let Some(parent) = current.parents.first() {
        current = objects.commit(parent)?;
    }
    Ok(current.id)
}

fn tell(report: &Report, wanted: Outcome, title: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
    let told = describe(report);
    if report.outcome != wanted {
        return Err(Problem::permanent(
            "demo-failed",
            format!("{title}: this came out otherwise:\n{told}"),
        )
        .into());
    }
    say(&format!("\n== {title}\n{told}"));
    Ok(())
}
