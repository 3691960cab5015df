//! rpm as the judge of every case: what it reads in the edited spec is what was meant.

use std::path::Path;
use std::process::Command;

use super::cases::{Case, all, edited};
use super::*;

/// What rpm says of a spec.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub evr: String,
    pub source0: Option<String>,
    /// In the order of application.
    pub patches: Vec<String>,
    pub entries: usize,
}

/// Runs an rpm tool on a spec and returns what it printed and complained of.
fn run(folder: &Path, program: &str, arguments: &[&str], spec: &[u8]) -> (String, String) {
    let file = folder.join("hello.spec");
    std::fs::write(&file, spec).unwrap();
    let output = Command::new(program)
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .args(["--define", &format!("_topdir {}", folder.display())])
        .args(["--define", &format!("_sourcedir {}", folder.display())])
        .args(["--define", "dist .fc44", "--define", "fedora 44"])
        .args(["--define", "autorelease 7%{?dist}", "--define", "autochangelog %{nil}"])
        .args(arguments)
        .arg(&file)
        .output()
        .unwrap_or_else(|error| panic!("this test needs {program} (Debian package rpm): {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8_lossy(spec);
    assert!(output.status.success(), "{program}: {stderr}\n{text}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), stderr)
}

/// Runs an rpm tool on a spec; anything on stderr fails the test, because rpm exits with 0 on a bad changelog.
pub(super) fn rpm(folder: &Path, program: &str, arguments: &[&str], spec: &[u8]) -> String {
    let (printed, complaints) = run(folder, program, arguments, spec);
    assert!(
        complaints.is_empty(),
        "{program}: {complaints}\n{}",
        String::from_utf8_lossy(spec)
    );
    printed
}

const QUESTION: [&str; 4] = [
    "-q",
    "--srpm",
    "--qf",
    "%{EPOCHNUM}:%{V}-%{R}\\n[%{SOURCE} ]\\n[%{PATCH} ]\\n%{#CHANGELOGTIME}\\n",
];

/// Asks `rpmspec -q` what a spec says.
pub(super) fn ask(folder: &Path, spec: &[u8]) -> Seen {
    seen(&rpm(folder, "rpmspec", &QUESTION, spec))
}

/// Asks `rpmspec -q` what a spec says that rpm warns of, whether we edit it or not.
pub(super) fn ask_despite_warnings(folder: &Path, spec: &[u8]) -> Seen {
    seen(&run(folder, "rpmspec", &QUESTION, spec).0)
}

fn seen(answer: &str) -> Seen {
    let lines: Vec<&str> = answer.lines().collect();
    let words =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).rev().collect() };
    Seen {
        evr: lines[0].to_owned(),
        source0: words(lines[1]).into_iter().next(),
        patches: words(lines[2]),
        entries: lines[3].parse().unwrap_or(0),
    }
}

fn with_entry(case: &Case) -> Vec<u8> {
    let evr = "0:1.1-2";
    let edits = Edits { changelog: Some(entry(evr)), ..case.edits.clone() };
    SpecFile::parse(fixture(case.file), &fedora()).edit(&edits).unwrap().bytes
}

#[test]
fn rpm_reads_from_every_edited_spec_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    for case in all() {
        let spec = SpecFile::parse(edited(&case), &fedora());
        let seen = ask(folder.path(), spec.bytes());
        if !case.evr.is_empty() {
            assert_eq!(seen.evr, case.evr, "{}", case.file);
        }
        if !case.source0.is_empty() {
            assert_eq!(seen.source0.as_deref(), Some(case.source0), "{}", case.file);
        }
        if !case.patches.is_empty() {
            assert_eq!(seen.patches, case.patches, "{}", case.file);
        }
        assert_eq!(seen.entries, spec.changelog_entries().len(), "{}", case.file);
    }
}

#[test]
fn rpm_sees_every_entry_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for case in all() {
        let before = SpecFile::parse(fixture(case.file), &fedora());
        let after = SpecFile::parse(with_entry(&case), &fedora());
        let added = usize::from(
            !(case.edits.auto == crate::config::AutoMacros::Keep && before.uses_autochangelog()),
        );
        let wanted = before.changelog_entries().len() + added;
        assert_eq!(after.changelog_entries().len(), wanted, "{}", case.file);
        assert_eq!(ask(folder.path(), after.bytes()).entries, wanted, "{}", case.file);
    }
}

#[test]
fn our_own_expander_agrees_with_rpm_on_the_whole_corpus() {
    let folder = tempfile::tempdir().unwrap();
    // rpm does not take `%setup` without a source, so that spec is only read after it got one.
    for case in all().into_iter().filter(|case| case.file != "source-none") {
        let bytes = fixture(case.file);
        let spec = SpecFile::parse(bytes.clone(), &fedora());
        let seen = ask(folder.path(), &bytes);
        if let (Ok(version), Ok(release)) = (spec.version(), spec.release()) {
            let evr = format!("{}:{version}-{}", spec.epoch().unwrap(), release.with_dist);
            assert_eq!(seen.evr, evr, "{}", case.file);
        }
        let active = |patch: &ListedPatch| patch.read_as == ReadAs::Active;
        let patches = spec.patches().into_iter().filter(active).filter_map(|patch| patch.file);
        assert_eq!(seen.patches, patches.collect::<Vec<_>>(), "{}", case.file);
    }
}

