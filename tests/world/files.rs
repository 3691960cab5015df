//! Files and programs, as stories need them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// Returns every file below a folder with its content; a folder that is not there has none.
pub fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(current) = waiting.pop() {
        for entry in std::fs::read_dir(current).into_iter().flatten() {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let shown = path.strip_prefix(folder).expect("it lies below").display().to_string();
            files.insert(shown, std::fs::read(&path).expect("a file can be read"));
        }
    }
    files
}

/// Keeps the machine's and the user's git configuration out.
pub fn hermetic(command: &mut Command) -> &mut Command {
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
}

/// Runs a program to its end, however it ends.
pub fn output_of(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    command
        .output()
        .unwrap_or_else(|error| panic!("{shown}: {error} (tests/run installs tools)"))
}

/// Runs a program that must succeed, and returns what it printed.
pub fn succeed(command: &mut Command) -> Vec<u8> {
    let shown = format!("{command:?}");
    let output = output_of(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}: {}\n{said}", output.status);
    output.stdout
}
