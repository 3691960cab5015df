//! What differs from forge to forge: requests as data, and how answers are read. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire::Call;
use super::{Issue, Kind, Project};
use crate::names::ObjectId;

/// Where a comment hangs, once it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Place {
    /// On a commit.
    Commit(ObjectId),
    /// On a pull or merge request.
    PullRequest(u64),
    /// On an issue.
    Issue(u64),
}

/// One of the bot's comments: what editing it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommentId {
    /// Where it hangs.
    pub place: Place,
    /// Its number.
    pub id: u64,
    /// GitLab's comments on commits are notes of a discussion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discussion: Option<String>,
}

/// A comment or an issue as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its number: what editing it needs.
    pub id: u64,
    /// GitLab's discussion.
    pub discussion: Option<String>,
    /// Who wrote it.
    pub author: String,
    /// Its text.
    pub body: String,
    /// Whether it is open; comments are.
    pub open: bool,
}

/// How one kind of forge is spoken to, where all of them can do the same.
///
/// `None` for a request means that this kind has no such thing.
pub(super) trait Dialect: Send + Sync {
    /// Asks who we are.
    fn who_am_i(&self) -> Call;
    /// Reads who we are.
    fn login(&self, answer: &Value) -> Option<String>;
    /// Asks which pull request brought a commit.
    fn pull_request_of(&self, project: &Project, commit: &ObjectId) -> Option<Call>;
    /// Reads the number of that pull request.
    fn pull_request(&self, answer: &Value) -> Option<u64>;
    /// Asks for a page of comments, from 1.
    fn comments(&self, project: &Project, place: &Place, page: u32) -> Option<Call>;
    /// Reads the comments of a page; an entry may hold several.
    fn read_comments(&self, answer: &Value) -> Vec<Found>;
    /// Writes a comment.
    fn write_comment(&self, project: &Project, place: &Place, body: &str) -> Option<Call>;
    /// Reads what was written.
    fn written(&self, answer: &Value) -> Option<Found>;
    /// Changes a comment.
    fn edit_comment(&self, project: &Project, comment: &CommentId, body: &str) -> Option<Call>;
    /// Asks for a page of the issues that `login` opened, from 1.
    fn issues(&self, project: &Project, login: &str, page: u32) -> Call;
    /// Asks for one issue.
    fn issue(&self, project: &Project, number: u64) -> Call;
    /// Reads the issues of a page.
    fn read_issues(&self, answer: &Value) -> Vec<Found>;
    /// Reads the answer about one issue.
    fn read_issue(&self, answer: &Value) -> Option<Found>;
    /// Opens an issue.
    fn open_issue(&self, issue: &Issue) -> Call;
    /// Brings an issue to what is wanted; `was_open` says how it stands.
    fn edit_issue(&self, issue: &Issue, number: u64, was_open: bool) -> Vec<Call>;
    /// How many entries a full page has.
    fn page_size(&self) -> usize {
        100
    }
}

/// Returns how a kind of forge is spoken to.
pub(super) fn dialect(kind: Kind) -> &'static dyn Dialect {
    match kind {
        Kind::GitHub => &super::github::GitHub,
        Kind::GitLab => &super::gitlab::GitLab,
        Kind::Pagure => &super::pagure::Pagure,
        Kind::Forgejo | Kind::Gitea => &super::forgejo::Forgejo,
    }
}

/// Returns the entries of a list; none where it is no list.
pub(super) fn entries(answer: &Value) -> &[Value] {
    answer.as_array().map_or(&[], Vec::as_slice)
}

/// Returns a text of an answer; empty where there is none.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Writes a part of an address: what is neither letter, digit nor `- . _ ~` as `%XX`.
pub(super) fn escape(part: &str) -> String {
    let mut escaped = String::new();
    for byte in part.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
