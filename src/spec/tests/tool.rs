//! The example of a project's own spec tool: what it prints is edited and read like any other spec.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::*;

fn tool() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bot-config/spec-tool")
}

/// Makes a source tree with these programs and the example's template in it.
fn source(programs: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("bin")).unwrap();
    std::fs::create_dir_all(folder.path().join("packaging")).unwrap();
    for program in programs {
        std::fs::write(folder.path().join("bin").join(program), "#!/bin/sh\n").unwrap();
    }
    let template = std::fs::read(tool().join("template.spec")).unwrap();
    std::fs::write(folder.path().join("packaging/template.spec"), template).unwrap();
    folder
}

fn generate(source: &Path) -> Output {
    Command::new(tool().join("genspec"))
        .env("LOCKKEEPER_SOURCE", source)
        .env("LOCKKEEPER_PACKAGE", "hello")
        .env("LOCKKEEPER_VERSION", "1.2")
        .output()
        .unwrap()
}

#[test]
fn the_example_tool_prints_a_spec_that_is_edited_like_any_other() {
    let source = source(&["hello", "hello-again"]);
    let printed = generate(source.path());
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let spec = SpecFile::parse(printed.stdout, &fedora());
    let edits = Edits { changelog: Some(entry("0:1.2-3")), ..to("1.2", "3") };
    let edited = spec.edit(&edits).unwrap();
    let seen = rpm::ask(source.path(), &edited.bytes);
    assert_eq!((seen.evr.as_str(), seen.entries), ("0:1.2-3.fc44", 1));
    let text = String::from_utf8(edited.bytes).unwrap();
    assert!(text.contains("%{_bindir}/hello\n%{_bindir}/hello-again\n"), "{text}");
}

#[test]
fn the_example_tool_refuses_what_a_spec_cannot_hold() {
    let source = source(&["%(touch x)"]);
    let printed = generate(source.path());
    assert_eq!(printed.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&printed.stdout).contains("a spec cannot"));
    std::fs::remove_file(source.path().join("packaging/template.spec")).unwrap();
    assert_eq!(generate(source.path()).status.code(), Some(64));
}
