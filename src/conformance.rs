//! The conformance kit: does an image keep the container contract?
//!
//! A small project is made in a temporary folder and populated by the image, the same way a branch would be. What
//! comes of it is told point by point:
//!
//! 1. the image is there and has a digest;
//! 2. it runs to its end as an unprivileged user, with a read-only root, without network and capabilities;
//! 3. what it leaves passes every check of a hostile output;
//! 4. the spec, its own or the one in the source, can be edited;
//! 5. archive and patches are what was signed (else `identity: required` cannot be had);
//! 6. a second run leaves the same bytes;
//! 7. it does not take on a request of another version of the contract.
//!
//! A point that could not be reached is told as such, and does not hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::config::Mechanism;
use crate::container::{Access, ExitKind, ImageReference, Limits, Mount, Options, RunSpec};
use crate::demo::{Kind, NewCommit, Package, Person, Project, story};
use crate::git::{EntryMode, Store, Trust};
use crate::outcome::{Problem, Result};
use crate::populate::archive;
use crate::populate::contained::Containers;
use crate::report::{Outcome, Report};

/// One thing that the contract asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// A stable name.
    pub point: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What was seen.
    pub words: String,
}

/// All points, for one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    image: String,
    points: Vec<Point>,
}

impl Checked {
    /// Tells whether every point holds.
    pub fn holds(&self) -> bool {
        self.points.iter().all(|point| point.holds)
    }

    /// Returns the points.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Returns it for people.
    pub fn words(&self) -> String {
        let mut text = format!("{}\n", self.image);
        for Point { point, holds, words } in &self.points {
            let mark = if *holds { "holds" } else { "FAILS" };
            text.push_str(&format!(
                "  {mark}  {point:<12} {}\n",
                words.replace('\n', "\n                      ")
            ));
        }
        let failing = self.points.iter().filter(|point| !point.holds).count();
        text + &match failing {
            0 => "It keeps contract 1.\n".to_owned(),
            failing => format!("{failing} of {} points do not hold.\n", self.points.len()),
        }
    }

    /// Returns it for programs.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "image": self.image, "holds": self.holds(), "points": self.points })
    }
}

/// Checks an image.
///
/// # Errors
/// Fails where the engine does not work, or the small project cannot be made; an image that fails is no error.
pub async fn check(
    image: &ImageReference,
    mechanism: Mechanism,
    options: Options,
    now: SystemTime,
) -> Result<Checked> {
    let containers = Containers::new(options);
    let engine = containers.engine().await?;
    let mut checked = Checked { image: image.to_string(), points: Vec::new() };
    let pinned = match engine.resolve(image).await {
        Ok(pinned) => pinned,
        Err(fault) => {
            checked.points.push(Point { point: "image", holds: false, words: fault.to_string() });
            return Ok(checked);
        }
    };
    checked.image = pinned.to_string();
    checked
        .points
        .push(Point { point: "image", holds: true, words: "it is there".to_owned() });
    let bench = Bench::set(image, mechanism, now)?;
    let first = bench.run(&containers, "first", now).await?;
    let reached = reached(&first);
    checked.points.extend(points_of(&first, reached));
    checked.points.push(bench.repeats(&containers, reached, now).await?);
    let limits = &containers.options().limits;
    let log = bench.at("other.log");
    let other = bench.other_contract(limits, &log)?;
    let ran = engine.run(&pinned, &other).await?;
    checked.points.push(refuses_other_contract(&ran.exit));
    Ok(checked)
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Run,
    Output,
    Spec,
    Done,
}

fn reached(report: &Report) -> Reached {
    let code = report.reason.as_ref().map_or("", |reason| reason.code.0);
    match code {
        _ if report.outcome == Outcome::Previewed => Reached::Done,
        _ if code.starts_with("container-") || code.starts_with("engine-") => Reached::Run,
        _ if code.starts_with("output-") || code.starts_with("result-") => Reached::Output,
        _ => Reached::Spec,
    }
}

