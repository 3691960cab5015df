//! The commit message: what a reviewer reads first, and what a later run reads back.

use crate::publication::Publication;

/// One changelog item of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its text.
    pub text: String,
    /// Whether the gate would let every commit through that it stands for.
    pub signed: bool,
}

/// Returns the whole message: subject, changelog items, trailers.
///
/// Items begin with `- `, so that no text from a source commit can stand where a trailer is looked for. Those of
/// unsigned commits end in `(unsigned)`.
pub fn compose(publication: &Publication, items: &[Item]) -> String {
    let subject = match &publication.evr {
        Some(evr) => format!("Update to {} from {}", evr.short(), publication.branch),
        None => format!("Sync {}", publication.branch),
    };
    let mut message = format!("{subject}\n\n");
    for item in items {
        message.push_str("- ");
        message.push_str(&one_line(&item.text));
        message.push_str(if item.signed { "\n" } else { " (unsigned)\n" });
    }
    if !items.is_empty() {
        message.push('\n');
    }
    message + &publication.to_paragraph()
}

/// Folds an item into one line of printable text.
fn one_line(item: &str) -> String {
    let words: Vec<&str> = item.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    crate::outcome::printable(line, 500)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trailers::Trailers;

    fn publication() -> Publication {
        let zeros = "0".repeat(40);
        let paragraph = format!(
            "From-source-git-commit: {zeros}\nSource-git-repository: https://forge.example/hello.git\n\
             Source-git-branch: main\nSource-git-signer: openpgp:AB\nDist-git-target: hello#f44\n\
             Release-tag: v1.2.0 {zeros}\nPublished-EVR: 0:1.2.0-4\nPopulation: archive\n\
             Generated-by: lockkeeper 0.1.0\n"
        );
        let trailers = Trailers::parse(format!("x\n\n{paragraph}").as_bytes());
        Publication::read(&trailers).expect("the paragraph is whole")
    }

    fn item(text: &str, signed: bool) -> Item {
        Item { text: text.to_owned(), signed }
    }

    #[test]
    fn items_stand_between_subject_and_trailers() {
        let items = [item("Fix overflow", true), item("Add tests", false)];
        let message = compose(&publication(), &items);
        let wanted =
            "Update to 1.2.0-4 from main\n\n- Fix overflow\n- Add tests (unsigned)\n\nFrom-";
        assert!(message.starts_with(wanted), "{message}");
        assert_eq!(Publication::read(&Trailers::parse(message.as_bytes())), Some(publication()));
    }

    #[test]
    fn the_mark_of_an_unsigned_item_is_not_cut_off() {
        let message = compose(&publication(), &[item(&"x".repeat(2000), false)]);
        assert!(message.lines().nth(2).is_some_and(|line| line.ends_with("… (unsigned)")));
    }

    #[test]
    fn an_item_cannot_pass_for_a_trailer() {
        let hostile = item("x\n\nPublished-EVR: 0:99-1\u{1b}[2J\n", true);
        let message = compose(&publication(), &[hostile]);
        assert_eq!(Publication::read(&Trailers::parse(message.as_bytes())), Some(publication()));
        assert!(!message.contains('\u{1b}'));
    }
}
