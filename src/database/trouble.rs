//! What went wrong with the database, sorted by whose move is next.

use crate::outcome::Problem;

/// The result of asking the database.
pub type Answer<T> = std::result::Result<T, Problem>;

/// What a database's error means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The disk is full: it works again when there is room.
    Full,
    /// The server is gone, or on its way down or up; or the file's disk fails.
    Gone,
    /// Another transaction was in the way.
    Busy,
    /// The statement or the data is at fault: a fault of ours.
    Fault,
}

/// Puts an error of the database into a problem.
pub(super) fn trouble(error: sqlx::Error) -> Problem {
    let said = crate::outcome::printable(error.to_string(), 300);
    let problem = match meaning(&error) {
        Meaning::Full => Problem::temporary(
            "database-full",
            format!("the database has no room to write: {said}"),
        )
        .hint("make room on the disk that holds the database; nothing was lost"),
        Meaning::Gone => Problem::temporary(
            "database-unreachable",
            format!("the database does not answer: {said}"),
        ),
        Meaning::Busy => {
            Problem::temporary("database-busy", format!("the database is in use: {said}"))
        }
        Meaning::Fault => {
            Problem::permanent("database-failed", format!("the database refused: {said}"))
        }
    };
    problem.because(error)
}

/// Returns a problem for a row that does not hold what we write: somebody else changed it.
pub(super) fn unreadable(what: &str, error: impl std::fmt::Display) -> Problem {
    let said = crate::outcome::printable(error.to_string(), 300);
    Problem::permanent("database-unreadable", format!("{what} in the database: {said}"))
}

fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code();
            let code = code.as_deref().unwrap_or_default();
            match code.len() {
                5 => of_postgres(code),
                _ => of_sqlite(code),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => Meaning::Gone,
        _ => Meaning::Fault,
    }
}

/// Reads SQLite's result codes, whose lowest byte is the primary one.
fn of_sqlite(code: &str) -> Meaning {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(13) => Meaning::Full,
        Ok(5 | 6) => Meaning::Busy,
        // I/O error, cannot open, read-only disk, out of memory.
        Ok(7 | 8 | 10 | 14) => Meaning::Gone,
        _ => Meaning::Fault,
    }
}

/// Reads PostgreSQL's SQLSTATE, whose first two characters are the class.
fn of_postgres(code: &str) -> Meaning {
    match (&code[..2], code) {
        (_, "53100") => Meaning::Full,
        ("40", _) | (_, "55P03") => Meaning::Busy,
        // Connection failures, too few resources, an operator's shutdown, a standby, system errors.
        ("08" | "53" | "57" | "58", _) | (_, "25006" | "25P03") => Meaning::Gone,
        _ => Meaning::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whose_move_is_next() {
        for (code, meaning) in [
            ("13", Meaning::Full),
            ("5", Meaning::Busy),
            ("517", Meaning::Busy),
            ("778", Meaning::Gone),
            ("2067", Meaning::Fault),
            ("", Meaning::Fault),
        ] {
            assert_eq!(of_sqlite(code), meaning, "{code}");
        }
        for (code, meaning) in [
            ("53100", Meaning::Full),
            ("40P01", Meaning::Busy),
            ("57P01", Meaning::Gone),
            ("08006", Meaning::Gone),
            ("53300", Meaning::Gone),
            ("23505", Meaning::Fault),
        ] {
            assert_eq!(of_postgres(code), meaning, "{code}");
        }
    }
}
