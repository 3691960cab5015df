//! What may follow what was published last (the design, section 6: no going back).
//!
//! A signature covers a commit, not its place: whoever can push can point the branch at any commit
//! that was ever signed. So the tip must descend from the last published one.

use crate::git::Relation;
use crate::names::ObjectId;
use crate::outcome::Refusal;

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
    relation: Relation,
    last_published: &ObjectId,
    tip: &ObjectId,
    rewrite: Rewrite,
) -> Result<(), Refusal> {
    let (code, found) = match (relation, rewrite) {
        (Relation::Same | Relation::Descendant, _) | (_, Rewrite::Accepted) => return Ok(()),
        (Relation::Ancestor, _) => ("history-rolled-back", "is an ancestor of"),
        (Relation::Sibling, _) => ("history-rewritten", "does not descend from"),
        (Relation::Unrelated, _) => ("history-unrelated", "shares no history with"),
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
            (Relation::Same, None),
            (Relation::Descendant, None),
            (Relation::Ancestor, Some("history-rolled-back")),
            (Relation::Sibling, Some("history-rewritten")),
            (Relation::Unrelated, Some("history-unrelated")),
        ];
        for (relation, wanted) in cases {
            let code =
                check(relation, &id, &id, Rewrite::Refused).err().map(|refusal| refusal.code.0);
            assert_eq!(code, wanted, "{relation:?}");
            assert!(check(relation, &id, &id, Rewrite::Accepted).is_ok());
        }
    }
}
