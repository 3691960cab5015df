//! What is refused, with its code and its line.

use super::*;

/// Asks for everything at once.
fn everything() -> Edits {
    Edits {
        source0: "hello-1.1.tar.gz".parse().ok(),
        prefix_dir: "hello-1.1".parse().ok(),
        patches: patches(&["a.patch"]),
        changelog: Some(entry("0:1.1-2")),
        ..to("1.1", "2")
    }
}

#[test]
fn what_cannot_be_edited_safely_is_refused_with_its_line() {
    let table = [
        ("refused-include", "spec-tag-included", "line 2 "),
        ("refused-two-versions", "spec-two-versions", "lines 2 and 3 "),
        ("refused-comment", "spec-version-illegal", "line 2 "),
        ("refused-dash", "spec-version-illegal", "line 2 "),
        ("refused-undecided-version", "spec-condition-undecided", "(line 2)"),
        ("refused-undecided-release", "spec-condition-undecided", "(line 3)"),
        ("refused-undecided-source", "spec-condition-undecided", "(line 6)"),
        ("refused-undecided-changelog", "spec-condition-undecided", "line 17,"),
        ("refused-two-sources", "spec-two-sources", "lines 6 and 7 "),
        ("refused-computed", "spec-tag-computed", "line 2 "),
        ("refused-open-if", "spec-unreadable", "line 7 "),
        ("refused-open-macro", "spec-unreadable", "line 7 "),
        ("refused-marker", "spec-marker-unpaired", "line 7 "),
        ("refused-subpackage-patch", "spec-patch-in-subpackage", "line 9 "),
        ("refused-level", "spec-patch-level", "line 13 "),
        ("autosetup-twice", "spec-applied-twice", "lines 12, 13 "),
        ("forge", "spec-prefix-unknown", "line 12 "),
        ("script", "spec-applier-unknown", "%prep"),
    ];
    for (file, code, line) in table {
        let spec = SpecFile::parse(fixture(file), &fedora());
        let refusal = spec.edit(&everything()).expect_err(file);
        assert_eq!(
            (refusal.code.0, refusal.message.contains(line)),
            (code, true),
            "{file}: {refusal}"
        );
        assert!(!refusal.hint.is_empty(), "{file}");
    }
}

#[test]
fn a_name_that_means_something_to_rpm_never_gets_into_a_spec() {
    let spec = SpecFile::parse(fixture("plain"), &fedora());
    for name in ["%{lua:x}.patch", "a;b.patch", "$x.patch", "a'b.patch", "a#b.patch"] {
        let edits = Edits { patches: patches(&[name]), ..Edits::default() };
        assert_eq!(spec.edit(&edits).unwrap_err().code.0, "spec-file-name-illegal", "{name}");
        let edits = Edits { source0: name.parse().ok(), ..Edits::default() };
        assert_eq!(spec.edit(&edits).unwrap_err().code.0, "spec-file-name-illegal", "{name}");
    }
}

#[test]
fn two_releases_that_rpm_would_both_read_are_refused() {
    let text = String::from_utf8(fixture("plain")).unwrap();
    let text = text.replace("Release:        1%{?dist}\n", "Release: 1\nrelease: 2\n");
    let refusal = SpecFile::parse(text, &fedora()).edit(&everything()).unwrap_err();
    assert_eq!(refusal.code.0, "spec-two-releases");
    assert!(refusal.message.starts_with("lines 3 and 4 "), "{refusal}");
}

#[test]
fn without_a_dist_tag_a_conditional_on_the_distribution_is_not_decided() {
    let spec = SpecFile::parse(fixture("conditional-version"), &Context::default());
    assert_eq!(spec.version().unwrap_err().code.0, "spec-condition-undecided");
    let rhel = SpecFile::parse(fixture("conditional-version"), &Context::with_dist(".el9"));
    assert_eq!(rhel.published_evr().unwrap().to_string(), "0:0.9-7");
}

#[test]
fn a_nul_byte_is_refused() {
    let mut bytes = fixture("plain");
    bytes.insert(30, 0);
    let refusal = SpecFile::parse(bytes, &fedora()).edit(&Edits::default()).unwrap_err();
    assert_eq!(refusal.code.0, "spec-unreadable");
    assert!(refusal.message.contains("line 2 "), "{refusal}");
}
