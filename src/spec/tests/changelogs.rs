//! Where the new entry goes, and what happens to those that are there.

use super::rpm::ask;
use super::*;
use crate::config::AutoMacros;

fn publish(file: &str, edits: &Edits) -> Vec<u8> {
    SpecFile::parse(fixture(file), &fedora()).edit(edits).unwrap().bytes
}

fn one(evr: &str) -> Edits {
    Edits { changelog: Some(entry(evr)), ..Edits::default() }
}

const ENTRY: [&str; 3] =
    ["+* Mon Feb 05 2024 Bob <bob@example.org> - 1.1-2", "+- Fix 100%% of it", "+- Second"];

#[test]
fn the_entry_comes_on_top_and_nothing_else_changes() {
    let table: [(&str, &[&str]); 9] = [
        ("plain", &[ENTRY[0], ENTRY[1], ENTRY[2], "+"]),
        ("latin1", &[ENTRY[0], ENTRY[1], ENTRY[2], "+"]),
        (
            "crlf",
            &[
                "+* Mon Feb 05 2024 Bob <bob@example.org> - 1.1-2\\r",
                "+- Fix 100%% of it\\r",
                "+- Second\\r",
                "+\\r",
            ],
        ),
        ("no-final-newline", &[ENTRY[0], ENTRY[1], ENTRY[2], "+"]),
        ("no-changelog", &["+", "+%changelog", ENTRY[0], ENTRY[1], ENTRY[2]]),
        (
            "no-changelog-no-newline",
            &[
                "-%autosetup -p1\\",
                "+%autosetup -p1",
                "+",
                "+%changelog",
                ENTRY[0],
                ENTRY[1],
                ENTRY[2],
            ],
        ),
        (
            "empty-changelog",
            &["-%changelog\\", "+%changelog", ENTRY[0], ENTRY[1], ENTRY[2]],
        ),
        (
            "future-entry",
            &["+* Wed Jan 02 2030 Bob <bob@example.org> - 1.1-2", ENTRY[1], ENTRY[2], "+"],
        ),
        ("conditional-changelog", &["-%autochangelog", ENTRY[0], ENTRY[1], ENTRY[2]]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (file, expected) in table {
        let bytes = publish(file, &one("0:1.1-2"));
        assert_eq!(difference(&fixture(file), &bytes), expected, "{file}");
        let spec = SpecFile::parse(bytes.clone(), &fedora());
        assert_eq!(ask(folder.path(), &bytes).entries, spec.changelog_entries().len(), "{file}");
        let twice = spec.edit(&one("0:1.1-2")).unwrap().bytes;
        assert_eq!(difference(&bytes, &twice), [""; 0], "{file}");
    }
}

#[test]
fn the_macros_of_rpmautospec_are_replaced_together_or_kept_together() {
    let edits = Edits { changelog: Some(entry("0:1.0-5")), ..to("1.0", "5") };
    let replaced = SpecFile::parse(publish("autorelease", &edits), &fedora());
    assert!(!replaced.uses_autorelease() && !replaced.uses_autochangelog());
    assert_eq!(replaced.changelog_entries().len(), 1);
    let kept = publish("autorelease", &Edits { auto: AutoMacros::Keep, ..edits });
    assert_eq!(kept, fixture("autorelease"));
}

#[test]
fn the_epoch_stands_in_the_header_only_where_there_is_one() {
    let bytes = publish("plain", &one("2:1.1-2"));
    let header = SpecFile::parse(bytes, &fedora()).changelog_entries()[0].header.clone();
    assert_eq!(header, "* Mon Feb 05 2024 Bob <bob@example.org> - 2:1.1-2");
}

#[test]
fn entries_of_both_sides_are_merged_byte_for_byte() {
    let source = SpecFile::parse(fixture("plain"), &fedora());
    let published = SpecFile::parse(publish("plain", &one("0:1.1-2")), &fedora());
    let older = merge_entries(&published.changelog_entries(), &source.changelog_entries());
    assert_eq!(older, published.changelog_entries());
    let mut next = entry("0:1.2-1");
    next.date = date(2024, 3, 1);
    let edits =
        Edits { changelog: Some(next), older_entries: Some(older.clone()), ..Edits::default() };
    let result = SpecFile::parse(source.edit(&edits).unwrap().bytes, &fedora());
    let entries = result.changelog_entries();
    assert_eq!(entries.len(), 3);
    for (entry, old) in entries[1..].iter().zip(&older) {
        assert_eq!(entry.body(), old.body());
    }
    assert_eq!(result.edit(&edits).unwrap().bytes, result.bytes());
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(ask(folder.path(), result.bytes()).entries, 3);
}

#[test]
fn five_thousand_entries_are_quick_and_keep_their_bytes() {
    let mut bytes = fixture("plain");
    for number in 0..5000 {
        let entry = format!(
            "\n* Mon Jan 01 2024 Carol <carol@example.org> - 0.{number}-1\n- change %%{number}\n- and\n  more\n"
        );
        bytes.extend_from_slice(entry.as_bytes());
    }
    let started = std::time::Instant::now();
    let edits = Edits {
        changelog: Some(entry("0:1.1-2")),
        patches: patches(&["a.patch"]),
        ..to("1.1", "2")
    };
    let spec = SpecFile::parse(bytes.clone(), &fedora());
    assert_eq!(spec.changelog_entries().len(), 5001);
    let edited = spec.edit(&edits).unwrap().bytes;
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    let below = bytes.windows(5).position(|window| window == b"* Tue").unwrap();
    assert!(edited.ends_with(&bytes[below..]));
    assert_eq!(SpecFile::parse(edited, &fedora()).changelog_entries().len(), 5002);
}

#[test]
fn loose_text_of_a_changelog_without_entries_stays_above_the_first_one() {
    for (below, wanted) in
        [("%\n", "%\n*"), ("# kept elsewhere\n\n", "# kept elsewhere\n*"), ("", "*")]
    {
        let text = format!("Name: a\nVersion: 1.0\nRelease: 1\n%changelog\n{below}");
        let edits = Edits { changelog: Some(entry("0:1.1-2")), ..to("1.1", "2") };
        let edited = SpecFile::parse(text.into_bytes(), &fedora()).edit(&edits).unwrap().bytes;
        let shown = String::from_utf8(edited.clone()).unwrap();
        assert!(shown.contains(&format!("%changelog\n{wanted}")), "{shown}");
        let again = SpecFile::parse(edited.clone(), &fedora()).edit(&edits).unwrap();
        assert_eq!(again.bytes, edited, "{shown}");
    }
}