fn points_of(report: &Report, reached: Reached) -> Vec<Point> {
    let said = report.reason.as_ref().map(|reason| format!("{} [{}]", reason.message, reason.code));
    let said = said.unwrap_or_default();
    let point = |point, at: Reached, good: &str| Point {
        point,
        holds: reached > at,
        words: match reached {
            _ if reached > at => good.to_owned(),
            _ if reached == at => said.clone(),
            _ => "not reached".to_owned(),
        },
    };
    vec![
        point("run", Reached::Run, "it ran to its end, confined, and was done"),
        point("output", Reached::Output, "everything that it left may be there"),
        point("spec", Reached::Spec, "the spec was edited"),
        identity(report, reached),
    ]
}

fn identity(report: &Report, reached: Reached) -> Point {
    let holds = report.identity.as_ref().is_some_and(|identity| identity["holds"] == true);
    let words = match (reached, holds) {
        (Reached::Done, true) => "archive and patches are what was signed".to_owned(),
        (Reached::Done, false) => report.warnings.join("\n"),
        _ => "not reached".to_owned(),
    };
    Point { point: "identity", holds: holds && reached == Reached::Done, words }
}

fn refuses_other_contract(exit: &ExitKind) -> Point {
    let (holds, words) = match exit {
        ExitKind::Refused { last_line } => (true, format!("it refuses contract 99: {last_line}")),
        ExitKind::Done => {
            (false, "it takes on a request of contract 99, which it cannot know".to_owned())
        }
        other => (
            true,
            format!(
                "it fails on contract 99 ({other:?}); exit code 64 and a reason would be better"
            ),
        ),
    };
    Point { point: "contract", holds, words }
}

/// A small project, and a dist-git branch that the image populates.
struct Bench {
    folder: tempfile::TempDir,
    package: Package,
    mechanism: Mechanism,
}

