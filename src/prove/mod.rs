//! The other proof of tree identity: rpm itself prepares the tree, in a sandbox, and it is compared.
//!
//! 1. rpm is run where it sees no network and nothing of ours: in the operator's prover image ([`contained`]), else in a
//!    [`sandbox`] on the machine itself;
//! 2. the spec's name, version and release must come to what was planned, and `rpmbuild -bs` must have nothing
//!    to say;
//! 3. `rpmbuild -bp` runs `%prep`;
//! 4. what it left ([`prepared`]) must be, file by file, what the proof in git terms came to.
//!
//! A spec runs code when rpm reads it. That code is signed, but it is not ours: hence the sandbox, always.
//! Rule: the design, section 5, "Tree identity".

mod contained;
pub mod prepared;
pub mod sandbox;

#[cfg(test)]
mod tests;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use self::contained::Prover;
use self::sandbox::{INSIDE, Sandbox};
use crate::decide::Order;
use crate::git::Objects;
use crate::outcome::{Problem, Refusal, Result, printable};
use crate::populate::Draft;
use crate::populate::contained::Room;
use crate::populate::content::Prepared;
use crate::populate::identity::Method;

/// How long rpm may take for reading a spec.
const READING: Duration = Duration::from_secs(2 * 60);

/// How long `%prep` may take.
const PREPARING: Duration = Duration::from_secs(20 * 60);

/// How much of what rpm says is shown.
const SHOWN: usize = 2000;

/// Proves a draft by rpm where that was asked for, and returns the method by which it is proved now.
///
/// `dist_git` is what the draft's tree was written through; the prover's image, where there is one, runs in `room`.
///
/// # Errors
/// Refuses where no sandbox is at hand (`rpm-proof-impossible`), where rpm reads the spec otherwise than planned
/// (`rpm-reads-otherwise`), where `%prep` fails (`rpm-prep-fails`), and where it leaves another tree
/// (`tree-identity`).
pub async fn prove(
    order: &Order,
    draft: &Draft,
    dist_git: &Objects,
    room: &Room<'_>,
) -> Result<Method> {
    let Some(wanted) = &draft.prepared else { return Ok(Method::Git) };
    let way = match Prover::find(order, room).await? {
        Some(prover) => Way::Contained(prover),
        None => Way::Sandboxed(Sandbox::find().await.map_err(impossible)?),
    };
    let folder =
        tempfile::Builder::new().prefix("rpm-").tempdir_in(room.work).map_err(|error| {
            let words = format!("cannot write below {}: {error}", room.work.display());
            Problem::permanent("work-not-writable", words).because(error)
        })?;
    let bench = Bench { folder: &folder.path().join("build"), way, order };
    bench.lay_out(draft, wanted, dist_git)?;
    bench.reads_as_planned().await?;
    bench.source_package().await?;
    bench.prepare().await?;
    prepared::compare(&bench.folder.join("BUILD"), wanted)?;
    Ok(Method::Rpm)
}

/// How rpm is run.
enum Way<'a> {
    /// On this machine, in a sandbox.
    Sandboxed(Sandbox),
    /// In the operator's image.
    Contained(Prover<'a>),
}

/// How a program of rpm's ended, and what it said.
struct Said {
    succeeded: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// The folder that rpm works in, and how it is run there.
struct Bench<'a> {
    folder: &'a Path,
    way: Way<'a>,
    order: &'a Order,
}

