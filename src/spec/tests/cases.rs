//! The table: a spec of the corpus, what is asked for, and exactly which lines change.

use super::layouts::{patched, sources};
use super::versions::versions;
use super::*;
use crate::config::AutoMacros;

/// One row.
pub(super) struct Case {
    /// The spec in `fixtures/specs`.
    pub file: &'static str,
    /// What is asked for.
    pub edits: Edits,
    /// What rpm must see, dist tag and all.
    pub evr: &'static str,
    /// What rpm must see as Source0; empty: not looked at.
    pub source0: &'static str,
    /// Which patches rpm must see, in the order they are applied.
    pub patches: &'static [&'static str],
    /// The lines that change.
    pub difference: &'static [&'static str],
}

pub(super) fn row(
    file: &'static str,
    edits: Edits,
    evr: &'static str,
    source0: &'static str,
    difference: &'static [&'static str],
) -> Case {
    Case { file, edits, evr, source0, patches: &[], difference }
}

pub(super) fn archive(edits: Edits, file: &str) -> Edits {
    let prefix = file.trim_end_matches(".tar.gz").parse().ok();
    Edits { source0: file.parse().ok(), prefix_dir: prefix, ..edits }
}

pub(super) fn with_epoch(edits: Edits, epoch: u32) -> Edits {
    Edits { epoch: Some(epoch), ..edits }
}

pub(super) fn with_minor(mut edits: Edits, minor: u32) -> Edits {
    if let Some(release) = &mut edits.release {
        release.minor = Some(minor);
    }
    edits
}

pub(super) fn snapshot(edits: Edits) -> Edits {
    let commit = "89abcdef0123456789abcdef0123456789abcdef".parse().unwrap();
    Edits { snapshot: Some(Snapshot { commit, date: date(2024, 2, 5) }), ..edits }
}

/// Makes a row's edits.
pub(super) fn edited(case: &Case) -> Vec<u8> {
    let spec = SpecFile::parse(fixture(case.file), &fedora());
    let edited =
        spec.edit(&case.edits).unwrap_or_else(|refusal| panic!("{}: {refusal}", case.file));
    edited.bytes
}

pub(super) fn releases() -> Vec<Case> {
    let keep = Edits { auto: AutoMacros::Keep, ..to("1.1", "5") };
    vec![
        row(
            "two-releases",
            to("1.1", "2"),
            "0:1.1-2.fc44",
            "hello-1.1.tar.gz",
            &[
                "-Version:        1.0",
                "+Version:        1.1",
                "-Release:        1%{?dist}",
                "+Release:        2%{?dist}",
                "-Release:        0.git%{?dist}",
                "+Release:        2%{?dist}",
            ],
        ),
        row(
            "autorelease",
            to("1.0", "5"),
            "0:1.0-5.fc44",
            "",
            &["-Release:        %autorelease", "+Release:        5%{?dist}"],
        ),
        row(
            "autorelease",
            keep,
            "0:1.1-7.fc44",
            "",
            &["-Version:        1.0", "+Version:        1.1"],
        ),
        row(
            "autorelease-options",
            to("1.0", "5"),
            "0:1.0-5.fc44",
            "",
            &["-Release:        %{autorelease -b 3 -e pre}", "+Release:        5%{?dist}"],
        ),
        row(
            "autorelease-behind-macro",
            to("1.0", "5"),
            "0:1.0-5.fc44",
            "",
            &["-Release:        %{rel}", "+Release:        5%{?dist}"],
        ),
        row(
            "autorelease-behind-macro",
            Edits { auto: AutoMacros::Keep, ..to("1.0", "5") },
            "0:1.0-7.fc44",
            "",
            &[],
        ),
        row(
            "autorelease-optional",
            to("1.0", "5"),
            "0:1.0-5.fc44",
            "",
            &[
                "-Release:        %{?autorelease}%{!?autorelease:5%{?dist}}",
                "+Release:        5%{?dist}",
            ],
        ),
        row(
            "baserelease",
            to("1.0", "4"),
            "0:1.0-4.fc44",
            "",
            &["-%global baserelease 3", "+%global baserelease 4"],
        ),
        row(
            "baserelease",
            with_minor(to("1.0", "3"), 1),
            "0:1.0-3.fc44.1",
            "",
            &[
                "-Release:        %{baserelease}%{?dist}",
                "+Release:        %{baserelease}%{?dist}.1",
            ],
        ),
        row(
            "release-macro-with-dist",
            to("1.0", "4"),
            "0:1.0-4.fc44",
            "",
            &["-%global rel 3%{?dist}", "+%global rel 4%{?dist}"],
        ),
        row(
            "release-macro-with-dist",
            with_minor(to("1.0", "3"), 1),
            "0:1.0-3.fc44.1",
            "",
            &["-%global rel 3%{?dist}", "+%global rel 3%{?dist}.1"],
        ),
        row(
            "release-minor",
            to("1.0", "4"),
            "0:1.0-4.fc44",
            "",
            &["-Release:        3%{?dist}.2", "+Release:        4%{?dist}"],
        ),
        row(
            "release-minor",
            with_minor(to("1.0", "3"), 3),
            "0:1.0-3.fc44.3",
            "",
            &["-Release:        3%{?dist}.2", "+Release:        3%{?dist}.3"],
        ),
        row(
            "release-no-dist",
            to("1.0", "4"),
            "0:1.0-4.fc44",
            "",
            &["-Release:        3", "+Release:        4%{?dist}"],
        ),
        row(
            "plain",
            with_minor(to("1.0", "2"), 1),
            "0:1.0-2.fc44.1",
            "",
            &["-Release:        1%{?dist}", "+Release:        2%{?dist}.1"],
        ),
    ]
}

