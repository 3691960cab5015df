//! Comments and issues: one for each marker, edited in place.
//!
//! 1. What is remembered of it is edited. Where it is gone, or nothing is remembered:
//! 2. the place is found: a commit's pull request, else the commit itself;
//! 3. our own notes there are searched for the marker; one of somebody else's that quotes it is none of ours;
//! 4. only where none is found one is written. So one that was written and not noted is not written twice.

use super::dialect::{CommentId, Dialect, Found, Place, dialect};
use super::wire::{Call, Wire};
use super::{Answer, Comment, Issue, RemoteId, Thread, answer};

/// The most pages that are searched: beyond a few thousand notes ours is written anew.
const PAGES: u32 = 20;

/// Whether a note may be written where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is written.
    Write,
    /// Nothing is done: what is mended needs no note that it was broken.
    Leave,
}

/// Writes or edits a comment. `None` where this forge has no place for it, or nothing was to be done.
pub(super) async fn put_comment(
    wire: &Wire,
    login: &str,
    comment: &Comment,
    known: Option<&RemoteId>,
    missing: Missing,
    doing: &str,
) -> Answer<Option<RemoteId>> {
    let speaks = dialect(wire.account().kind);
    if let Some(known) = known.and_then(|known| serde_json::from_str::<CommentId>(&known.0).ok())
        && edit(wire, speaks, comment, &known, doing).await?
    {
        return Ok(Some(remembered(&known)));
    }
    let Some(place) = place(wire, speaks, comment, doing).await? else { return Ok(None) };
    if let Some(found) = search_comments(wire, speaks, login, comment, &place, doing).await? {
        return keep(wire, speaks, comment, place, found, missing, doing).await;
    }
    match missing {
        Missing::Leave => Ok(None),
        Missing::Write => write(wire, speaks, comment, place, doing).await,
    }
}

fn remembered(comment: &CommentId) -> RemoteId {
    RemoteId(serde_json::to_string(comment).expect("numbers and texts"))
}

/// Edits a comment; `false` where it is gone or cannot be edited.
async fn edit(
    wire: &Wire,
    speaks: &dyn Dialect,
    comment: &Comment,
    known: &CommentId,
    doing: &str,
) -> Answer<bool> {
    match speaks.edit_comment(&comment.project, known, &comment.body) {
        Some(call) => Ok(wire.find(&call, doing).await?.is_some()),
        None => Ok(false),
    }
}

/// Finds where a comment is to hang; `None` where this forge has nothing of the kind.
async fn place(
    wire: &Wire,
    speaks: &dyn Dialect,
    comment: &Comment,
    doing: &str,
) -> Answer<Option<Place>> {
    let commit = match &comment.thread {
        Thread::PullRequest(number) => return Ok(Some(Place::PullRequest(*number))),
        Thread::Issue(number) => return Ok(Some(Place::Issue(*number))),
        Thread::Commit(commit) => commit,
    };
    if let Some(call) = speaks.pull_request_of(&comment.project, commit) {
        let reply = wire.find(&call, doing).await?;
        if let Some(number) = reply.and_then(|reply| speaks.pull_request(&reply.json())) {
            return Ok(Some(Place::PullRequest(number)));
        }
    }
    let on_commit = Place::Commit(*commit);
    Ok(speaks.comments(&comment.project, &on_commit, 1).map(|_| on_commit))
}

async fn search_comments(
    wire: &Wire,
    speaks: &dyn Dialect,
    login: &str,
    comment: &Comment,
    place: &Place,
    doing: &str,
) -> Answer<Option<Found>> {
    for page in 1..=PAGES {
        let Some(call) = speaks.comments(&comment.project, place, page) else { break };
        let Some(reply) = wire.find(&call, doing).await? else { break };
        let answer = reply.json();
        let found = speaks.read_comments(&answer);
        if let Some(ours) = ours(found, login, &comment.marker) {
            return Ok(Some(ours));
        }
        if answer.as_array().is_none_or(|entries| entries.len() < speaks.page_size()) {
            break;
        }
    }
    Ok(None)
}

/// Returns the first that is ours: written by us, and with the marker on a line of its own.
fn ours(found: Vec<Found>, login: &str, marker: &str) -> Option<Found> {
    let is_ours = |note: &Found| {
        note.author.eq_ignore_ascii_case(login)
            && note.body.lines().any(|line| line.trim() == marker)
    };
    found.into_iter().find(is_ours)
}

