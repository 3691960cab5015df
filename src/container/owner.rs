//! Whose a container is: a label by which a later bot can tell that the process that started it is no more.
//!
//! A process id alone would be taken again by another program; with the machine's boot id, the pid namespace
//! and the time that the process was started, it is one of a kind.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::outcome::{Problem, Result};

/// The label that each container of ours carries; its value is the [`Owner`].
pub(super) const LABEL: &str = "io.lockkeeper.owner";

/// The label with words for people: which package, which branch.
pub(super) const WORDS: &str = "io.lockkeeper.run";

/// The process that a container belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    boot: String,
    namespace: String,
    pid: u32,
    started: u64,
}

/// What became of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It runs.
    Alive,
    /// It is no more.
    Gone,
    /// It lives, or lived, in another pid namespace, which cannot be looked into.
    Unknown,
}

impl Owner {
    /// Returns this process.
    ///
    /// # Errors
    /// Fails where `/proc` cannot be read.
    pub(super) fn this_process() -> Result<Owner> {
        let failed = |error: std::io::Error| {
            Problem::permanent("engine-unusable", format!("cannot read /proc: {error}"))
                .because(error)
        };
        let pid = std::process::id();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(failed)?;
        let namespace = std::fs::read_link("/proc/self/ns/pid").map_err(failed)?;
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        Ok(Owner {
            boot: boot.trim().to_owned(),
            namespace: digits(&namespace.to_string_lossy()),
            pid,
            started: started(pid).unwrap_or_default(),
        })
    }

    /// Returns a name for a container of this process that none had before.
    pub(super) fn next_name(&self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let boot = self.boot.split('-').next().unwrap_or_default();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("lockkeeper-{boot}-{}-{}-{count}", self.pid, self.started)
    }

    /// Tells what became of `self`, as this process sees it.
    pub(super) fn fate(&self, this_process: &Owner) -> Fate {
        if self.boot != this_process.boot {
            return Fate::Gone;
        }
        if self.namespace != this_process.namespace {
            return Fate::Unknown;
        }
        match started(self.pid) == Some(self.started) {
            true => Fate::Alive,
            false => Fate::Gone,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.boot, self.namespace, self.pid, self.started)
    }
}

impl FromStr for Owner {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().ok_or(());
        let (boot, namespace, pid, started) = (next()?, next()?, next()?, next()?);
        let (pid, started) = (pid.parse().map_err(drop)?, started.parse().map_err(drop)?);
        Ok(Owner { boot, namespace, pid, started })
    }
}

/// Returns when a process was started, in clock ticks since boot; nothing where there is none.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let text = String::from_utf8_lossy(&stat).into_owned();
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_label_reads_back() {
        let this = Owner::this_process().unwrap();
        assert_eq!(this.to_string().parse(), Ok(this.clone()));
        assert_eq!(this.fate(&this), Fate::Alive);
        assert_ne!(this.next_name(), this.next_name());
    }

    #[test]
    fn a_process_that_is_no_more_is_told_from_its_successor() {
        let this = Owner::this_process().unwrap();
        let fate = |owner: Owner| owner.fate(&this);
        assert_eq!(fate(Owner { started: this.started + 1, ..this.clone() }), Fate::Gone);
        assert_eq!(fate(Owner { boot: "another".to_owned(), ..this.clone() }), Fate::Gone);
        assert_eq!(fate(Owner { pid: u32::MAX, ..this.clone() }), Fate::Gone);
        assert_eq!(fate(Owner { namespace: "1".to_owned(), ..this.clone() }), Fate::Unknown);
    }

    #[test]
    fn what_is_no_label_of_ours_is_nothing() {
        for text in ["", "a/b", "a/b/c/d", "a/b/1/x"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
    }
}