pub(super) fn all() -> Vec<Case> {
    [versions(), releases(), sources(), patched()].into_iter().flatten().collect()
}

#[test]
fn each_case_changes_exactly_the_lines_it_should() {
    for case in all() {
        let before = fixture(case.file);
        let edited = edited(&case);
        assert_eq!(
            difference(&before, &edited),
            case.difference,
            "{}: {:?}",
            case.file,
            case.edits
        );
    }
}

#[test]
fn editing_twice_is_editing_once() {
    for case in all() {
        let once = edited(&case);
        let twice = SpecFile::parse(once.clone(), &fedora()).edit(&case.edits).unwrap();
        assert_eq!(difference(&once, &twice.bytes), [""; 0], "{}", case.file);
    }
}

#[test]
fn our_patches_can_be_replaced_and_taken_out_again() {
    for case in patched() {
        let before = fixture(case.file);
        let spec = SpecFile::parse(edited(&case), &fedora());
        let other = Edits { patches: patches(&["c.patch"]), ..Edits::default() };
        let replaced = SpecFile::parse(spec.edit(&other).unwrap().bytes, &fedora());
        let ours = replaced.patches().into_iter().filter(|patch| patch.origin == Origin::Ours);
        assert_eq!(ours.map(|patch| patch.raw).collect::<Vec<_>>(), ["c.patch"], "{}", case.file);
        let none = replaced.edit(&Edits::default()).unwrap().bytes;
        let added_level = case.file == "autosetup-no-level";
        assert_eq!(none == before, !added_level, "{}: {:?}", case.file, difference(&before, &none));
    }
}

#[test]
fn what_a_spec_says_can_be_asked() {
    let spec = SpecFile::parse(fixture("source-false-branch"), &fedora());
    assert_eq!(spec.name().unwrap().as_str(), "hello");
    assert_eq!(spec.published_evr().unwrap().to_string(), "0:1.0-1");
    assert_eq!(spec.release().unwrap().with_dist.as_str(), "1.fc44");
    let sources = spec.sources();
    let shown: Vec<_> =
        sources.iter().map(|s| (s.number, s.file_name(), s.read_as, s.line)).collect();
    let expected = [
        (0, Some("old-1.0.tar.gz"), ReadAs::Inactive, 7),
        (0, Some("hello_1.0.orig.tar.gz"), ReadAs::Active, 9),
        (1, Some("hello.service"), ReadAs::Active, 11),
    ];
    assert_eq!(shown, expected);
    let minor = SpecFile::parse(fixture("release-minor"), &fedora());
    assert_eq!(minor.published_evr().unwrap().to_string(), "0:1.0-3.2");
    assert_eq!(minor.release().unwrap().with_dist.as_str(), "3.fc44.2");
    let auto = SpecFile::parse(fixture("autorelease"), &fedora());
    assert!(auto.uses_autorelease() && auto.uses_autochangelog());
    assert_eq!(auto.release().unwrap_err().code.0, "spec-unexpandable");
    assert!(!spec.uses_autorelease() && !spec.uses_autochangelog());
    assert_eq!(spec.macro_uses("version"), [7, 9]);
}

#[test]
fn the_applier_is_told() {
    let given = PatchLevel::Given(1);
    let table = [
        ("plain", Applier::Autosetup { level: given, scm: None, line: 12 }),
        (
            "autosetup-git",
            Applier::Autosetup { level: given, scm: Some("git_am".into()), line: 12 },
        ),
        (
            "autosetup-no-level",
            Applier::Autosetup { level: PatchLevel::NotGiven, scm: None, line: 12 },
        ),
        ("autosetup-none", Applier::PatchLines { lines: vec![] }),
        ("autopatch", Applier::Autopatch { level: given, lines: vec![14] }),
        ("setup-patch", Applier::PatchLines { lines: vec![14] }),
        ("forge", Applier::ForgeAutosetup { level: given, line: 12 }),
        ("script", Applier::Unknown),
    ];
    for (file, expected) in table {
        assert_eq!(SpecFile::parse(fixture(file), &fedora()).applier(), expected, "{file}");
    }
}

#[test]
fn the_patches_are_listed_with_their_owner() {
    let edits = Edits { patches: patches(&["a.patch"]), ..Edits::default() };
    let before = SpecFile::parse(fixture("patches-conditional"), &fedora());
    let spec = SpecFile::parse(before.edit(&edits).unwrap().bytes, &fedora());
    let shown: Vec<_> =
        spec.patches().into_iter().map(|p| (p.number, p.raw, p.read_as, p.origin)).collect();
    let expected = [
        (1, "first.patch".to_owned(), ReadAs::Active, Origin::ByHand),
        (2, "fedora.patch".to_owned(), ReadAs::Active, Origin::ByHand),
        (3, "rhel.patch".to_owned(), ReadAs::Inactive, Origin::ByHand),
        (5, "a.patch".to_owned(), ReadAs::Active, Origin::Ours),
    ];
    assert_eq!(shown, expected);
}
