//! What may follow what was published last (the design, section 6: no going back).
//!
//! A signature covers a commit, not its place: whoever can push can point the branch at any commit
//! that was ever signed. So the tip must descend from the last published one.

use crate::names::ObjectId;
use crate::outcome::Refusal;

/// How the tip stands to the source commit that was published last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It is that commit.
    Same,
    /// It has that commit among its ancestors.
    Descendant,
    /// It is an ancestor of it: the branch was moved back.
    Ancestor,
    /// Both have an ancestor in common: the branch was rewritten.
    Sibling,
    /// They have none: the branch was replaced.
    Unrelated,
}

/// Whether a person has said that a branch may go back or elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    /// Nobody has.
    Refused,
    /// `sync --accept-rewrite`.
    Accepted,
}

/// Checks that the tip may follow what was published last.
///
/// # Errors
/// `history-rolled-back`, `history-rewritten` or `history-unrelated`.
pub fn check(
    line: Line,
    last_published: &ObjectId,
    tip: &ObjectId,
    rewrite: Rewrite,
) -> Result<(), Refusal> {
    let (code, found) = match (line, rewrite) {
        (Line::Same | Line::Descendant, _) | (_, Rewrite::Accepted) => return Ok(()),
        (Line::Ancestor, _) => ("history-rolled-back", "is an ancestor of"),
        (Line::Sibling, _) => ("history-rewritten", "does not descend from"),
        (Line::Unrelated, _) => ("history-unrelated", "shares no history with"),
    };
    let words = format!("the tip {tip} {found} the last published source commit {last_published}");
    Err(Refusal::new(code, words).hint(
        "put the branch back and add commits on top; or, if this is meant, run \
         `lockkeeper sync --accept-rewrite` once",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_commit_or_a_descendant_may_follow() {
        let id: ObjectId = "1111111111111111111111111111111111111111".parse().expect("an id");
        let cases = [
            (Line::Same, None),
            (Line::Descendant, None),
            (Line::Ancestor, Some("history-rolled-back")),
            (Line::Sibling, Some("history-rewritten")),
            (Line::Unrelated, Some("history-unrelated")),
        ];
        for (line, wanted) in cases {
            let code = check(line, &id, &id, Rewrite::Refused).err().map(|refusal| refusal.code.0);
            assert_eq!(code, wanted, "{line:?}");
            assert!(check(line, &id, &id, Rewrite::Accepted).is_ok());
        }
    }
}
