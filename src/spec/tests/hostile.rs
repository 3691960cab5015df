//! Text from strangers: whatever they write, rpm reads it as text.

use super::rpm::rpm;
use super::*;

/// Subjects and names that would do something if rpm read them as macros, directives or headers.
fn subjects(marker: &str) -> Vec<String> {
    let mut subjects: Vec<String> = [
        "%include /etc/passwd",
        "%%include /etc/passwd",
        "%if 0",
        "%endif",
        "%files",
        "%changelog",
        "%description",
        "* Mon Jan 01 2024 x",
        "# lockkeeper patches begin",
        "ends in a backslash \\",
        "ends in %",
        "nul \0 inside",
        "%{open",
        "}%{",
        "two\n%files\n* Mon Jan 01 2024 Eve <e@x> - 9-9\n- lines",
        "\u{202e}desrever \u{2066}bidi",
        "form\u{c}feed\u{b}tab\r%files",
        "",
        " ",
        "%",
        "\\",
        "%{?dist} %dist %1 %* %# %-x",
        "%define x %{lua:print(1)}",
        "%{load:/etc/passwd}",
        "%dnl gone",
        "%undefine name",
    ]
    .map(str::to_owned)
    .to_vec();
    subjects.push(format!("fix %(touch {marker})"));
    subjects.push(format!("%{{lua:os.execute('touch {marker}')}}"));
    subjects.push(format!("%[ %(touch {marker}) ]"));
    subjects.push(String::from_utf8_lossy(b"caf\xe9 in Latin-1").into_owned());
    subjects.push("x".repeat(10_000));
    let padding = "word ".repeat(14);
    for word in ["%include /etc/passwd", "%%files", "* Mon", "#x", "\\", "\\ %if 0", "%(id)"] {
        subjects.push(format!("{padding}{word} {padding}{word}"));
        subjects.push(format!("{} {word} {}", "y".repeat(73), "z".repeat(74)));
    }
    subjects
}

fn publish(folder: &std::path::Path, entry: Entry) -> String {
    let edits = Edits { changelog: Some(entry), ..to("1.1", "2") };
    let bytes = SpecFile::parse(fixture("plain"), &fedora()).edit(&edits).unwrap().bytes;
    let count = SpecFile::parse(bytes.clone(), &fedora()).changelog_entries().len();
    assert_eq!(count, 2, "{}", String::from_utf8_lossy(&bytes));
    let format =
        "%{EPOCHNUM}:%{V}-%{R} %{#CHANGELOGTIME}\\n[%{CHANGELOGNAME}\\n%{CHANGELOGTEXT}\\n]";
    let answer = rpm(folder, "rpmspec", &["-q", "--srpm", "--qf", format], &bytes);
    assert!(answer.starts_with("0:1.1-2.fc44 2\n"), "{answer}");
    answer
}

#[test]
fn a_subject_is_only_text_to_rpm() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("made");
    for subject in subjects(&marker.to_string_lossy()) {
        let answer =
            publish(folder.path(), Entry { items: vec![subject.clone()], ..entry("0:1.1-2") });
        let shown: String = answer.split_whitespace().collect();
        let meant: String = sanitise_item(&subject).replace("%%", "%").split_whitespace().collect();
        assert!(shown.contains(&meant), "{subject:?}: {answer}");
        assert!(!answer.contains("root:"), "{subject:?}");
        assert!(!marker.exists(), "{subject:?}");
    }
}

#[test]
fn a_name_is_only_text_to_rpm() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("made");
    for name in subjects(&marker.to_string_lossy()) {
        publish(folder.path(), Entry { name: name.clone(), ..entry("0:1.1-2") });
        publish(folder.path(), Entry { mail: name.clone(), ..entry("0:1.1-2") });
        assert!(!marker.exists(), "{name:?}");
    }
}

#[test]
fn everything_at_once_builds_a_source_package() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("made");
    std::fs::write(folder.path().join("hello-1.1.tar.gz"), "").unwrap();
    let items = subjects(&marker.to_string_lossy());
    let name = format!("%(touch {0})%{{lua:os.execute('touch {0}')}}", marker.display());
    let edits =
        Edits { changelog: Some(Entry { items, name, ..entry("0:1.1-2") }), ..to("1.1", "2") };
    let bytes = SpecFile::parse(fixture("plain"), &fedora()).edit(&edits).unwrap().bytes;
    let written = rpm(folder.path(), "rpmbuild", &["-bs", "--nodeps"], &bytes);
    assert!(written.contains("hello-1.1-2.fc44.src.rpm"), "{written}");
    rpm(folder.path(), "rpmspec", &["-P"], &bytes);
    assert!(!marker.exists());
}

#[test]
fn a_long_entry_is_wrapped_at_words() {
    let item =
        "a subject that goes on and on until it does not fit on one line of a changelog any more";
    let entry = Entry { items: vec![item.into()], ..entry("0:1.1-2") };
    let edits = Edits { changelog: Some(entry), ..Edits::default() };
    let spec = SpecFile::parse(fixture("plain"), &fedora());
    let entries = SpecFile::parse(spec.edit(&edits).unwrap().bytes, &fedora()).changelog_entries();
    let text = String::from_utf8(entries[0].bytes.clone()).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).filter(|line| !line.is_empty()).collect();
    let expected = [
        "- a subject that goes on and on until it does not fit on one line of a",
        "  changelog any more",
    ];
    assert_eq!(lines, expected);
}