impl Bench {
    fn set(image: &ImageReference, mechanism: Mechanism, now: SystemTime) -> Result<Bench> {
        let folder = tempfile::Builder::new().prefix("lockkeeper-").tempdir().map_err(|error| {
            Problem::permanent("no-temporary-folder", "cannot make a temporary folder")
                .because(error)
        })?;
        let at = |name: &str| folder.path().join(name);
        let (born, start) = (now - Duration::from_secs(900_000), now - Duration::from_secs(90_000));
        let alice = Person::new("Alice", Kind::OpenPgp, born)?;
        let mut source = Project::new(&at("source/hello"), "main", start)?;
        let first = NewCommit::new("Say hello")
            .put_as(EntryMode::Executable, "hello", "#!/bin/sh\necho hello\n")
            .put("README", "Says hello.\n")
            .put_as(EntryMode::Symlink, "doc/README", "../README")
            .put(".distro/hello.spec", story::SPEC)
            .put(".distro/hello.conf", "greeting = hello\n")
            .signed_by(&alice);
        let first = source.commit(first)?;
        source.tag("v1.0", &first, Some(&alice))?;
        source.commit(
            NewCommit::new("Say more").put("README", "Says hello, twice.\n").signed_by(&alice),
        )?;
        source.commit(
            NewCommit::new("Write names with \u{fc}")
                .put("src/\u{fc}.txt", "\u{fc}\n")
                .signed_by(&alice),
        )?;
        let bot = Person::new("Conformance", Kind::Ssh, born)?;
        let mut package = Package::new(folder.path(), "hello", "f44", bot, start)?;
        package.opt_in(&config(&source, &alice, image, mechanism), &[&alice])?;
        let bench = Bench { folder, package, mechanism };
        bench.release(&first)?;
        Ok(bench)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Leaves the tag's content as the tarball that upstream would have released.
    fn release(&self, tag: &crate::names::ObjectId) -> Result<()> {
        let store = Store::open(&self.at("source/hello"), Trust::InPlace)?;
        let failed = |error: std::io::Error| {
            Problem::permanent("work-not-writable", "cannot write the tarball").because(error)
        };
        std::fs::create_dir(self.at("upstream")).map_err(failed)?;
        let mut file =
            std::fs::File::create(self.at("upstream/hello-1.0.tar.gz")).map_err(failed)?;
        let commit = store.objects().commit(tag)?;
        archive::write(&store, &commit, "hello-1.0", &mut file, 0, None).map(drop)
    }

    async fn run(&self, containers: &Containers, output: &str, now: SystemTime) -> Result<Report> {
        let upstream = self.at("upstream");
        let upstream = (self.mechanism == Mechanism::UpstreamTarball).then_some(upstream.as_path());
        let output = self.at(output);
        std::fs::create_dir_all(&output).map_err(|error| {
            Problem::permanent("work-not-writable", "cannot make a folder").because(error)
        })?;
        self.package.preview(containers, upstream, &output, now).await
    }

    async fn repeats(
        &self,
        containers: &Containers,
        reached: Reached,
        now: SystemTime,
    ) -> Result<Point> {
        let point = |holds, words: &str| Point { point: "repeats", holds, words: words.to_owned() };
        if reached != Reached::Done {
            return Ok(point(false, "not reached"));
        }
        self.run(containers, "second", now).await?;
        let differing = differing(&files(&self.at("first")), &files(&self.at("second")));
        Ok(match differing {
            None => point(true, "a second run left the same bytes"),
            Some(path) => point(
                false,
                &format!("a second run left another {path}; look for clocks and order"),
            ),
        })
    }

    /// Returns a run on a request that no image can know how to fulfil.
    fn other_contract<'a>(&self, limits: &'a Limits, log: &'a Path) -> Result<RunSpec<'a>> {
        let failed = |error: std::io::Error| {
            Problem::permanent("work-not-writable", "cannot write the other request").because(error)
        };
        let asked = self.at("asked");
        for folder in [&asked, &self.at("output")] {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        std::fs::write(asked.join("request.json"), "{\"contract\": 99}\n").map_err(failed)?;
        let read = |host, inside| Mount { host, inside, access: Access::ReadOnly };
        let mounts = vec![
            read(self.at("source/hello"), "/source"),
            read(self.at("upstream"), "/upstream"),
            read(asked, "/lockkeeper"),
            Mount { host: self.at("output"), inside: "/output", access: Access::ReadWrite },
        ];
        let env =
            [("LOCKKEEPER_CONTRACT", "99"), ("LOCKKEEPER_REQUEST", "/lockkeeper/request.json")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Ok(RunSpec {
            label: "conformance".to_owned(),
            mounts,
            env,
            command: None,
            folder: None,
            network: false,
            limits,
            log,
            keep_stdout: None,
        })
    }
}

fn config(
    source: &Project,
    alice: &Person,
    image: &ImageReference,
    mechanism: Mechanism,
) -> String {
    let mechanism = serde_json::to_value(mechanism).expect("a mechanism is one word");
    format!(
        "version: 1\nsource: {{repository: \"file://{}\", branch: main}}\nsigning: {{keys: [{}]}}\n\
         population: {{container: \"{image}\", mechanism: {mechanism}}}\npackaging: [.distro]\n",
        source.folder().display(),
        alice.listed(),
    )
}

/// Returns the content of every file below the result's two folders.
fn files(output: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![output.join("dist-git"), output.join("lookaside")];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => waiting.push(path),
                false => {
                    let shown = path.strip_prefix(output).unwrap_or(&path).display().to_string();
                    files.insert(shown, std::fs::read(&path).unwrap_or_default());
                }
            }
        }
    }
    files
}

fn differing(
    first: &BTreeMap<String, Vec<u8>>,
    second: &BTreeMap<String, Vec<u8>>,
) -> Option<String> {
    let paths = first.keys().chain(second.keys());
    paths.into_iter().find(|path| first.get(*path) != second.get(*path)).cloned()
}
