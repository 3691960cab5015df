//! Hostile text stays harmless, and people read what they need.

use proptest::prelude::*;

use super::escape::{block, code, prose, verbatim};
use super::*;
use crate::config;
use crate::forge::State;
use crate::outcome::{Code, Problem, Refusal};
use crate::report::{Audience, Outcome, Reason, Report};
use crate::trigger::Target;

/// What forges would read something in, and what could end code around it.
const HOSTILE: &[&str] = &[
    "@alice",
    "@org/team",
    "a@b.example",
    "#1",
    "!1",
    "$1",
    "%1",
    "~bug",
    "&1",
    "owner/repo#1",
    "GH-1",
    "PROJ-12",
    "0123456789abcdef0123456789abcdef01234567",
    "deadbee",
    "defaced",
    "owner/repo@deadbeef",
    "https://x.example",
    "www.x.example",
    "[a](b)",
    "![a](b)",
    "[a]: b",
    "<b>",
    "<!-- x -->",
    "</details>",
    "-->",
    "<script>",
    "`",
    "``",
    "```",
    "````",
    "~~~",
    "    code",
    "> quote",
    "- item",
    "1. item",
    "# head",
    "---",
    "===",
    "|a|b|",
    "|-|-|",
    "*a*",
    "__a__",
    "\\",
    "\\`",
    "&lt;",
    "&#64;x",
    ":smile:",
    "/close",
    "/merge",
    "\n",
    "\r",
    "\t",
    "\u{0}",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{200b}",
    "é",
    "𝄞",
    "word",
    "it's",
    "(see",
    "below).",
    " ",
    "$`x`$",
    "++a++",
    "[[a]]",
    "@",
    "@@a",
    "`@a`",
    "12",
    "4711",
];

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(HOSTILE).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => Just(" ".to_owned()),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Returns what of a line stands outside code spans, as every Markdown reads them: a run of backticks opens, the
/// next run of the same length closes, and nothing inside is read. `None` where a span is left open.
fn outside_code(line: &str) -> Option<String> {
    let (mut outside, mut rest) = (String::new(), line);
    while let Some(at) = rest.find('`') {
        outside.push_str(&rest[..at]);
        outside.push('_');
        let from = &rest[at..];
        let run = from.len() - from.trim_start_matches('`').len();
        let mut inner = &from[run..];
        loop {
            let next = inner.find('`')?;
            let tail = &inner[next..];
            let length = tail.len() - tail.trim_start_matches('`').len();
            inner = &tail[length..];
            if length == run {
                break;
            }
        }
        rest = inner;
    }
    outside.push_str(rest);
    Some(outside)
}

/// Tells whether a text that no code protects can mean nothing to any forge.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .,;:!?()\"'-_".contains(c);
    let is_id = |word: &str| word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let is_long_number = |word: &str| word.len() > 3 && word.bytes().all(|b| b.is_ascii_digit());
    let letters = |c: char| !c.is_ascii_alphanumeric();
    text.chars().all(plain) && !text.split(letters).any(|word| is_id(word) || is_long_number(word))
}

/// Tells whether somebody could be called: an `@` with a name right behind it.
fn calls_somebody(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    letters
        .windows(2)
        .any(|pair| pair[0] == '@' && (pair[1].is_alphanumeric() || pair[1] == '_'))
}

proptest! {
    #[test]
    fn prose_is_words_and_code(text in hostile()) {
        for line in prose(&text, 500) {
            let outside = outside_code(&line);
            prop_assert!(outside.as_deref().is_some_and(is_plain), "{line:?} -> {outside:?}");
            prop_assert!(!line.contains(['\n', '\r']) && !calls_somebody(&line), "{line:?}");
            prop_assert!(!line.starts_with([' ', '-', '.', ')', '/']), "{line:?}");
        }
    }

    #[test]
    fn code_is_one_span(text in hostile()) {
        let span = code(&text, 300);
        prop_assert!(outside_code(&span).as_deref() == Some("_"), "{span}");
        prop_assert!(!span.contains(['\n', '\r']) && !calls_somebody(&span), "{span:?}");
    }

    #[test]
    fn a_block_ends_where_we_end_it(text in hostile(), lines in 1usize..20) {
        let block = block(&text, lines, 100);
        let all: Vec<&str> = block.split('\n').collect();
        let (first, last) = (all[0], all[all.len() - 1]);
        let fence = first.strip_suffix("text").unwrap_or_default();
        prop_assert!(fence.len() >= 3 && fence.bytes().all(|b| b == b'`') && last == fence, "{block:?}");
        prop_assert!(!all[1..all.len() - 1].iter().any(|line| line.contains(fence)), "{block:?}");
        prop_assert!(all.len() <= lines + 3 && !calls_somebody(&block), "{block:?}");
    }

    #[test]
    fn a_note_about_anything_is_harmless(message in hostile(), hint in hostile(), warning in hostile()) {
        let report = refused(&message, &hint, &warning);
        let branch = report.branch.clone().unwrap();
        let marker = marker_of("unsigned-tip");
        let note = note(&matter(&report, &[]), &marker);
        prop_assert!(note.starts_with(&marker) && note.matches("<!--").count() <= 1 + hostile_marks(&note));
        prop_assert!(!calls_somebody(&without_command(&note)), "{note}");
        let mut fence: Option<String> = None;
        for line in note.lines().skip(1) {
            match &fence {
                Some(open) if line == open => fence = None,
                Some(_) => {}
                None if line.starts_with("```") => {
                    fence = Some(line.trim_end_matches(|c: char| c.is_ascii_lowercase()).to_owned());
                }
                None => {
                    let ours = line.trim_start_matches("> ").replace("**", "");
                    let is_ours = ours.starts_with("<details><summary>") || ours == "</details>";
                    let outside = outside_code(&ours);
                    prop_assert!(is_ours || outside.as_deref().is_some_and(is_plain), "{line:?} in {note} {branch}");
                }
            }
        }
        prop_assert!(fence.is_none(), "{note}");
    }

    #[test]
    fn a_note_fits_every_forge(line in any::<String>(), count in 1usize..400) {
        let long = format!("{}\n", line.repeat(20)).repeat(count);
        let report = refused(&long, &long, &long);
        prop_assert!(note(&matter(&report, &[]), &marker_of("unsigned-tip")).chars().count() < 65_536);
    }
}

