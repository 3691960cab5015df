//! Specs put together by chance: what is not edited keeps its bytes, and nothing panics.

use proptest::prelude::*;

use super::*;

/// Pieces of a preamble that may stand in any order and number.
const FRAGMENTS: [&str; 24] = [
    "# a comment with a %{name}\n",
    "\n",
    "%global unused 1\n",
    "%define lazy %{unused}.%{version}\n",
    "%if 0%{?fedora}\nBuildRequires: fedora-thing\n%else\nBuildRequires: other\n%endif\n",
    "%if 0%{?rhel}\nPatch: rhel.patch\n%endif\n",
    "%if 0%{?rhel} >= 9 && !0%{?fedora}\nVersion: 0.1\nRelease: 9\n%endif\n",
    "%ifarch x86_64\nBuildRequires: nasm\n%endif\n",
    "%bcond_without tests\n%if %{with tests}\nBuildRequires: check\n%endif\n",
    "%global text %{expand:\nVersion: 9\n}\n",
    "%global joined a \\\n  Version: 8\n",
    "%{?undefined_thing:Epoch: 7}\n",
    "Patch: by-hand.patch\n",
    "Source: other.tar.gz\r\n",
    "Requires:\tfoo = %{version}-%{release}\n",
    "%dnl Version: 7\n",
    "#Version: 6\n",
    " Version: 5\n",
    "%if 1\n%if 0\nRelease: 4\n%endif\n%endif\n",
    "Provides: bundled(x) = 1 \n",
    "%{!?python3_pkgversion:%global python3_pkgversion 3}\n",
    "%global date %(date)\n",
    "%if %(test -e /x && echo 1 || echo 0)\nBuildRequires: x\n%endif\n",
    "%undefine unused\n",
];

/// Ways to write the version and the release.
const IDENTITIES: [&str; 5] = [
    "Version: 1.0\nRelease: 1%{?dist}\n",
    "%global ver 1.0\nVersion:\t%{ver}\nRelease: 3%{?dist}.2\n",
    "%global major 1\n%global minor 0\nversion: %{major}.%{minor}\nrelease: %autorelease\n",
    "%if 0%{?fedora}\nVersion: 1.0\n%else\nVersion: 2.0\n%endif\n%global baserelease 3\nRelease: %{baserelease}%{?dist}\n",
    "%global prerel rc1\nVersion: 1.0%{?prerel:~%{prerel}}\nRelease: 1\n",
];

const PREPS: [&str; 4] = [
    "%prep\n%autosetup -p1\n",
    "%prep\n%setup -q\ntouch x\n",
    "",
    "%prep\n%setup -q\n%autopatch -p1\n\n%package devel\nSummary: x\nVersion: 7\n",
];

const ENDS: [&str; 4] = [
    "",
    "%changelog\n* Tue Jan 02 2024 Alice <alice@example.org> - 1.0-1\n- caf\u{e9} 100%%\n",
    "%changelog\n%autochangelog\n",
    "%files\n%doc README",
];

fn specs() -> impl Strategy<Value = Vec<u8>> {
    let fragments = || prop::collection::vec(0..FRAGMENTS.len(), 0..6);
    let choices = (0..IDENTITIES.len(), 0..PREPS.len(), 0..ENDS.len());
    (fragments(), fragments(), choices, any::<bool>()).prop_map(
        |(before, after, (identity, prep, end), crlf)| {
            let join = |parts: Vec<usize>| {
                parts.into_iter().map(|part| FRAGMENTS[part]).collect::<String>()
            };
            let text = format!(
                "Name: hello\nSummary: x\nLicense: MIT\n{}{}{}Source0: hello-%{{version}}.tar.gz\n%description\nx\n\n{}{}",
                join(before).replace("Source:", "# Source:"),
                IDENTITIES[identity],
                join(after).replace("Source:", "# Source:"),
                PREPS[prep],
                ENDS[end],
            );
            if crlf {
                text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
            } else {
                text.into_bytes()
            }
        },
    )
}

