//! What a forge's answer means: done, wait, or never. Pure.

use std::time::Duration;

use serde_json::Value;

use super::account::called;
use super::limits::Signs;
use super::{Answer, Kind, Setback};
use crate::outcome::{Problem, printable};

/// An answer as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// What its headers say of limits.
    pub signs: Signs,
    /// Its body.
    pub body: Vec<u8>,
}

/// How long an account rests after it was not let in: until somebody may have given it a new token.
const UNTIL_A_NEW_TOKEN: Duration = Duration::from_secs(15 * 60);

impl Reply {
    /// Returns the body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Tells whether the forge took what we said.
    pub fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns what the forge says went wrong, harmless and short.
    pub fn complaint(&self) -> String {
        let json = self.json();
        let words: Vec<String> = ["message", "error", "error_description", "errors"]
            .iter()
            .map(|key| &json[*key])
            .filter(|said| !said.is_null() && **said != Value::Array(Vec::new()))
            .map(|said| said.as_str().map_or_else(|| said.to_string(), str::to_owned))
            .collect();
        match words.is_empty() {
            true => printable(String::from_utf8_lossy(&self.body).trim(), 200),
            false => printable(words.join("; "), 300),
        }
    }

    /// Sorts what is no success. `doing` says what was tried; `strikes` how often it was "too many" just before.
    pub fn setback(&self, kind: Kind, doing: &str, strikes: u32, now: i64) -> Setback {
        let said =
            format!("{doing}: {} answered {}: {}", called(kind), self.status, self.complaint());
        let body = String::from_utf8_lossy(&self.body);
        if let Some(wait) = self.signs.wait(self.status, &body, strikes, now) {
            let words = format!("{said} (waiting {} s)", wait.as_secs());
            return Setback::from(Problem::temporary("forge-rate-limited", words)).hold(wait);
        }
        match self.status {
            401 => Setback::from(
                Problem::permanent("forge-unauthorized", said)
                    .hint("give the bot a new token: this one has expired, was revoked or is not of this forge"),
            )
            .hold(UNTIL_A_NEW_TOKEN),
            403 => Problem::permanent("forge-not-allowed", said)
                .hint(format!("give the bot's token what it needs there: {}", needs(kind)))
                .into(),
            404 | 410 => Problem::permanent("forge-not-found", said)
                .hint("see that the project and the commit are there, and that the bot's token can see them")
                .into(),
            300..=399 => Problem::permanent("forge-moved", said)
                .hint("give the forge's present address, and the project's in the branch config")
                .into(),
            408 | 500..=599 => {
                let setback = Setback::from(Problem::temporary("forge-unavailable", said));
                Setback { hold: self.signs.retry_after(), ..setback }
            }
            _ => Problem::permanent("forge-refused", said).into(),
        }
    }
}

/// Says which rights a token needs, as `docs/reports.md` does at length.
fn needs(kind: Kind) -> &'static str {
    match kind {
        Kind::GitHub => "commit statuses (an App: checks), pull requests and issues, each to write",
        Kind::GitLab => "the scope `api` and the role Developer",
        Kind::Pagure => {
            "the ACLs commit_flag, pull_request_comment, issue_create, issue_update and issue_change_status"
        }
        Kind::Forgejo | Kind::Gitea => "write:repository, write:issue and read:user",
    }
}

/// Says that an answer is not what this kind of forge answers.
pub(super) fn unreadable<T>(kind: Kind, doing: &str) -> Answer<T> {
    let name = called(kind);
    let words = format!("{doing}: {name} answered something that it does not answer there");
    Err(Problem::permanent("forge-answer-unreadable", words)
        .hint("see that the address in the operator config is that of the forge, and its kind is right")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Lasting::{self, Permanent, Temporary};

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.as_bytes().to_vec(), ..Reply::default() }
    }

    #[test]
    fn answers_are_sorted_by_who_can_mend_them() {
        let table: [(u16, &str, Lasting, bool); 11] = [
            (401, "forge-unauthorized", Permanent, true),
            (403, "forge-not-allowed", Permanent, false),
            (404, "forge-not-found", Permanent, false),
            (410, "forge-not-found", Permanent, false),
            (301, "forge-moved", Permanent, false),
            (422, "forge-refused", Permanent, false),
            (400, "forge-refused", Permanent, false),
            (429, "forge-rate-limited", Temporary, true),
            (408, "forge-unavailable", Temporary, false),
            (502, "forge-unavailable", Temporary, false),
            (503, "forge-unavailable", Temporary, false),
        ];
        for (status, code, lasting, holds) in table {
            let setback = reply(status, "{}").setback(Kind::GitHub, "telling", 0, 0);
            let found = (setback.problem.code.0, setback.problem.lasting, setback.hold.is_some());
            assert_eq!(found, (code, lasting, holds), "{status}");
        }
    }

    #[test]
    fn a_server_that_is_away_names_its_time() {
        let signs = Signs { retry_after: Some("30".into()), ..Signs::default() };
        let setback = Reply { signs, ..reply(503, "") }.setback(Kind::GitLab, "telling", 0, 0);
        assert_eq!(setback.hold, Some(Duration::from_secs(30)));
    }

    #[test]
    fn complaints_of_every_kind_are_read_and_made_harmless() {
        let table = [
            (r#"{"message": "Bad credentials"}"#, "Bad credentials"),
            (r#"{"message": {"base": ["no"]}}"#, r#"{"base":["no"]}"#),
            (
                r#"{"error": "Invalid", "errors": {"uid": ["long"]}}"#,
                r#"Invalid; {"uid":["long"]}"#,
            ),
            ("<html>\u{1b}[2J", "<html>\\u{1b}[2J"),
            ("", ""),
        ];
        for (body, words) in table {
            assert_eq!(reply(400, body).complaint(), words, "{body}");
        }
    }
}