/// Counts comment marks that stand inside code.
fn hostile_marks(note: &str) -> usize {
    note.lines().skip(1).map(|line| line.matches("<!--").count()).sum()
}

/// Leaves away the command to copy, which is ours and must stay as it is.
fn without_command(note: &str) -> String {
    note.lines()
        .filter(|line| !line.starts_with("lockkeeper preview"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn marker_of(cause: &str) -> String {
    let (instance, package) = ("fedora".parse().unwrap(), "hello".parse().unwrap());
    marker(&instance, &package, &"f44".parse().unwrap(), cause)
}

fn target() -> Target {
    let dist_git = "ssh://git@dist-git.example/rpms/hello.git".parse().unwrap();
    Target { package: "hello".parse().unwrap(), dist_git, branch: "f44".parse().unwrap() }
}

fn refused(message: &str, hint: &str, warning: &str) -> Report {
    let mut report = Report::new(Some(&target()), Outcome::UpToDate);
    report.source_commit = "1111111111111111111111111111111111111111".parse().ok();
    report.warnings.push(warning.to_owned());
    report.fault(&Refusal::new("unsigned-tip", message).hint(hint).into())
}

fn matter<'a>(report: &'a Report, mention: &'a [String]) -> Matter<'a> {
    static TARGET: std::sync::OnceLock<Target> = std::sync::OnceLock::new();
    let target = TARGET.get_or_init(target);
    let (package, branch) = (&target.package, &target.branch);
    Matter { package, branch, report, dist_git: Some(&target.dist_git), page: None, mention }
}

#[test]
fn our_own_sentences_stay_readable() {
    let table = [
        ("the tip is signed by a key", "the tip is signed by a key"),
        ("the tip `1234abcd` has no signature", "the tip `1234abcd` has no signature"),
        (
            "see `tags.require` (the default), please!",
            "see `tags.require` (the default), please!",
        ),
        ("looked at 12 tags", "looked at 12 tags"),
        ("thanks @alice and #12", "thanks `@\u{200b}alice` and `#12`"),
        ("  a \u{1b}[2J  b ", "a `\\u{1b}[2J` b"),
        ("defaced pages", "`defaced` pages"),
    ];
    for (text, written) in table {
        assert_eq!(prose(text, 500), [written], "{text}");
    }
    assert!(prose("\n \n", 500).is_empty());
    assert_eq!(code("", 10), "`(empty)`");
    assert_eq!(code("a`b", 10), "``a`b``");
    assert_eq!(code("`", 10), "`` ` ``");
    assert_eq!(
        verbatim("lockkeeper preview --x git@h:y"),
        "```sh\nlockkeeper preview --x git@h:y\n```"
    );
}

#[test]
fn a_marker_cannot_be_ended_from_inside() {
    let (instance, package) = ("fedora".parse().unwrap(), "hello".parse().unwrap());
    for branch in ["f44", "a--b", "a-->b", "feature/x", "ä", "a->"] {
        let Ok(branch) = branch.parse() else { continue };
        let marker = marker(&instance, &package, &branch, "unsigned-tip");
        let inner =
            marker.strip_prefix("<!-- lockkeeper:").and_then(|rest| rest.strip_suffix(" -->"));
        let inner = inner.expect("it begins and ends so");
        assert!(!inner.contains("--") && !inner.contains('>') && inner.is_ascii(), "{marker}");
    }
    assert_eq!(marker_of("unsigned-tip"), "<!-- lockkeeper:fedora/hello/f44:unsigned-tip -->");
}

#[test]
fn a_note_says_what_was_found_what_to_do_and_how_to_try_it() {
    let report = refused("the tip 1111 has no signature", "sign it with a key that is listed", "");
    let mention = ["ada".to_owned()];
    let note = note(&matter(&report, &mention), &marker_of("unsigned-tip"));
    let expected = "<!-- lockkeeper:fedora/hello/f44:unsigned-tip -->

**Not published:** `hello`, dist-git branch `f44`, cannot be updated from commit \
`1111111111111111111111111111111111111111`.

For @ada

**What was found** (`unsigned-tip`):

> the tip `1111` has no signature

**What would make it pass:**

> sign it with a key that is listed

**To try it at home:**

```sh
lockkeeper preview --dist-git ssh://git@dist-git.example/rpms/hello.git --branch f44 --package hello --output \
lockkeeper-preview
```

It is tried again with the next push to source-git or to dist-git's `f44`; on the service's host, `lockkeeper sync \
hello f44` does it now.
";
    assert_eq!(note, expected);
}

#[test]
fn long_messages_are_folded() {
    let lines: Vec<String> = (1..=100).map(|number| format!("line {number}")).collect();
    let report = refused(&lines.join("\n"), "", "");
    let note = note(&matter(&report, &[]), &marker_of("unsigned-tip"));
    assert!(note.contains("> line 10") && !note.contains("> line 11"), "{note}");
    assert!(note.contains("<details><summary>The rest of it (90)</summary>"), "{note}");
    assert!(note.contains("… 30 more lines"), "{note}");
}

#[test]
fn mended_notes_call_nobody_and_say_what_is_published() {
    let mut report = Report::new(Some(&target()), Outcome::Landed);
    report.evr = Some("0:1.2.0-4".to_owned());
    report.source_commit = "2222222222222222222222222222222222222222".parse().ok();
    let mention = ["ada".to_owned()];
    let text = mended(&matter(&report, &mention), "unsigned-tip", &marker_of("unsigned-tip"));
    let expected = "<!-- lockkeeper:fedora/hello/f44:unsigned-tip -->

**Mended:** `hello`, dist-git branch `f44`, was stopped by `unsigned-tip`; now `0:1.2.0-4` is published from \
`2222222222222222222222222222222222222222`.
";
    assert_eq!(text, expected);
}

#[test]
fn every_outcome_has_its_state_and_its_line() {
    let landed = |outcome| {
        let mut report = Report::new(Some(&target()), outcome);
        report.evr = Some("0:1.2.0-4".to_owned());
        report
    };
    let failed =
        |problem: Problem| Report::new(Some(&target()), Outcome::UpToDate).fault(&problem.into());
    let held = Report {
        reason: Some(Reason {
            code: Code("paused"),
            message: "by ada".into(),
            hint: String::new(),
        }),
        ..Report::new(Some(&target()), Outcome::Held)
    };
    let table = [
        (landed(Outcome::Landed), State::Passed, "Published 0:1.2.0-4 in hello f44"),
        (
            landed(Outcome::UpToDate),
            State::Passed,
            "Up to date: 0:1.2.0-4 is published in hello f44",
        ),
        (
            Report::new(Some(&target()), Outcome::NotForUs),
            State::NothingToDo,
            "Nothing to do in hello f44",
        ),
        (held, State::Queued, "Waiting (paused): by ada"),
        (
            refused("no\nsignature", "", ""),
            State::MustAct,
            "Not published in hello f44 (unsigned-tip): no",
        ),
        (
            failed(Problem::temporary("git-unreachable", "gone")),
            State::Queued,
            "Trying again (git-unreachable): gone",
        ),
        (
            failed(Problem::permanent("disk", "broken\u{1b}")),
            State::Broken,
            "Failed for hello f44 (disk): broken\\u{1b}",
        ),
    ];
    for (report, expected, line) in table {
        assert_eq!((state(&report), description(&report).as_str()), (expected, line));
    }
}

#[test]
fn titles_and_subjects_refer_to_nothing() {
    let report = refused("x", "", "");
    let matter = matter(&report, &[]);
    assert_eq!(
        issue_title(&matter),
        "hello is not published in dist-git branch f44: unsigned-tip"
    );
    assert_eq!(subject(&matter), "[lockkeeper] hello f44: not published: unsigned-tip");
    let letter = letter(&matter);
    assert!(
        letter.contains("lockkeeper preview --dist-git ssh://")
            && letter.contains("It is tried again")
    );
}

#[test]
fn the_tracked_branch_is_named_where_it_is_known() {
    let mut report = refused("x", "", "");
    let source = config::Source {
        repository: "https://forge.example/ada/hello".parse().unwrap(),
        branch: "main".parse().unwrap(),
    };
    let notify = config::Notify {
        status: true,
        comment: config::CommentWhen::OnRefusal,
        issue: false,
        mention: Vec::new(),
    };
    report.audience = Some(Audience { source, notify });
    assert!(summary(&matter(&report, &[])).contains("the next push to `main`"));
}