/// Tells whether an edit of these tests may have taken a line away, or written it.
fn may_change(line: &str) -> bool {
    let text = line[1..].trim_end_matches("\\r").trim_end_matches('\\');
    let identity = IDENTITIES.iter().any(|identity| identity.lines().any(|line| line == text));
    let unfinished = line.ends_with('\\') && text == "%doc README";
    let starts = [
        "Version",
        "version",
        "Release: ",
        "release: ",
        "Patch",
        "# lockkeeper",
        "%patch -P",
        "* Mon Feb",
        "- Fix 100%%",
        "- Second",
        "%changelog",
        "%doc README",
        "%global ver ",
        "%global major",
        "%global minor",
        "%global baserelease",
        "%global prerel",
        "#global prerel",
    ];
    match line.as_bytes()[0] {
        b'-' => identity || unfinished || text == "%autochangelog",
        _ => text.is_empty() || starts.iter().any(|start| text.starts_with(start)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn lines_that_are_not_edited_keep_their_bytes(bytes in specs(), release in 1u32..9, patched in any::<bool>()) {
        let spec = SpecFile::parse(bytes.clone(), &fedora());
        let patches = if patched { patches(&["a.patch", "b.patch"]) } else { Vec::new() };
        let edits = Edits { patches, changelog: Some(entry("0:1.1-2")), ..to("1.1", &release.to_string()) };
        match spec.edit(&edits) {
            Ok(edited) => {
                for line in difference(&bytes, &edited.bytes) {
                    prop_assert!(may_change(&line), "{line:?}\n{}", String::from_utf8_lossy(&edited.bytes));
                }
                let again = SpecFile::parse(edited.bytes.clone(), &fedora());
                prop_assert_eq!(again.version().unwrap().to_string(), "1.1");
                prop_assert_eq!(again.release().unwrap().with_dist.to_string(), format!("{release}.fc44"));
                prop_assert_eq!(again.edit(&edits).unwrap().bytes, edited.bytes);
            }
            Err(refusal) => prop_assert_eq!(refusal.code.0, "spec-applier-unknown"),
        }
    }

    #[test]
    fn nothing_asked_is_nothing_changed(bytes in specs()) {
        let edited = SpecFile::parse(bytes.clone(), &fedora()).edit(&Edits::default()).unwrap();
        prop_assert_eq!(edited.bytes, bytes);
        prop_assert!(edited.notes.is_empty());
    }

    #[test]
    fn no_bytes_make_the_editor_panic(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        words in prop::collection::vec(prop::sample::select(vec![
            "%", "{", "}", "(", ")", "[", "]", "\\", "\n", "\r\n", "?", "!", ":", "~", "Version: ", "Release: ", "Patch",
            "Source0: ", "%if ", "%else\n", "%endif\n", "%global ", "%define ", "x ", "1", "%changelog\n", "* ", "%prep\n",
            "%autosetup ", "-p", "-n ", "%{?dist}", "%patchlist\n", "# lockkeeper patches begin\n", "\u{e000}", "é", "Name: a\n",
        ]), 0..60),
    ) {
        let edits = Edits {
            source0: "hello-1.1.tar.gz".parse().ok(),
            prefix_dir: "hello-1.1".parse().ok(),
            epoch: Some(1),
            patches: patches(&["a.patch"]),
            changelog: Some(entry("0:1.1-2")),
            ..to("1.1~rc1", "2")
        };
        for bytes in [noise, words.concat().into_bytes(), format!("Name: a\nVersion: 1\nRelease: 1\n{}", words.concat()).into_bytes()] {
            let spec = SpecFile::parse(bytes, &fedora());
            let _ = (spec.name(), spec.published_evr(), spec.sources(), spec.patches(), spec.applier());
            let _ = (spec.changelog_entries(), spec.uses_autochangelog(), spec.macro_uses("x"));
            if let Ok(edited) = spec.edit(&edits) {
                let again = SpecFile::parse(edited.bytes.clone(), &fedora());
                prop_assert_eq!(again.edit(&edits).map(|edited| edited.bytes), Ok(edited.bytes));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn rpm_reads_from_specs_made_by_chance_what_was_meant(bytes in specs(), patched in any::<bool>()) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // rpm takes neither a tag after spaces, nor a subpackage without a description, nor `%bcond` and backslashes before CRLF.
        let fails = ["\n Version", "%package", "%bcond_without tests\r", "\\\r"];
        prop_assume!(!fails.iter().any(|part| text.contains(part)));
        let patches = if patched { patches(&["a.patch", "b.patch"]) } else { Vec::new() };
        let edits = Edits { patches: patches.clone(), changelog: Some(entry("0:1.1-2")), ..to("1.1", "2") };
        if let Ok(edited) = SpecFile::parse(bytes, &fedora()).edit(&edits) {
            let folder = tempfile::tempdir().unwrap();
            let spec = SpecFile::parse(edited.bytes.clone(), &fedora());
            let seen = super::rpm::ask_despite_warnings(folder.path(), &edited.bytes);
            prop_assert_eq!(seen.evr, "0:1.1-2.fc44");
            prop_assert_eq!(seen.source0.as_deref(), Some("hello-1.1.tar.gz"));
            prop_assert_eq!(seen.entries, spec.changelog_entries().len());
            let last: Vec<String> = seen.patches.iter().rev().take(patches.len()).rev().cloned().collect();
            prop_assert_eq!(last, patches.iter().map(|file| file.to_string()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn specs_made_to_be_slow_are_read_in_linear_time() {
    let repeated = |text: &str, count: usize| text.repeat(count);
    let doubling = "%define a %{b}%{b}\n%define b %{c}%{c}\n%define c %{d}%{d}\n%define d %{e}%{e}\n%define e eeeeeeee\n";
    let table = [
        ("open macros", repeated("# %{x\n", 20_000)),
        ("nested conditionals", repeated("%if 1\n", 8_000)),
        ("continued lines", repeated("%x \\\n", 6_000)),
        ("doubling macros", format!("{doubling}{}", repeated("Requires: %a\n", 300))),
        ("itself", "%define a %a %a\n%a\n".to_owned()),
        (
            "sources left out",
            format!("%if 0\n{}%endif\n", repeated("Source1: x\nPatch: %{y}\n", 4_000)),
        ),
        ("versions", repeated("Version: 1\n", 20_000)),
        ("prereleases", repeated("%global rc rc1\n", 800)),
    ];
    for (name, text) in table {
        let started = std::time::Instant::now();
        let bytes =
            format!("Name: a\nVersion: 1\nRelease: 1\n{text}%description\nx\n").into_bytes();
        let _ = SpecFile::parse(bytes, &fedora()).edit(&to("2", "1"));
        assert!(started.elapsed().as_secs() < 10, "{name}: {:?}", started.elapsed());
        println!("{name}: {:?}", started.elapsed());
    }
}
