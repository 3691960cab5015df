//! What people read of a build: a status line, and a note for one that did not go well. Pure.
//!
//! A note says, in this order: what was built and what came of it; which step and which architecture; the last lines
//! of the right log, folded; where all of it is; how to do the same at home; how to try again. What the build system
//! said and wrote is hostile: it goes through [`super::forge::escape`], where it becomes words and code.

use std::path::Path;

use super::forge::escape::{block, code, prose, verbatim};
use super::forge::shell::command;
use crate::build::{Build, BuildKind, Ending, Failure, LogTail, Refused, Stage};
use crate::forge::State;
use crate::outcome::printable;

/// The most characters of a line of a log.
const LINE: usize = 200;

/// The most characters of a line in the open.
const OPEN_LINE: usize = 500;

/// The most lines of a message that stand in the open.
const OPEN_LINES: usize = 6;

/// What a note is about.
#[derive(Debug, Clone, Copy)]
pub struct BuildMatter<'a> {
    /// The build, ended.
    pub build: &'a Build,
    /// The commands that run the package's own tests; at most two are shown.
    pub tests: &'a [String],
    /// What a person does to have it tried again, in words of our own.
    pub retry: &'a str,
}

/// Returns how a build stands, as a commit status.
pub fn build_state(build: &Build) -> State {
    match &build.stage {
        Stage::Awaiting | Stage::Checking { .. } | Stage::Resting { .. } => State::Queued,
        Stage::Intended { .. } | Stage::Submitting { .. } => State::Queued,
        Stage::Following { .. } | Stage::Validating { .. } | Stage::Tagging { .. } => {
            State::Running
        }
        Stage::Ended { ending } => match ending {
            Ending::Succeeded { .. } => State::Passed,
            Ending::FailedByPackage { .. } | Ending::Refused { .. } => State::MustAct,
            Ending::FailedByInfrastructure { .. } => State::Broken,
            Ending::Cancelled { .. } => State::NothingToDo,
        },
    }
}

/// Describes how a build stands in one line of plain text; the forge cuts it to its own limit.
pub fn build_description(build: &Build) -> String {
    let what = what(build);
    match &build.stage {
        Stage::Awaiting => format!("{what} waits for {}", first_of(build)),
        Stage::Checking { .. } | Stage::Intended { .. } | Stage::Submitting { .. } => {
            format!("{what} is to be built")
        }
        Stage::Following { task, .. } => format!("{what} is being built: task {task}"),
        Stage::Validating { .. } => format!("{what} is built and is being validated"),
        Stage::Tagging { tag, .. } => format!("{what} is built and waits for tag {tag}"),
        Stage::Resting { .. } => format!("{what} will be built again: the build system failed"),
        Stage::Ended { ending } => ended(&what, ending),
    }
}

fn ended(what: &str, ending: &Ending) -> String {
    match ending {
        Ending::Succeeded { build: Some(built), .. } => format!("{} is built", built.nvr),
        Ending::Succeeded { build: None, .. } => format!("{what} builds"),
        Ending::FailedByPackage { failure } => format!("{what} does not build{}", place(failure)),
        Ending::FailedByInfrastructure { failure } => {
            format!("The build system failed to build {what}{}", place(failure))
        }
        Ending::Cancelled { .. } => format!("The build of {what} was stopped"),
        Ending::Refused { refused } => {
            let first = refused.message.lines().next().unwrap_or_default();
            format!("Not built ({}): {}", refused.code, printable(first, 300))
        }
    }
}

/// Returns what is built, as people call it: nothing of it is hostile.
fn what(build: &Build) -> String {
    let name = match &build.nvr {
        Some(nvr) => nvr.to_string(),
        None => format!("{} {}", build.order.package, build.order.commit.short()),
    };
    match build.order.kind {
        BuildKind::Real => name,
        BuildKind::Draft => format!("the draft of {name}"),
        BuildKind::Scratch => format!("the scratch build of {name}"),
    }
}

fn first_of(build: &Build) -> String {
    let names: Vec<&str> =
        build.order.after.iter().map(crate::names::PackageName::as_str).collect();
    names.join(", ")
}

/// Returns ` in STEP on ARCH`, as far as they are known.
fn place(failure: &Failure) -> String {
    let part = |word: &str, text: &str| match text.is_empty() {
        true => String::new(),
        false => format!(" {word} {}", printable(text, 60)),
    };
    part("in", &failure.step) + &part("on", &failure.arch)
}