/// Brings a comment that was found to its new text; where it cannot be edited a changed end is said anew.
async fn keep(
    wire: &Wire,
    speaks: &dyn Dialect,
    comment: &Comment,
    place: Place,
    found: Found,
    missing: Missing,
    doing: &str,
) -> Answer<Option<RemoteId>> {
    let known = CommentId { place: place.clone(), id: found.id, discussion: found.discussion };
    if same(&found.body, &comment.body) || edit(wire, speaks, comment, &known, doing).await? {
        return Ok(Some(remembered(&known)));
    }
    match missing {
        // The same cause a second time: it was said, and saying it again mails everybody.
        Missing::Write => Ok(Some(remembered(&known))),
        Missing::Leave => write(wire, speaks, comment, place, doing).await,
    }
}

/// Compares two texts as forges keep them: line ends and the end of the text may differ.
fn same(one: &str, other: &str) -> bool {
    one.trim_end().lines().eq(other.trim_end().lines())
}

async fn write(
    wire: &Wire,
    speaks: &dyn Dialect,
    comment: &Comment,
    place: Place,
    doing: &str,
) -> Answer<Option<RemoteId>> {
    let Some(call) = speaks.write_comment(&comment.project, &place, &comment.body) else {
        return Ok(None);
    };
    let reply = wire.call(&call, doing).await?;
    let written = speaks.written(&reply.json());
    Ok(written
        .map(|found| remembered(&CommentId { place, id: found.id, discussion: found.discussion })))
}

/// Opens, edits or closes an issue. `None` where none is to be opened only to be closed.
pub(super) async fn put_issue(
    wire: &Wire,
    login: &str,
    issue: &Issue,
    known: Option<&RemoteId>,
    doing: &str,
) -> Answer<Option<RemoteId>> {
    let speaks = dialect(wire.account().kind);
    let found = match known_issue(wire, speaks, issue, known, doing).await? {
        Some(found) => Some(found),
        None => search_issues(wire, speaks, login, issue, doing).await?,
    };
    if let Some(found) = found {
        for call in speaks.edit_issue(issue, found.id, found.open) {
            wire.call(&call, doing).await?;
        }
        return Ok(Some(RemoteId(found.id.to_string())));
    }
    match issue.open {
        false => Ok(None),
        true => open(wire, speaks, issue, doing).await.map(Some),
    }
}

async fn known_issue(
    wire: &Wire,
    speaks: &dyn Dialect,
    issue: &Issue,
    known: Option<&RemoteId>,
    doing: &str,
) -> Answer<Option<Found>> {
    let Some(number) = known.and_then(|known| known.0.parse().ok()) else { return Ok(None) };
    let reply = wire.find(&speaks.issue(&issue.project, number), doing).await?;
    Ok(reply.and_then(|reply| speaks.read_issue(&reply.json())))
}

async fn search_issues(
    wire: &Wire,
    speaks: &dyn Dialect,
    login: &str,
    issue: &Issue,
    doing: &str,
) -> Answer<Option<Found>> {
    for page in 1..=PAGES {
        let reply = wire.call(&speaks.issues(&issue.project, login, page), doing).await?;
        let found = speaks.read_issues(&reply.json());
        let is_last = found.len() < speaks.page_size();
        match ours(found, login, &issue.marker) {
            Some(ours) => return Ok(Some(ours)),
            None if is_last => break,
            None => {}
        }
    }
    Ok(None)
}

async fn open(wire: &Wire, speaks: &dyn Dialect, issue: &Issue, doing: &str) -> Answer<RemoteId> {
    let kind = wire.account().kind;
    let reply = wire.call(&speaks.open_issue(issue), doing).await?;
    match speaks.read_issue(&reply.json()) {
        Some(found) => Ok(RemoteId(found.id.to_string())),
        None => answer::unreadable(kind, doing),
    }
}

/// Asks a forge who we are there.
pub(super) async fn who_am_i(wire: &Wire, call: &Call) -> Answer<String> {
    let (kind, doing) = (wire.account().kind, "asking who we are");
    let reply = wire.call(call, doing).await?;
    match dialect(kind).login(&reply.json()) {
        Some(login) => Ok(login),
        None => answer::unreadable(kind, doing),
    }
}