#[test]
fn patches_without_a_number_get_the_one_that_rpm_gives_them() {
    let folder = tempfile::tempdir().unwrap();
    let lists = [
        "Patch7: a\nPatch3: b\nPatch: c\n",
        "Patch: a\nPatch: b\n%patchlist\nc\nd\n",
        "Patch5: a\n%if 0\nPatch: b\nPatch9: c\n%endif\nPatch: d\n",
        "%patchlist\na\n%if 0\nb\n%endif\nc\n",
    ];
    for list in lists {
        let show =
            (0..12).map(|number| format!("%{{?PATCH{number}:is {number} %{{PATCH{number}}}}}\n"));
        let text = format!(
            "Name: hello\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\n{list}\n%description\nx\n%prep\n{}",
            show.collect::<String>()
        );
        let printed = rpm(folder.path(), "rpmspec", &["-P"], text.as_bytes());
        let mut expected: Vec<String> =
            printed.lines().filter(|line| line.starts_with("is ")).map(str::to_owned).collect();
        let active = |patch: &ListedPatch| patch.read_as == ReadAs::Active;
        let patches = SpecFile::parse(text, &fedora()).patches().into_iter().filter(active);
        let shown = |patch: ListedPatch| {
            format!("is {} {}/{}", patch.number, folder.path().display(), patch.raw)
        };
        let mut found: Vec<String> = patches.map(shown).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{list}");
    }
}

#[test]
fn every_edited_spec_expands_and_builds_a_source_package() {
    let folder = tempfile::tempdir().unwrap();
    for case in all() {
        let bytes = with_entry(&case);
        let spec = SpecFile::parse(bytes.clone(), &fedora());
        let sources = spec.sources().into_iter().filter_map(|s| s.file_name().map(str::to_owned));
        for file in sources.chain(spec.patches().into_iter().filter_map(|patch| patch.file)) {
            std::fs::write(folder.path().join(file), "sixteen bytes or more\n").unwrap();
        }
        let expanded = rpm(folder.path(), "rpmspec", &["-P"], &bytes);
        assert!(expanded.to_lowercase().contains("version:"), "{}", case.file);
        let written = rpm(folder.path(), "rpmbuild", &["-bs", "--nodeps"], &bytes);
        let (_, package) = case.evr.split_once(':').unwrap_or_default();
        assert!(written.contains(&format!("hello-{package}")), "{}: {written}", case.file);
    }
}

#[test]
fn the_steps_of_prep_apply_each_patch_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    // `git am` needs mails, not these bare patches; and the shell trips over the line ends of a CRLF `%prep`.
    let left_out = ["autosetup-git", "crlf"];
    for case in super::layouts::patched().into_iter().filter(|case| !left_out.contains(&case.file))
    {
        let edits = Edits {
            source0: "hello-1.0.tar.gz".parse().ok(),
            prefix_dir: "hello-1.0".parse().ok(),
            ..case.edits.clone()
        };
        let spec = SpecFile::parse(fixture(case.file), &fedora()).edit(&edits).unwrap().bytes;
        prepare_sources(folder.path(), &spec);
        rpm_quietly(folder.path(), &spec);
        let applied =
            std::fs::read_to_string(folder.path().join("BUILD/hello-1.0/applied")).unwrap();
        let applied: Vec<&str> = applied.lines().skip(1).collect();
        assert_eq!(applied, case.patches, "{}", case.file);
    }
}

/// Writes an archive, and for each patch a file that adds the patch's name to `applied`; each fits only after the
/// one before it.
fn prepare_sources(folder: &Path, spec: &[u8]) {
    let tree = folder.join("tree/hello-1.0");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("applied"), "start\n").unwrap();
    let made = Command::new("tar")
        .current_dir(folder.join("tree"))
        .args(["-czf", "../hello-1.0.tar.gz", "hello-1.0"])
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::write(folder.join("hello.service"), "").unwrap();
    let _ = std::fs::remove_dir_all(folder.join("BUILD"));
    let listed = SpecFile::parse(spec.to_vec(), &fedora()).patches();
    let active = listed.into_iter().filter(|patch| patch.read_as == ReadAs::Active);
    let mut last = "start".to_owned();
    for (before, patch) in active.enumerate() {
        let (at, file) = (before + 1, patch.raw);
        let text =
            format!("--- a/applied\n+++ b/applied\n@@ -{at},1 +{at},2 @@\n {last}\n+{file}\n");
        std::fs::write(folder.join(&file), text).unwrap();
        last = file;
    }
}

/// Runs `%prep`; it talks on stderr, so only its status counts.
fn rpm_quietly(folder: &Path, spec: &[u8]) {
    let file = folder.join("hello.spec");
    std::fs::write(&file, spec).unwrap();
    let output = Command::new("rpmbuild")
        .env("HOME", folder)
        .args(["-bp", "--nodeps"])
        .args(["--define", &format!("_topdir {}", folder.display())])
        .args(["--define", &format!("_sourcedir {}", folder.display())])
        .args(["--define", "dist .fc44", "--define", "fedora 44"])
        .arg(&file)
        .output()
        .expect("this test needs rpmbuild (Debian package rpm)");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(spec)
    );
}
