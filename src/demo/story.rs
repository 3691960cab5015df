//! The main job told from a first release to a divergence.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Kind, NewCommit, Package, Person, Project};
use crate::outcome::{Problem, Result};
use crate::report::{Outcome, Report, describe};

/// The spec of the demo's project, as it lies in source-git; its version is wrong on purpose, as real ones often are.
pub const SPEC: &str = "\
Name:           hello
Version:        0
Release:        1%{?dist}
Summary:        Says hello
License:        MIT
URL:            https://example.org/hello
Source0:        %{url}/%{name}-%{version}.tar.gz
BuildArch:      noarch

%description
Says hello.

%prep
%autosetup -p1

%build

%install
install -D -m 755 hello %{buildroot}%{_bindir}/hello

%files
%{_bindir}/hello

%changelog
";

/// One scene: what happens, and what is to come of it.
struct Scene {
    title: &'static str,
    wanted: Wanted,
}

/// What a scene must come to; anything else is a fault of ours, and the demo says so.
enum Wanted {
    Outcome(Outcome),
    Refusal(&'static str),
}

impl Scene {
    fn tell(&self, report: &Report) -> Result<String> {
        let code = report.reason.as_ref().map(|reason| reason.code.0);
        let as_wanted = match self.wanted {
            Wanted::Outcome(outcome) => report.outcome == outcome,
            Wanted::Refusal(wanted) => report.outcome == Outcome::Refused && code == Some(wanted),
        };
        match as_wanted {
            true => Ok(format!("\n== {}\n{}", self.title, describe(report))),
            false => Err(Problem::permanent(
                "demo-failed",
                format!("{}: this came out otherwise:\n{}", self.title, describe(report)),
            )
            .into()),
        }
    }
}

fn lands(title: &'static str) -> Scene {
    Scene { title, wanted: Wanted::Outcome(Outcome::Landed) }
}

fn refused(title: &'static str, code: &'static str) -> Scene {
    Scene { title, wanted: Wanted::Refusal(code) }
}

/// Plays the story in `folder`, telling each scene through `say`.
///
/// # Errors
/// Fails where a scene comes out otherwise than it should.
pub async fn play(folder: &Path, now: SystemTime, say: &mut dyn FnMut(&str)) -> Result<()> {
    let born = now - Duration::from_secs(30 * 24 * 3600);
    let start = now - Duration::from_secs(24 * 3600);
    let alice = Person::new("Alice", Kind::OpenPgp, born)?;
    let bob = Person::new("Bob", Kind::Ssh, born)?;
    let mallory = Person::new("Mallory", Kind::OpenPgp, born)?;
    let bot = Person::new("Lockkeeper Demo", Kind::Ssh, born)?;

    let mut source = Project::new(&folder.join("source/hello.git"), "main", start)?;
    let mut package = Package::new(folder, "hello", "f44", bot, start)?;
    let config = config(&source, &[&alice, &bob]);
    package.opt_in(&config, &[&alice, &bob])?;
    super::package::write_keys(folder, &package)?;

    let release = source.commit(
        NewCommit::new("Say hello\n")
            .put("hello", "#!/bin/sh\necho hello\n")
            .put("README", "A program that says hello.\n")
            .put(".distro/hello.spec", SPEC)
            .signed_by(&alice),
    )?;
    source.tag("v1.0", &release, Some(&alice))?;
    let report = package.sync(now).await?;
    say(&lands("Alice signs a release; it lands").tell(&report)?);

    source.commit(
        NewCommit::new("Greet whoever is named\n\nResolves: #7\n")
            .put("hello", "#!/bin/sh\necho \"hello ${1:-world}\"\n")
            .signed_by(&bob),
    )?;
    let report = package.sync(now).await?;
    say(&lands("Bob signs a follow-up with his SSH key; it lands as a patch release")
        .tell(&report)?);

    let report = package.sync(now).await?;
    let scene = Scene {
        title: "Once more; nothing has changed",
        wanted: Wanted::Outcome(Outcome::UpToDate),
    };
    say(&scene.tell(&report)?);

    source
        .commit(NewCommit::new("Sneak in a change\n").put("README", "Trust me.\n").by(&mallory))?;
    let report = package.sync(now).await?;
    say(&refused("Somebody pushes an unsigned commit", "unsigned-tip").tell(&report)?);

    source.commit(
        NewCommit::new("Sign it at least\n").put("README", "Trust me!\n").signed_by(&mallory),
    )?;
    let report = package.sync(now).await?;
    say(&refused("Mallory signs, with a key that nobody listed", "key-not-listed").tell(&report)?);

    source.commit(
        NewCommit::new("Put the README right again\n")
            .put("README", "A program that says hello.\n")
            .signed_by(&alice),
    )?;
    let report = package.sync(now).await?;
    say(&lands("Alice looks at it, mends it and signs; it lands").tell(&report)?);

    package
        .dist_git
        .commit(NewCommit::new("Quick fix\n").put("hello.spec", "Name: hello\n").by(&bob))?;
    let report = package.sync(now).await?;
    say(&refused("A human edits the spec in dist-git", "diverged").tell(&report)?);

    say(&closing(folder, &package));
    Ok(())
}

fn config(source: &Project, people: &[&Person]) -> String {
    let keys: Vec<String> =
        people.iter().map(|person| format!("    - {}\n", person.listed())).collect();
    format!(
        "version: 1\nsource:\n  repository: file://{}\n  branch: main\nsigning:\n  keys:\n{}\
         population:\n  mechanism: tag-archive\n",
        source.folder().display(),
        keys.concat()
    )
}

fn closing(folder: &Path, package: &Package) -> String {
    let dist_git = package.dist_git.folder().display();
    let folder = folder.display();
    format!(
        "\n== Look for yourself
  git -C {dist_git} -c gpg.ssh.allowedSignersFile={folder}/allowed-signers log --show-signature f44
  git -C {dist_git} show f44~1                      # what the bot committed last
  git -C {dist_git} diff f44~3 f44~1 -- hello.spec  # what it did to the spec
  git -C {dist_git} show f44~1:sources
  find {folder}/lookaside -type f
  lockkeeper sync --dist-git {dist_git} --branch f44 --dist .fc44 \\
      --key {folder}/bot.key --bot-name 'Lockkeeper Demo' --bot-mail bot@example.org --lookaside {folder}/lookaside
  rm -r {folder}                                    # when you have seen enough
"
    )
}
