//! How a container ended by itself, sorted by its exit code.
//!
//! Engines hand on the container's own code, and have three of their own: 125 (could not begin), 126 and 127 (the
//! program cannot be started, or is not there). A container may end with these too, so the engine's words
//! must stand beside them.

use super::engine::Kind;
use super::ran::{ExitKind, REFUSES};

/// What was seen of an end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// The exit code of the engine's process; none: it was killed.
    pub(super) code: Option<i32>,
    pub(super) kind: Kind,
    /// Whether a limit on memory was kept.
    pub(super) limits_memory: bool,
    /// Whether it ran at least as long as one process may use the processor.
    pub(super) cpu_time_is_over: bool,
    /// The last line on stdout.
    pub(super) last_line: &'a str,
    /// The last line on stderr, where engines speak too.
    pub(super) last_error: &'a str,
}

/// Whose end it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The container ended.
    OfContainer(ExitKind),
    /// The engine could not begin.
    NotBegun,
    /// The engine's own process was killed.
    EngineKilled,
}

/// Sorts an end.
pub(super) fn sort(seen: Seen<'_>) -> End {
    let engine_speaks = speaks(seen.kind, seen.last_error);
    End::OfContainer(match seen.code {
        None => return End::EngineKilled,
        Some(125) if engine_speaks => return End::NotBegun,
        Some(0) => ExitKind::Done,
        Some(REFUSES) => ExitKind::Refused { last_line: seen.last_line.to_owned() },
        Some(126 | 127) if engine_speaks => {
            ExitKind::NotStarted { words: seen.last_error.to_owned() }
        }
        Some(code) => by_signal(code, seen).unwrap_or(ExitKind::Failed { code }),
    })
}

/// Returns what a signal of the kernel's means, where the code is 128 and its number.
fn by_signal(code: i32, seen: Seen<'_>) -> Option<ExitKind> {
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    const SIGXFSZ: i32 = 25;
    match code - 128 {
        // Nobody but the kernel kills in there: for processor time, or for memory.
        SIGKILL if seen.cpu_time_is_over => Some(ExitKind::TimedOut),
        SIGKILL if seen.limits_memory => Some(ExitKind::OutOfMemory),
        SIGXCPU => Some(ExitKind::TimedOut),
        SIGXFSZ => {
            Some(ExitKind::OutputTooLarge { what: "a file larger than it may be".to_owned() })
        }
        _ => None,
    }
}

/// Tells whether a line is the engine's own, and not the container's.
fn speaks(kind: Kind, line: &str) -> bool {
    match kind {
        Kind::Podman => line.starts_with("Error: "),
        Kind::Docker => line.starts_with("docker: "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Seen<'static> = Seen {
        code: Some(1),
        kind: Kind::Podman,
        limits_memory: true,
        cpu_time_is_over: false,
        last_line: "said",
        last_error: "Error: x",
    };

    #[test]
    fn each_code_has_its_meaning() {
        let words = || "Error: x".to_owned();
        for (code, end) in [
            (0, ExitKind::Done),
            (1, ExitKind::Failed { code: 1 }),
            (64, ExitKind::Refused { last_line: "said".to_owned() }),
            (126, ExitKind::NotStarted { words: words() }),
            (127, ExitKind::NotStarted { words: words() }),
            (137, ExitKind::OutOfMemory),
            (143, ExitKind::Failed { code: 143 }),
            (152, ExitKind::TimedOut),
            (255, ExitKind::Failed { code: 255 }),
        ] {
            assert_eq!(sort(Seen { code: Some(code), ..USUAL }), End::OfContainer(end), "{code}");
        }
        let too_large = sort(Seen { code: Some(153), ..USUAL });
        assert!(matches!(too_large, End::OfContainer(ExitKind::OutputTooLarge { .. })));
        assert_eq!(sort(Seen { code: Some(125), ..USUAL }), End::NotBegun);
        assert_eq!(sort(Seen { code: None, ..USUAL }), End::EngineKilled);
    }

    #[test]
    fn an_engines_code_counts_only_with_its_words() {
        for (kind, last_error, is_engines) in [
            (Kind::Podman, "Error: x", true),
            (Kind::Podman, "docker: x", false),
            (Kind::Docker, "docker: x", true),
            (Kind::Docker, "sh: x: not found", false),
        ] {
            for code in [125, 126, 127] {
                let end = sort(Seen { code: Some(code), kind, last_error, ..USUAL });
                let failed = End::OfContainer(ExitKind::Failed { code });
                assert_eq!(end != failed, is_engines, "{code} {last_error}");
            }
        }
    }

    #[test]
    fn a_kill_is_for_memory_or_for_time_or_unknown() {
        let killed = |limits_memory, cpu_time_is_over| {
            let seen = Seen { code: Some(137), limits_memory, cpu_time_is_over, ..USUAL };
            match sort(seen) {
                End::OfContainer(exit) => exit,
                end => panic!("{end:?}"),
            }
        };
        assert_eq!(killed(true, true), ExitKind::TimedOut);
        assert_eq!(killed(false, true), ExitKind::TimedOut);
        assert_eq!(killed(false, false), ExitKind::Failed { code: 137 });
    }
}