impl Bench<'_> {
    /// Puts the content of dist-git and the archives where rpm looks for sources.
    fn lay_out(&self, draft: &Draft, wanted: &Prepared, dist_git: &Objects) -> Result<()> {
        let failed = |error: std::io::Error| {
            let words = format!("cannot write below {}: {error}", self.folder.display());
            Problem::permanent("work-not-writable", words).because(error)
        };
        for folder in ["BUILD", "BUILDROOT", "RPMS", "SRPMS", "db", "home", "tmp"] {
            let folder = self.folder.join(folder);
            std::fs::create_dir_all(&folder).map_err(failed)?;
            // Who runs in a container is somebody else; the folder around is ours alone.
            for_all(&folder, 0o777).map_err(failed)?;
        }
        let sources = self.folder.join("SOURCES");
        dist_git.write_out(&draft.tree, &sources)?;
        let made =
            draft.archives.iter().filter_map(|made| Some((&made.name, made.path.as_deref()?)));
        for (name, path) in made.chain([(&wanted.file, wanted.archive.as_path())]) {
            let to = sources.join(name.as_str());
            std::fs::copy(path, &to).and_then(|_| for_all(&to, 0o644)).map_err(failed)?;
        }
        Ok(())
    }

    /// Sees that rpm reads the very epoch, version and release from the spec that were planned.
    async fn reads_as_planned(&self) -> Result<()> {
        let query = ["-q", "--srpm", "--qf", "%{epochnum}:%{version}-%{release}\n"];
        let output = self.run("rpmspec", &query, Dist::Left, READING).await?;
        let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        must_be_quiet("rpmspec -q", &output)?;
        let planned = &self.order.plan.evr;
        let planned = format!("{}:{}-{}", planned.epoch, planned.version, planned.release);
        match found == planned || self.order.keeps_auto_macros() {
            true => Ok(()),
            false => {
                let words = format!(
                    "rpm reads {} from the spec, planned was {planned}",
                    printable(&found, 200)
                );
                Err(Refusal::new("rpm-reads-otherwise", words)
                    .hint("see which macro or conditional of the spec gives another version or release to rpm")
                    .into())
            }
        }
    }

    /// Makes the source package, for what rpm has to say about it.
    async fn source_package(&self) -> Result<()> {
        let output = self.run("rpmbuild", &["-bs", "--nodeps"], Dist::Left, READING).await?;
        must_be_quiet("rpmbuild -bs", &output)
    }

    /// Runs `%prep`; it may say what it likes.
    async fn prepare(&self) -> Result<()> {
        let output = self.run("rpmbuild", &["-bp", "--nodeps"], Dist::Defined, PREPARING).await?;
        match output.succeeded {
            true => Ok(()),
            false => Err(Refusal::new("rpm-prep-fails", format!("rpmbuild -bp fails:\n{}", tail(&output)))
                .hint("run rpmbuild -bp on the content of dist-git; files that only a build has must come as sources")
                .into()),
        }
    }

    async fn run(
        &self,
        program: &str,
        arguments: &[&str],
        dist: Dist,
        limit: Duration,
    ) -> Result<Said> {
        let mut command = vec![program.to_owned()];
        for (name, value) in self.macros(dist) {
            command.extend(["--define".to_owned(), format!("{name} {value}")]);
        }
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        command.push(format!("{INSIDE}/SOURCES/{}.spec", self.order.target.package));
        let sandbox = match &self.way {
            Way::Sandboxed(sandbox) => sandbox,
            Way::Contained(prover) => return prover.run(self.folder, &command, limit).await,
        };
        let ran = sandbox.invocation(self.folder, &command).limit(limit).run().await;
        let output = ran.map_err(|error| {
            let words = format!("{program} in the sandbox: {error}");
            Problem::permanent("rpm-proof-failed", words).because(error)
        })?;
        let succeeded = output.status.success();
        Ok(Said { succeeded, stdout: output.stdout, stderr: output.stderr })
    }

    /// Returns the macros that are defined where the spec is read.
    fn macros(&self, dist: Dist) -> Vec<(&'static str, String)> {
        let mut macros: Vec<_> = [("_topdir", ""), ("_dbpath", "/db"), ("_tmppath", "/tmp")]
            .map(|(name, folder)| (name, format!("{INSIDE}{folder}")))
            .into();
        macros.push(("_disable_source_fetch", "1".to_owned()));
        // Without a network there is no name to be looked up, and rpm would warn.
        macros.push(("_buildhost", "localhost".to_owned()));
        if self.order.keeps_auto_macros() {
            // rpmautospec's own place holders.
            macros.push(("autorelease", "1%{?dist}".to_owned()));
            macros.push(("autochangelog", "%{nil}".to_owned()));
        }
        let Some(tag) = self.order.dist.as_deref() else { return macros };
        macros.extend(distribution(tag));
        let value = if dist == Dist::Defined { tag } else { "%{nil}" };
        macros.push(("dist", value.to_owned()));
        macros
    }
}

/// Whether the dist tag is part of the release that rpm reads; a planned release has none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dist {
    Defined,
    Left,
}

/// Returns the macro that tells the distribution's number, as its own packages define it.
fn distribution(dist: &str) -> Option<(&'static str, String)> {
    let (name, rest) = match dist.strip_prefix(".fc") {
        Some(rest) => ("fedora", rest),
        None => ("rhel", dist.strip_prefix(".el")?),
    };
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!number.is_empty()).then_some((name, number))
}

fn for_all(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn must_be_quiet(what: &str, output: &Said) -> Result<()> {
    if output.succeeded && output.stderr.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        "rpm-reads-otherwise",
        format!("{what} is not content with the spec:\n{}", tail(output)),
    )
    .hint("correct what rpm complains about in the spec")
    .into())
}

/// Returns the end of what rpm said, line by line harmless.
fn tail(output: &Said) -> String {
    let start = output.stderr.len().saturating_sub(SHOWN);
    let text = String::from_utf8_lossy(&output.stderr[start..]).into_owned();
    let lines = text.lines().map(|line| format!("  {}", printable(line, 300)));
    lines.collect::<Vec<_>>().join("\n")
}

fn impossible(why: Vec<String>) -> Refusal {
    let words = format!("rpm cannot be asked here:\n  {}", why.join("\n  "));
    Refusal::new("rpm-proof-impossible", words).hint(
        "install rpm-build and bubblewrap, or allow user namespaces; or name an image with rpm (--prover-image); \
         or prove in git terms alone with --prove git",
    )
}
