//! The mechanism `upstream-tarball` from a repository and a released tarball to the content of dist-git.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Parser;

use super::*;
use crate::digest::Sha512;
use crate::openpgp::SecretKey;
use crate::outcome::{Fault, Lasting};
use crate::populate::testing::World;
use crate::populate::upstream::download;
use crate::populate::upstream::network::Reach;
use crate::populate::upstream::obtain::{Releases, obtain};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

/// A project whose tarball is not its git: a stamped version, generated files, files that are only in git.
struct Upstream {
    world: World,
    mechanism: &'static str,
    population: String,
    outputs: std::cell::Cell<u32>,
}

const SPEC: &str = "\
Name:    hello
Version: 0.9
Release: 3%{?dist}
Summary: Greets
License: MIT
Source0: https://release.example/hello-%{version}.tar.gz

%description
Greets.

%prep
%autosetup -p1

%changelog
* Mon Jan 04 2021 Alice Example <alice@example.com> - 0.9-3
- Earlier
";

const MANY_LINES: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";

impl Upstream {
    fn new() -> Upstream {
        let world = World::new();
        world.write("src/a.c", MANY_LINES);
        world.write("VERSION", format!("development\n{MANY_LINES}"));
        world.write("run", "#!/bin/sh\n");
        world.set_executable("run");
        world.link("src/a.c", "link");
        world.write(".ci/steps", "only in git\n");
        world.commit("Release 1.0\n");
        world.git(&["tag", "v1.0"]);
        let upstream = Upstream {
            world,
            mechanism: "upstream-tarball",
            population: String::new(),
            outputs: 0.into(),
        };
        upstream.spec(SPEC);
        upstream
    }

    fn spec(&self, text: &str) {
        self.world.write(".distro/hello.spec", text);
        self.world.commit("Package\n");
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.world.source().join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        self.world.write(file, text.replacen(from, to, 1));
        self.world.commit(format!("Change {file}\n"));
    }

    /// Returns a tar of what `make dist` would leave in a folder `top`.
    fn tar(&self, top: &str) -> Vec<u8> {
        let folder = self.world.unpack("v1.0", top);
        std::fs::remove_dir_all(folder.join(".ci")).unwrap();
        std::fs::write(folder.join("VERSION"), format!("1.0\n{MANY_LINES}")).unwrap();
        std::fs::write(folder.join("configure"), "#!/bin/sh\n# generated\n").unwrap();
        let tar = self.world.run("tar", &["-c", top], self.world.path(), b"");
        assert!(tar.status.success());
        tar.stdout
    }

