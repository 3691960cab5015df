//! rpm's own comparison, asked in one batch through its Python binding.

use std::cmp::Ordering;
use std::io::Write;
use std::process::{Command, Stdio};

const SCRIPT: &str = "
import sys, rpm
for line in sys.stdin.read().splitlines():
    left, right = [tuple(side.split(' ')) for side in line.split('\\t')]
    print(rpm.labelCompare(left, right))
";

/// Epoch, version and release.
pub type Label = (u32, String, String);

/// Returns rpm's answers for pairs of labels. Fails loudly where rpm's Python binding is missing.
pub fn label_compare(pairs: &[(Label, Label)]) -> Vec<Ordering> {
    let side = |(epoch, version, release): &Label| format!("{epoch} {version} {release}");
    let lines: Vec<_> =
        pairs.iter().map(|(left, right)| format!("{}\t{}", side(left), side(right))).collect();
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("/usr/bin/python3 with the module rpm is needed as the oracle");
    let mut stdin = python.stdin.take().expect("stdin is piped");
    let writer = std::thread::spawn(move || stdin.write_all(lines.join("\n").as_bytes()));
    let output = python.wait_with_output().expect("the oracle runs to its end");
    writer.join().expect("the writer does not panic").expect("the oracle reads its input");
    assert!(output.status.success(), "the oracle failed; is the module rpm there?");
    let answers: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.parse::<i32>().expect("the oracle prints numbers").cmp(&0))
        .collect();
    assert_eq!(answers.len(), pairs.len(), "one answer for each pair");
    answers
}