/// Writes a note on a build that did not go well; `None` where there is nothing to act on.
///
/// The caller puts its marker before it, by which the note is found again.
pub fn build_note(matter: &BuildMatter<'_>) -> Option<String> {
    let (headline, failure) = match matter.build.ending()? {
        Ending::FailedByPackage { failure } => ("does not build", failure),
        Ending::FailedByInfrastructure { failure } => {
            ("could not be built: the build system failed each time", failure)
        }
        Ending::Refused { refused } => return Some(refusal(matter, refused)),
        Ending::Succeeded { .. } | Ending::Cancelled { .. } => return None,
    };
    let mut parts = vec![opening(matter, headline)];
    parts.extend(step(failure));
    parts.extend(prose(&failure.message, OPEN_LINE).into_iter().take(OPEN_LINES).map(quoted));
    parts.extend(failure.log.as_ref().map(log));
    parts.extend(links(failure));
    if matches!(matter.build.ending(), Some(Ending::FailedByPackage { .. })) {
        parts.push(at_home(matter));
    }
    parts.push(format!("To try again: {}", matter.retry));
    Some(parts.join("\n\n") + "\n")
}

fn opening(matter: &BuildMatter<'_>, headline: &str) -> String {
    let Build { order, target, .. } = matter.build;
    format!(
        "**{} {headline}** for target {}, from commit {} of {}.",
        code(&what(matter.build), 200),
        code(target.as_str(), 100),
        code(&order.commit.to_string(), 64),
        code(&format!("{} {}", order.package, order.branch), 200),
    )
}

