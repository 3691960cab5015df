//! What failed: from a task's tree and its fault to a [`crate::build::Failure`]. Pure.

use super::wire::{Look, Value};
use crate::build::ending::Side;

/// The states of a task, as Koji numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskState {
    /// Free, assigned or at work: from each of these a task can go to the others.
    Running,
    /// Done.
    Closed,
    /// Stopped.
    Cancelled,
    /// Failed.
    Failed,
}

impl TaskState {
    /// Reads the number; `None` for one that no hub of today sends.
    pub(super) fn of(info: &Value) -> Option<TaskState> {
        match info.get("state").whole()? {
            0 | 1 | 4 => Some(TaskState::Running),
            2 => Some(TaskState::Closed),
            3 => Some(TaskState::Cancelled),
            5 => Some(TaskState::Failed),
            _ => None,
        }
    }
}

/// A task that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedTask {
    pub(super) id: i64,
    pub(super) method: String,
    pub(super) arch: String,
}

impl FailedTask {
    fn of(info: &Value) -> Option<FailedTask> {
        let arch = info.get("label").words().or_else(|| info.get("arch").words());
        Some(FailedTask {
            id: info.get("id").whole()?,
            method: info.get("method").words().unwrap_or_default().to_owned(),
            // `noarch` is where a task may run, not what it builds.
            arch: arch.filter(|arch| *arch != "noarch").unwrap_or_default().to_owned(),
        })
    }
}

/// Returns the first failed task that has no failed task below it: the cause of all those above.
///
/// `tree` is what `getTaskDescendents` answers: a list of children for each task.
pub(super) fn first_cause(tree: &Value) -> Option<FailedTask> {
    let infos = tree.fields().flat_map(|(_, children)| children.items());
    let failed: Vec<&Value> =
        infos.filter(|info| TaskState::of(info) == Some(TaskState::Failed)).collect();
    let is_parent = |id: Option<i64>| failed.iter().any(|info| info.get("parent").whole() == id);
    let causes = failed.iter().filter(|info| !is_parent(info.get("id").whole()));
    let first = causes.min_by(|left, right| when(left).total_cmp(&when(right)))?;
    FailedTask::of(first)
}

/// When a task ended; those of which nothing is said come last, in the order of their numbers.
fn when(info: &Value) -> f64 {
    match info.get("completion_ts") {
        Value::Double(seconds) => *seconds,
        other => other.whole().map_or(f64::INFINITY, |seconds| seconds as f64),
    }
}

/// Says whose fault it looks like, by Koji's class of the fault and by its words.
///
/// What nothing in the package explains is the build system's, and is tried again: an unjust second try costs a
/// little time, an unjust blame costs a person's.
pub(super) fn side(code: i64, words: &str) -> Side {
    const PACKAGE: [&str; 12] = [
        "see build.log",
        "see root.log",
        "see checkout.log",
        "mock exited with status 1;",
        "no matching arches",
        "Build already exists",
        "Package not in list",
        "package not in list",
        "not in list for tag",
        "Blocked package",
        "is blocked",
        "Error running sources command",
    ];
    match code {
        // 1005 build, 1010 before it, 1011 after it, 1018 appliance.
        1005 | 1010 | 1011 | 1018 => Side::Package,
        // 1000 says nothing by itself; 1012 is the build root, which may lack what the spec asks for.
        1000 | 1012 if PACKAGE.iter().any(|known| words.contains(known)) => Side::Package,
        _ => Side::Infrastructure,
    }
}

/// Returns the logs that may tell the cause, best first: what Koji names, else what the step writes.
pub(super) fn logs(method: &str, words: &str) -> Vec<&'static str> {
    const ALL: [&str; 3] = ["build.log", "root.log", "checkout.log"];
    let named = ALL.into_iter().filter(|log| words.contains(log));
    let usual: &[&str] = match method {
        "buildSRPMFromSCM" => &["checkout.log", "build.log", "root.log"],
        _ => &["build.log", "root.log"],
    };
    let mut logs: Vec<&str> = named.collect();
    logs.extend(usual.iter().filter(|log| !words.contains(**log)));
    logs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::koji::wire::{number, record, text};

    fn task(id: i64, parent: i64, state: i64, ended: f64, label: &str) -> Value {
        record([
            ("id", number(id)),
            ("parent", number(parent)),
            ("state", number(state)),
            ("completion_ts", Value::Double(ended)),
            ("method", text("buildArch")),
            ("label", text(label)),
            ("arch", text("noarch")),
        ])
    }

    #[test]
    fn the_cause_is_the_deepest_task_that_failed_first() {
        let tree =
            |tasks: Vec<Value>| record([("1", Value::Array(tasks)), ("9", Value::Array(vec![]))]);
        let found = first_cause(&tree(vec![
            task(2, 1, 2, 5.0, "srpm"),
            task(3, 1, 5, 9.0, "x86_64"),
            task(4, 1, 5, 8.0, "aarch64"),
            task(5, 1, 3, 8.5, "s390x"),
        ]));
        assert_eq!(found.map(|task| (task.id, task.arch)), Some((4, "aarch64".to_owned())));
        let found = first_cause(&tree(vec![task(2, 1, 5, 5.0, "a"), task(3, 2, 5, 6.0, "")]));
        assert_eq!(found.map(|task| (task.id, task.arch)), Some((3, String::new())));
        assert_eq!(first_cause(&tree(vec![task(2, 1, 2, 5.0, "srpm")])), None);
        assert_eq!(first_cause(&Value::Nil), None);
    }

    #[test]
    fn each_fault_has_a_side() {
        let build = "error building package (arch x86_64), mock exited with status 1; see build.log for more information";
        let root = "could not init mock buildroot, mock exited with status 30; see root.log for more information";
        let cases = [
            (1005, build, Side::Package),
            (1012, root, Side::Package),
            (1012, "error creating the buildroot", Side::Infrastructure),
            (1000, "Build already exists (id=1)", Side::Package),
            (1000, "Task 5 is free again", Side::Infrastructure),
            (1, "Traceback (most recent call last)", Side::Infrastructure),
            (1014, "database outage", Side::Infrastructure),
        ];
        for (code, words, expected) in cases {
            assert_eq!(side(code, words), expected, "{code} {words}");
        }
    }

    #[test]
    fn the_log_that_is_named_comes_first() {
        assert_eq!(logs("buildArch", "see root.log for"), ["root.log", "build.log"]);
        assert_eq!(logs("buildArch", ""), ["build.log", "root.log"]);
        assert_eq!(logs("buildSRPMFromSCM", ""), ["checkout.log", "build.log", "root.log"]);
    }
}