    fn upstream(&self) -> PathBuf {
        let folder = self.world.path().join("upstream");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn put(&self, file: &str, content: &[u8]) {
        std::fs::write(self.upstream().join(file), content).unwrap();
    }

    /// Puts the usual tarball at hand.
    fn release(&self) -> Sha512 {
        let content = gzip(&self.tar("hello-1.0"));
        self.put("hello-1.0.tar.gz", &content);
        Sha512::of(&content)
    }

    fn arguments(&self, more: &[&str]) -> Arguments {
        let config = self.world.path().join("source-git.yaml");
        let text = format!(
            "version: 1\nsource: {{repository: 'file:///nowhere', branch: main}}\n\
             signing: {{keys: [{{openpgp: {}}}]}}\npackaging: [.distro]\n\
             population:\n  mechanism: {}\n{}",
            "A".repeat(40),
            self.mechanism,
            self.population
        );
        std::fs::write(&config, text).unwrap();
        self.outputs.set(self.outputs.get() + 1);
        let output = self.output();
        let folder = self.world.path().join("cache");
        let source = self.world.source();
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let mut line: Vec<String> =
            ["populate", "--rev", "main", "--package", "hello", "--dist", ".fc44"]
                .map(str::to_owned)
                .into();
        for (flag, value) in [
            ("--source", path(&source)),
            ("--config", path(&config)),
            ("--output", path(&output)),
            ("--cache", path(&folder)),
            ("--upstream", path(&self.upstream())),
        ] {
            line.extend([flag.to_owned(), value]);
        }
        line.extend(more.iter().map(|argument| (*argument).to_owned()));
        Line::parse_from(line).arguments
    }

    async fn populate(&self, more: &[&str]) -> Report {
        populate(&self.arguments(more)).await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    async fn refused(&self, more: &[&str]) -> crate::report::Reason {
        let report = self.populate(more).await;
        assert_eq!(report.outcome, Outcome::Refused, "{report:?}");
        report.reason.expect("a refusal has a reason")
    }

    async fn populated(&self, more: &[&str]) -> Report {
        let report = self.populate(more).await;
        assert_eq!(report.outcome, Outcome::Populated, "{report:?}");
        report
    }

    fn output(&self) -> PathBuf {
        self.world.path().join(format!("output-{}", self.outputs.get()))
    }

    fn in_dist_git(&self, file: &str) -> String {
        std::fs::read_to_string(self.output().join("dist-git").join(file)).unwrap()
    }

    /// Works the order out, as the command does, and brings the tarball by `releases`.
    async fn obtain(&self, releases: impl FnOnce(&mut Releases<'_>)) -> Result<()> {
        let arguments = self.arguments(&[]);
        let surroundings = Surroundings::new(&arguments.draft.trust, Vec::new())?;
        let target = target(&arguments)?;
        let config = BranchConfig::parse(&read(&arguments.config)?).expect("the config is right");
        let store = Store::open(&arguments.source, Trust::InPlace)?;
        let tip = store.objects().commit(&self.world.rev("main").unwrap())?;
        let dist_git = empty_dist_git(&surroundings)?;
        let branch = branch_state(&target, &dist_git, config, &surroundings)?;
        let order =
            decide::order(ordered(&target, &store, tip, branch, &dist_git)?, &Rules::default())?;
        let mut from = surroundings.releases(&arguments.draft.content, None)?;
        releases(&mut from);
        let work = surroundings.work();
        let release = obtain(&order, &dist_git, &from, work).await?;
        let written = dist_git.store.scratch();
        let provisions = Provisions {
            work,
            dist_git: &written,
            release,
            sources: Sources::Required,
            method: Method::Git,
            progress: Progress::SILENT,
            given: None,
            bot_certs: surroundings.lookout().trusted.bot_certs,
            patch_cache: None,
            notes: Vec::new(),
        };
        draft(&order, &store, &dist_git, &provisions).map(drop)
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    bzip2::read::BzEncoder::new(content, bzip2::Compression::fast())
        .read_to_end(&mut encoded)
        .unwrap();
    encoded
}

fn zstandard(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

fn identity(report: &Report) -> &serde_json::Value {
    report.identity.as_ref().expect("what was proved is in the report")
}

#[tokio::test]
async fn every_compression_and_any_top_folder_is_taken() {
    let upstream = Upstream::new();
    upstream.edit("src/a.c", "five", "FIVE");
    let xz = |tar: &[u8]| {
        let packed = upstream.world.run("xz", &["-c", "-0"], upstream.world.path(), tar);
        packed.stdout
    };
    let cases: &[(&str, &str, Vec<u8>)] = &[
        ("gz", "hello-1.0", gzip(&upstream.tar("hello-1.0"))),
        ("bz2", "hello-v1.0", bzip2(&upstream.tar("hello-v1.0"))),
        ("xz", "Hello", xz(&upstream.tar("Hello"))),
        ("zst", "hello_1_0", zstandard(&upstream.tar("hello_1_0"))),
    ];
    for (ending, top, tarball) in cases {
        let file = format!("hello-1.0.tar.{ending}");
        upstream.put(&file, tarball);
        upstream.spec(&SPEC.replace("tar.gz", &format!("tar.{ending}")));
        let report = upstream.populated(&[]).await;
        let spec = upstream.in_dist_git("hello.spec");
        let enters = format!("%autosetup -n {top} -p1");
        assert_eq!(spec.contains(&enters), *top != "hello-1.0", "{spec}");
        assert!(spec.contains("Version: 1.0\n") && spec.contains(".patch\n"), "{spec}");
        let line = format!("SHA512 ({file}) = {}\n", Sha512::of(tarball));
        assert_eq!(upstream.in_dist_git("sources"), line);
        let kept = std::fs::read(upstream.output().join("lookaside").join(&file)).unwrap();
        assert_eq!(kept, *tarball, "the released bytes are published, not others");
        assert_eq!(report.patches, ["Change-src-a.c.patch"]);
        assert_eq!(identity(&report)["holds"], true);
        let at_tag = serde_json::json!({"only_in_archive": 1, "only_in_tag": 1, "changed": 1});
        assert_eq!(identity(&report)["at_tag"], at_tag);
        let paths = serde_json::json!([".ci/steps", "VERSION", "configure"]);
        assert_eq!(identity(&report)["differs_at_tag"], paths);
        assert!(
            report
                .warnings
                .iter()
                .any(|words| words.contains("is not its tag: 1 files only in it"))
        );
    }
}

#[tokio::test]
async fn patch_of_a_file_that_differs_at_the_tag_is_proved_by_the_lines_that_differ() {
    let upstream = Upstream::new();
    upstream.release();
    upstream.edit("VERSION", "seven", "SEVEN");
    let report = upstream.populated(&["--prove", "rpm"]).await;
    assert_eq!(identity(&report)["method"], "rpm");
    assert_eq!(identity(&report)["holds"], true);
    // The lines around the stamp are other ones in the tarball: the patch has nowhere to go.
    upstream.edit("VERSION", "one", "ONE");
    let reason = upstream.refused(&[]).await;
    assert_eq!(reason.code.0, "tree-identity");
    assert!(
        reason.message.contains("another one in the archive than at the tag"),
        "{reason:?}"
    );
}

#[tokio::test]
async fn patch_of_a_file_that_is_only_in_git_is_refused_by_name() {
    let upstream = Upstream::new();
    upstream.release();
    upstream.edit(".ci/steps", "only", "still only");
    let reason = upstream.refused(&[]).await;
    assert_eq!(reason.code.0, "tree-identity");
    for word in ["Change-.ci-steps.patch", ".ci/steps", "at the tag and not in the archive"] {
        assert!(reason.message.contains(word), "{reason:?}");
    }
    assert!(reason.hint.contains("packaging"), "{reason:?}");
}

#[tokio::test]
async fn patches_by_hand_go_first_and_what_they_change_is_subtracted() {
    let upstream = Upstream::new();
    upstream.release();
    let by_hand = "--- a/src/a.c\n+++ b/src/a.c\n@@ -8,3 +8,3 @@\n eight\n-nine\n+NINE\n ten\n";
    upstream.world.write(".distro/by-hand.patch", by_hand);
    upstream.spec(&SPEC.replace("\n\n%desc", "\nPatch0: by-hand.patch\n\n%desc"));
    upstream.edit("src/a.c", "two", "TWO");
    let report = upstream.populated(&["--prove", "rpm"]).await;
    assert_eq!(identity(&report)["by_hand"], serde_json::json!(["src/a.c"]));
    assert_eq!(report.patches, ["Change-src-a.c.patch"]);
}

#[tokio::test]
async fn what_the_specs_applier_cannot_carry_is_refused_with_the_one_that_can() {
    let cases: [(&str, &[u8], &str); 2] = [
        ("%autosetup -p1", b"\0\x01\x02binary\n", "%autosetup -p1 -S git"),
        ("%autosetup -p1 -S git_am", b"windows\r\nlines\r\n", "%autosetup -p1"),
    ];
    for (applier, content, works) in cases {
        let upstream = Upstream::new();
        upstream.release();
        upstream.spec(&SPEC.replace("%autosetup -p1", applier));
        upstream.world.write("data/new", content);
        upstream.world.commit("Add a file\n");
        let reason = upstream.refused(&[]).await;
        assert_eq!(reason.code.0, "applier-cannot");
        assert!(reason.message.contains("data/new in Add-a-file.patch"), "{reason:?}");
        assert!(reason.hint.contains(works), "{reason:?}");
        upstream.spec(&SPEC.replace("%autosetup -p1", works));
        let report = upstream.populated(&["--prove", "rpm"]).await;
        assert_eq!(identity(&report)["method"], "rpm", "rpm agrees that {works} carries it");
    }
}

#[tokio::test]
async fn pins_that_contradict_the_tarball_are_refused_and_those_that_agree_are_named() {
    let mut upstream = Upstream::new();
    let good = upstream.release();
    let bad = Sha512::of(b"other");
    let cases = [
        (String::new(), String::new(), Err("upstream-unpinned")),
        (format!("  upstream: {{sha512: {good}}}\n"), String::new(), Ok(())),
        (String::new(), format!("Upstream-sha512: {good}"), Ok(())),
        (
            format!("  upstream: {{sha512: {bad}}}\n"),
            String::new(),
            Err("upstream-hash-mismatch"),
        ),
        (String::new(), format!("Upstream-sha512: {bad}"), Err("upstream-hash-mismatch")),
        (
            format!("  upstream: {{sha512: {bad}}}\n"),
            format!("Upstream-sha512: {good}"),
            Err("upstream-hash-mismatch"),
        ),
        (String::new(), "Upstream-sha512: abc".to_owned(), Err("upstream-pin-malformed")),
    ];
    for (config, trailer, wanted) in cases {
        upstream.population = config;
        upstream.world.commit(format!("Say something\n\n{trailer}\n"));
        let found = match upstream.obtain(|_| ()).await {
            Ok(()) => Ok(()),
            Err(Fault::Refused(refusal)) => Err(refusal.code.0),
            Err(fault) => panic!("{fault}"),
        };
        assert_eq!(found, wanted, "{} {trailer}", upstream.population);
    }
    upstream.population.clear();
    upstream.world.commit("Nothing more\n");
    let report = upstream.populated(&[]).await;
    let warns = |words: &String| words.contains("`sync` would refuse it");
    assert!(report.warnings.iter().any(warns), "populate warns: {:?}", report.warnings);
}

#[tokio::test]
async fn detached_signature_pins_if_a_listed_key_made_it_over_this_very_file() {
    let mut upstream = Upstream::new();
    let tar = upstream.tar("hello-1.0");
    let tarball = gzip(&tar);
    upstream.put("hello-1.0.tar.gz", &tarball);
    let made = SystemTime::now() - Duration::from_secs(3600);
    let [releaser, stranger] = ["Releaser <r@example.com>", "Stranger <s@example.com>"]
        .map(|who| SecretKey::generate(who, made).unwrap());
    let keyring = upstream.world.path().join("keyring");
    std::fs::create_dir(&keyring).unwrap();
    std::fs::write(keyring.join("releaser.asc"), releaser.certificate()).unwrap();
    let sign =
        |key: &SecretKey, over: &[u8]| key.sign(over, SystemTime::now()).unwrap().into_bytes();
    upstream.population = format!(
        "  upstream:\n    signature: {{url: 'https://release.example/hello-{{version}}.tar.gz.asc', keys: [{}]}}\n",
        releaser.fingerprint()
    );
    let refused = Some("upstream-signature-bad");
    let cases = [
        ("over the file", sign(&releaser, &tarball), None),
        ("over the tar inside", sign(&releaser, &tar), None),
        ("over another file", sign(&releaser, b"another"), refused),
        ("by a stranger", sign(&stranger, &tarball), refused),
        ("none at all", b"no signature".to_vec(), refused),
        ("too large", vec![b'x'; 70_000], refused),
    ];
    for (case, signature, code) in cases {
        upstream.put("hello-1.0.tar.gz.asc", &signature);
        let folders = [keyring.clone()];
        let found = upstream.obtain(|releases| releases.keyring = leak(&folders)).await;
        let found = found.err().map(|fault| match fault {
            Fault::Refused(refusal) => refusal.code.0,
            Fault::Failed(problem) => problem.code.0,
        });
        assert_eq!(found, code, "{case}");
    }
}

/// A slice for the rest of the test run.
fn leak(folders: &[PathBuf]) -> &'static [PathBuf] {
    folders.to_vec().leak()
}

#[tokio::test]
async fn release_is_downloaded_from_source0_and_one_that_is_not_there_yet_is_waited_for() {
    let upstream = Upstream::new();
    let content = gzip(&upstream.tar("hello-1.0"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = content.clone();
    let route = axum::routing::get(|| async { served });
    let routes = axum::Router::new().route("/1.0/download", route);
    let server = tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
    let rules = || {
        let reach = Reach { allow_private: vec![address], ..Reach::public() };
        download::Rules {
            lookup: std::sync::Arc::new(move |_, _| Ok(vec![address])),
            ..download::Rules::new(reach)
        }
    };
    let source0 = |path: &str| {
        let there =
            format!("http://release.example:{}/{path}#/hello-%{{version}}.tar.gz", address.port());
        SPEC.replace("https://release.example/hello-%{version}.tar.gz", &there)
    };
    upstream.spec(&source0("%{version}/download"));
    upstream.world.commit(format!("Pin\n\nUpstream-sha512: {}\n", Sha512::of(&content)));
    upstream.obtain(|releases| releases.downloads = rules()).await.expect("it is there");
    upstream.spec(&source0("%{version}/not-yet"));
    let fault = upstream.obtain(|releases| releases.downloads = rules()).await.unwrap_err();
    let Fault::Failed(problem) = fault else { panic!("{fault}") };
    assert_eq!((problem.code.0, problem.lasting), (download::NOT_THERE_YET, Lasting::Temporary));
    server.abort();
}

#[tokio::test]
async fn tarballs_that_cannot_be_used_are_refused_in_words() {
    let upstream = Upstream::new();
    let world = &upstream.world;
    let flat = world.run("tar", &["-c", "VERSION", "run"], &world.source(), b"").stdout;
    let other = world.path().join("other/hello-1.0");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("f"), "nothing of it").unwrap();
    let other = world.run("tar", &["-c", "hello-1.0"], &world.path().join("other"), b"").stdout;
    let cases: [(&[u8], &str); 3] = [
        (&gzip(&flat), "upstream-top-folder"),
        (&gzip(&other), "upstream-unrelated"),
        (b"<html>Sign in</html>", "tarball-damaged"),
    ];
    for (content, code) in cases {
        upstream.put("hello-1.0.tar.gz", content);
        assert_eq!(upstream.refused(&[]).await.code.0, code);
    }
    std::fs::remove_file(upstream.upstream().join("hello-1.0.tar.gz")).unwrap();
    upstream.spec(&SPEC.replace("https://release.example/", ""));
    assert_eq!(upstream.refused(&[]).await.code.0, "upstream-nowhere");
    upstream.spec(&SPEC.replace("%{version}.tar", "%(date).tar"));
    assert_eq!(upstream.refused(&[]).await.code.0, "upstream-source-unknown");
}

#[tokio::test]
async fn five_hundred_commits_are_proved_on_top_of_the_tarball() {
    let upstream = Upstream::new();
    let history = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/patch-history.sh");
    let folder = upstream.world.path().join("history");
    let made =
        upstream
            .world
            .run(history, &[folder.to_str().unwrap(), "500"], upstream.world.path(), b"");
    assert!(made.status.success());
    let tarball = upstream.world.run(
        "git",
        &["archive", "--format=tar.gz", "--prefix=hello-1.0.0/", "v1.0.0"],
        &folder,
        b"",
    );
    upstream.put("hello-1.0.0.tar.gz", &tarball.stdout);
    upstream.world.git(&["fetch", "-q", "--tags", folder.to_str().unwrap(), "work"]);
    upstream.world.git(&["checkout", "-q", "-B", "main", "FETCH_HEAD"]);
    upstream.spec(SPEC);
    let report = upstream.populated(&[]).await;
    assert_eq!(report.patches.len(), 500);
    assert_eq!(report.evr.as_deref(), Some("0:1.0.0-502"));
    assert_eq!(identity(&report)["holds"], true);
    assert_eq!(identity(&report)["differs_at_tag"], serde_json::json!([]));
}

/// What only rpm sees: commands in %prep, and what it thinks of the spec.
#[tokio::test]
async fn rpm_is_asked_what_git_cannot_know() {
    let upstream = Upstream::new();
    upstream.release();
    upstream.edit("src/a.c", "two", "TWO");
    let cases = [
        (
            "-p1\n",
            "-p1\nrm run\nchmod +x VERSION\n",
            "tree-identity",
            "run is signed, and missing",
        ),
        (
            "-p1\n",
            "-p1\necho >left\n",
            "tree-identity",
            "left is prepared, and was not signed",
        ),
        ("-p1\n", "-p1\nexit 7\n", "rpm-prep-fails", "rpmbuild -bp fails"),
        ("* Mon", "* Tue", "rpm-reads-otherwise", "bogus date"),
    ];
    for (from, to, code, words) in cases {
        upstream.spec(&SPEC.replace(from, to));
        upstream.populated(&[]).await;
        let reason = upstream.refused(&["--prove", "rpm"]).await;
        assert_eq!(reason.code.0, code, "{reason:?}");
        assert!(reason.message.contains(words), "{reason:?}");
    }
}

#[tokio::test]
async fn rpm_agrees_with_every_mechanism() {
    for mechanism in ["archive", "tag-archive", "upstream-tarball"] {
        let mut upstream = Upstream::new();
        upstream.mechanism = mechanism;
        upstream.release();
        upstream.edit("src/a.c", "two", "TWO");
        upstream.world.link("run", "another-link");
        upstream.world.remove("link");
        upstream.world.write("empty", "");
        upstream.world.set_executable("src/a.c");
        upstream.world.commit("Links, modes and an empty file\n");
        let report = upstream.populated(&["--prove", "rpm"]).await;
        assert_eq!(identity(&report)["method"], "rpm", "{mechanism}");
    }
}
