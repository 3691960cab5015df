//! How a report is shown: text or JSON on stdout, and the exit code that goes with it.

use std::io::Write;

use super::Format;
use crate::outcome::{Fault, Refusal, Result};
use crate::report::{Exit, Outcome, Report, describe, refusal_words};

/// Prints what a command came to; a fault from before there was a report gets one, where a program reads it.
pub fn outcome(outcome: Result<Report>, format: Format) -> Exit {
    match (outcome, format) {
        (Ok(finished), _) => report(&finished, format),
        (Err(fault), Format::Json) => {
            report(&Report::new(None, Outcome::Failed).fault(&fault), format)
        }
        (Err(error), Format::Text) => fault(&error),
    }
}

/// Prints what a command found: as JSON, or in the words that `describe` makes.
pub fn value(format: Format, value: &impl serde::Serialize, describe: impl FnOnce() -> String) {
    let text = match format {
        Format::Text => describe(),
        Format::Json => {
            serde_json::to_string_pretty(value).expect("plain data, with texts for keys") + "\n"
        }
    };
    to_stdout(&text);
}

/// Prints the report and returns its exit code.
fn report(report: &Report, format: Format) -> Exit {
    let text = match format {
        Format::Text => describe(report),
        Format::Json => {
            serde_json::to_string_pretty(report)
                .expect("a report holds nothing but text and numbers")
                + "\n"
        }
    };
    to_stdout(&text);
    report.exit
}

/// Writes to stdout; a reader that went away is no fault of ours.
pub fn to_stdout(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Writes to stderr: words for people where stdout carries a result.
pub fn to_stderr(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints a refusal that belongs to no branch to stderr, and returns its exit code.
pub fn refusal(refusal: &Refusal) -> Exit {
    eprintln!("lockkeeper: {}", refusal_words(refusal));
    match refusal.fault_of {
        crate::outcome::FaultOf::Content => Exit::Refused,
        crate::outcome::FaultOf::Config => Exit::Usage,
    }
}

/// Prints a fault that belongs to no branch to stderr, and returns its exit code.
pub fn fault(fault: &Fault) -> Exit {
    match fault {
        Fault::Refused(refused) => refusal(refused),
        Fault::Failed(problem) => {
            eprintln!("lockkeeper: {} [{}]", problem.message, problem.code);
            if !problem.hint.is_empty() {
                eprintln!("  to mend it: {}", problem.hint);
            }
            match problem.lasting {
                crate::outcome::Lasting::Temporary => Exit::TryAgain,
                crate::outcome::Lasting::Permanent => Exit::Failed,
            }
        }
    }
}