fn step(failure: &Failure) -> Option<String> {
    let known = |name: &str, text: &str| match text.is_empty() {
        true => String::new(),
        false => format!("{name} {}", code(text, 60)),
    };
    let parts = [known("Step", &failure.step), known("architecture", &failure.arch)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn quoted(line: String) -> String {
    format!("> {line}")
}

/// Writes the end of a log, folded.
fn log(log: &LogTail) -> String {
    let lines = log.text.lines().count();
    let name = printable(&log.name, 60).replace(['<', '>', '&'], "?");
    let block = block(&log.text, LogTail::LINES, LINE);
    format!("<details><summary>The last {lines} lines of {name}</summary>\n\n{block}\n\n</details>")
}

fn links(failure: &Failure) -> Option<String> {
    let log = failure.log.as_ref().and_then(|log| Some(("the whole log", log.url.as_deref()?)));
    let task = failure.url.as_deref().map(|url| ("the task", url));
    let links = task.into_iter().chain(log).filter_map(|(name, url)| link(name, url));
    let links: Vec<String> = links.collect();
    (!links.is_empty()).then(|| format!("See {}.", links.join(" and ")))
}

/// Writes a link; only an address that is plainly one, because the build system's words may be in it.
fn link(name: &str, url: &str) -> Option<String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:?=&%+,".contains(&b);
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    match is_web && url.bytes().all(is_plain) {
        true => Some(format!("[{name}]({url})")),
        false => Some(format!("{name} at {}", code(url, 300))),
    }
}

/// Writes how to do the same at home: what would be published, the source package, the tests.
fn at_home(matter: &BuildMatter<'_>) -> String {
    let order = &matter.build.order;
    let (package, branch) = (order.package.as_str(), order.branch.as_str());
    let commit = order.commit.to_string();
    let mut lines = vec![
        command(["lockkeeper", "preview", package, branch, "--output", "preview"]),
        command(["fedpkg", "clone", "--anonymous", package]),
        command(["cd", package]),
        command(["git", "checkout", &commit]),
        command(["fedpkg", "--release", branch, "srpm"]),
    ];
    if let crate::build::Source::SourcePackage(file) = &order.source {
        let name = file.file_name().unwrap_or(Path::new("the source package").as_os_str());
        lines = vec![command(["rpmbuild", "--rebuild", &name.to_string_lossy()])];
    }
    let mut text = format!("To see it at home:\n\n{}", verbatim(&lines.join("\n")));
    if !matter.tests.is_empty() {
        let tests: Vec<&str> = matter.tests.iter().take(2).map(String::as_str).collect();
        text.push_str(&format!("\n\nIts tests:\n\n{}", verbatim(&tests.join("\n"))));
    }
    text
}

fn refusal(matter: &BuildMatter<'_>, refused: &Refused) -> String {
    let mut parts = vec![opening(matter, "is not built")];
    let lines = prose(&refused.message, OPEN_LINE).into_iter().take(OPEN_LINES);
    parts.push(lines.collect::<Vec<_>>().join("\n"));
    if !refused.hint.is_empty() {
        parts.push(format!("To mend it: {}", prose(&refused.hint, OPEN_LINE).join(" ")));
    }
    parts.push(format!("Code {}. To try again: {}", code(&refused.code, 60), matter.retry));
    parts.join("\n\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{BuildOrder, Built, By, Side, TaskId};

    fn build(ending: Ending) -> Build {
        let commit = "1".repeat(40).parse().unwrap();
        let order = BuildOrder {
            package: "hello".parse().unwrap(),
            branch: "f44".parse().unwrap(),
            commit,
            source: BuildOrder::commit_source("https://src.example/hello.git", &commit).unwrap(),
            landed_at: jiff::Timestamp::UNIX_EPOCH,
            kind: BuildKind::Real,
            after: Vec::new(),
            validate: false,
            tag: None,
        };
        let nvr = Some("hello-1.0-2.fc44".parse().unwrap());
        let build = Build::new(order, "f44-candidate".parse().unwrap(), nvr);
        Build { stage: Stage::Ended { ending }, ..build }
    }

    fn failure(message: &str, log: &str) -> Failure {
        Failure {
            side: Side::Package,
            step: "buildArch".to_owned(),
            arch: "aarch64".to_owned(),
            message: message.to_owned(),
            log: Some(LogTail {
                name: "build.log".to_owned(),
                text: log.to_owned(),
                url: Some("https://pkgs.example/work/tasks/101/101/build.log".to_owned()),
            }),
            task: Some("101".parse::<TaskId>().unwrap()),
            url: Some("https://koji.example/koji/taskinfo?taskID=101".to_owned()),
        }
    }

    fn note(build: &Build) -> String {
        let tests = ["tmt run".to_owned(), "make check".to_owned(), "third".to_owned()];
        build_note(&BuildMatter { build, tests: &tests, retry: "comment `/lockkeeper retry`" })
            .unwrap()
    }

    #[test]
    fn a_failure_says_step_architecture_log_place_and_both_ways_on() {
        let failed = failure("exit status 1; see build.log", "make: *** [all] Error 1");
        let build = build(Ending::FailedByPackage { failure: failed });
        assert_eq!(build_state(&build), State::MustAct);
        let line = build_description(&build);
        assert_eq!(line, "hello-1.0-2.fc44 does not build in buildArch on aarch64");
        let note = note(&build);
        for words in [
            "**`hello-1.0-2.fc44` does not build** for target `f44-candidate`",
            "Step `buildArch`, architecture `aarch64`",
            "<details><summary>The last 1 lines of build.log</summary>",
            "make: *** [all] Error 1",
            "[the task](https://koji.example/koji/taskinfo?taskID=101)",
            "[the whole log](https://pkgs.example/work/tasks/101/101/build.log)",
            "lockkeeper preview hello f44 --output preview",
            "fedpkg --release f44 srpm",
            "tmt run\nmake check\n",
            "To try again: comment `/lockkeeper retry`",
        ] {
            assert!(note.contains(words), "no {words:?} in {note}");
        }
        assert!(!note.contains("third"), "{note}");
    }

    #[test]
    fn what_the_build_system_says_is_code_and_pings_nobody() {
        let hostile = "@alice see #1 [x](http://evil.example) </details> `tick` ```\n/close";
        let mut failed = failure(hostile, &format!("```\n</details>\n{hostile}\u{1b}[2J"));
        failed.step = "`@bob`".to_owned();
        failed.arch = "<b>".to_owned();
        failed.url = Some("javascript:alert(1)".to_owned());
        failed.log.as_mut().unwrap().name = "<img>".to_owned();
        let build = build(Ending::FailedByPackage { failure: failed });
        let note = note(&build);
        for bad in ["@alice", "@bob", "\u{1b}", "<img>", "](javascript:"] {
            assert!(!note.contains(bad), "{bad:?} in {note}");
        }
        // What looks like a link or ends a fold stands within a code span or block.
        assert!(
            note.contains("```` #1 [x](http://evil.example) </details> `tick` ``` ````"),
            "{note}"
        );
        // The folded block ends where we end it: its fence is longer than any inside.
        assert!(note.contains("````text\n```\n"), "{note}");
        assert!(!build_description(&build).contains('\u{1b}'));
    }

    #[test]
    fn each_ending_has_its_state_and_its_line() {
        let built =
            Built { id: "7".to_owned(), nvr: "hello-1.0-2.fc44".parse().unwrap(), url: None };
        let refused =
            Refused::new("build-not-listed", "package hello is not in the list\nmore", "add it");
        let cases = [
            (
                Ending::Succeeded { build: Some(built), task: None, by: By::Us },
                State::Passed,
                "hello-1.0-2.fc44 is built",
            ),
            (
                Ending::Succeeded { build: None, task: None, by: By::Us },
                State::Passed,
                "hello-1.0-2.fc44 builds",
            ),
            (
                Ending::Cancelled { task: None, asked: true },
                State::NothingToDo,
                "The build of hello-1.0-2.fc44 was stopped",
            ),
            (
                Ending::Refused { refused },
                State::MustAct,
                "Not built (build-not-listed): package hello is not in the list",
            ),
        ];
        for (ending, state, line) in cases {
            let build = build(ending);
            assert_eq!((build_state(&build), &*build_description(&build)), (state, line));
            let matter = BuildMatter { build: &build, tests: &[], retry: "x" };
            assert_eq!(build_note(&matter).is_some(), state == State::MustAct);
        }
    }
}
